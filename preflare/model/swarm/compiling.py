"""Functions that numba compiles at their first call: inner ones, and entries, which it keeps on disk."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
from numba.core import event

OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": {"contract", "reassoc"}, "error_model": "numpy"}
# A wrapper for Python for every inner function would be most of what there is to compile.
INNER: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

log = logging.getLogger(__name__)
_entries: set[Any] = set()


def compiled(function: Callable[..., Any]) -> Any:
    """A function for other compiled ones to call; Python cannot."""
    return numba.njit(**INNER, **OPTIONS)(function)


def entry(*parts: ModuleType) -> Callable[[Callable[..., Any]], Any]:
    """A function for Python to call, kept on disk if numba finds a folder that it may write to.

    parts: the modules of the functions that it calls. numba itself looks only at the file of the entry, so that their
    digest goes into the name under which it is kept.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(Path(str(part.__file__)).read_bytes())

    def decorate(function: Callable[..., Any]) -> Any:
        function.__qualname__ += f"_{digest.hexdigest()[:16]}"
        try:
            dispatcher = numba.njit(cache=True, **OPTIONS)(function)
        except RuntimeError:
            dispatcher = numba.njit(**OPTIONS)(function)
        _entries.add(dispatcher)
        return dispatcher

    return decorate


class _Tell(event.Listener):
    """Says once in a process that something is compiled, which takes a while."""

    def __init__(self) -> None:
        self.told = False

    def on_start(self, event: Any) -> None:
        dispatcher = event.data["dispatcher"]
        if dispatcher in _entries and not self.told:
            self.told = True
            kept = dispatcher.stats.cache_path
            log.info(
                "Compiling loops for this processor takes some ten seconds%s.",
                ", once" if kept else "; numba can keep them nowhere, unless NUMBA_CACHE_DIR names a folder",
            )

    def on_end(self, event: Any) -> None:
        pass


tell = _Tell()
event.register("numba:compile", tell)
