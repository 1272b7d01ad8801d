"""What the four verbs share: Hydra's entry, a schema that refuses mistyped keys, and errors as one sentence.

A verb is a function of a config. ``verb`` wraps it so that a ``PreflareError`` prints its sentence and exits
with 1; every other exception is a defect of ours and keeps its traceback. In a multirun a failing job does not
end the others, and the command exits with 1 at the end.
"""

import io
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Protocol

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from preflare.checks import check_choice
from preflare.errors import ConfigError, PreflareError
from preflare.figures import style
from preflare.run import has_effect

# Hydra's flags that print something instead of running the verb.
PRINTING = frozenset({"--help", "-h", "--hydra-help", "--version", "--cfg", "-c", "--info", "-i"})

CONF = Path(__file__).resolve().parents[1] / "conf"

log = logging.getLogger(__name__)


def folder_name(overrides: Sequence[str]) -> str:
    """The overrides that change the result as a relative path: ``partition.seed-3/seed-7``; "" for none.

    Sorted by key; no ``=`` and no space, since Hydra cannot take such a path back as a value.
    """
    parts = []
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        if has_effect(override.key_or_group):
            text = f"{override.key_or_group}-{override.get_value_element_as_str()}"
            parts.append(re.sub(r"[^\w.+-]+", "_", text))
    return "/".join(sorted(parts))


OmegaConf.register_new_resolver("folder_name", folder_name, replace=True)


@dataclass(frozen=True)
class Job:
    """One job of a sweep: its config, all resolved, the folder for its output, and the overrides that made it."""

    config: DictConfig
    folder: Path
    overrides: tuple[str, ...]


@dataclass
class Drawn:
    """What the schema of every verb that draws starts from. style: the look of its figures (preflare/figures/style)."""

    style: str = "default"


class Together(Protocol):
    """How a verb runs many jobs at once; ``hydra/launcher=swarm`` calls it. No job's failure ends another."""

    def groups(self, jobs: Sequence[Job]) -> list[list[Job]]:
        """Jobs that can run as one, for each group; every job is in exactly one."""
        ...

    def run(self, jobs: Sequence[Job]) -> None:
        """Run the jobs of a group, each into its own folder."""
        ...

    def value(self, job: Job) -> float | None:
        """What the job returns to Hydra, read from its folder; None if it failed."""
        ...


def verb(
    name: str, schema: type, together: Together | None = None
) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Turn a function of a config into a command-line program over ``conf/<name>.yaml``.

    schema: a dataclass of the top-level keys; a config file or an override that sets any other key is refused.
    together: how to run the jobs of a sweep at once, for a verb whose launcher is the swarm.
    """
    ConfigStore.instance().store(name=f"{name}_schema", node=schema)

    def decorate(task: Callable[[DictConfig], Any]) -> Callable[[], None]:
        def guarded(config: DictConfig) -> Any:
            multirun = HydraConfig.get().mode is RunMode.MULTIRUN
            try:
                check_keys(config, schema)
                chosen = config.style if "style" in config else Drawn.style
                style.use(str(check_choice("style", chosen, tuple(style.LOOKS))))
                return task(config)
            except (PreflareError, InstantiationException, OmegaConfBaseException) as error:
                if os.environ.get("HYDRA_FULL_ERROR") == "1":
                    raise
                log.error(sentence(error))
                if multirun and together is None:
                    raise  # Hydra then exits with 1
            except Exception:
                if not multirun or together is None:
                    raise
                log.exception("This job failed; the others go on.")
            if not multirun:
                sys.exit(1)

        guarded.__module__ = task.__module__
        guarded.together = together  # type: ignore[attr-defined]
        entry = hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)(guarded)

        def main() -> None:
            # Both spellings are in use for a group whose default is null; Hydra takes only the second.
            sys.argv = [
                argument.removeprefix("+") if argument.startswith("+experiment=") else argument for argument in sys.argv
            ]
            if any(argument.split("=")[0] in PRINTING for argument in sys.argv[1:]):
                show(entry)
                return
            try:
                entry()
            except KeyboardInterrupt:
                if os.environ.get("HYDRA_FULL_ERROR") == "1":
                    raise
                print("Stopped. The same command goes on with what is missing.", file=sys.stderr)
                sys.exit(130)  # as shells say of a command that was interrupted

        return main

    return decorate


def show(entry: Callable[[], Any]) -> None:
    """Run what only prints, and print it, unless whoever reads has seen enough and left, as ``head`` does."""
    text = io.StringIO()
    try:
        with redirect_stdout(text):
            entry()
    finally:
        try:
            sys.stdout.write(text.getvalue())
            sys.stdout.flush()
        except BrokenPipeError:
            # What is left in the buffer would be flushed once more at the end, and complain again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def check_keys(config: DictConfig, schema: type, prefix: str = "") -> None:
    """Raise ConfigError for a key that the schema lacks: with ``+`` Hydra lets one in."""
    known = {field.name: field.type for field in fields(schema)}
    for key, value in config.items():
        if key not in known:
            raise ConfigError(f"There is no key {prefix}{key!s}. Known are {', '.join(sorted(known))}.")
        kind = known[key]
        if isinstance(kind, type) and is_dataclass(kind):
            check_keys(value, kind, f"{prefix}{key!s}.")


def sentence(error: Exception) -> str:
    """What to tell the user: our own message if one of our exceptions is at the bottom, else Hydra's."""
    found = ours(error)
    return str(found) if isinstance(found, PreflareError) else " ".join(str(error).split())


def ours(error: Exception) -> Exception:
    """Our own exception if one is at the bottom of this one, else this one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, PreflareError):
            return cause
        cause = cause.__cause__
    return error
