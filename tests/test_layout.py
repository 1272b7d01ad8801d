"""The house holds itself: rooms import one way, every module has its test, every config builds."""

import ast
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("sun", "data", "model", "explain", "report")
MODULES = sorted(path.relative_to(ROOT) for path in (ROOT / "preflare").rglob("*.py") if path.name != "__init__.py")


def imports(path: Path) -> set[str]:
    """The preflare rooms and floors a module imports: "sun", "data", ..., "run", "figures"."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("preflare.")}
    return found


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_run_one_way(module: Path) -> None:
    room = module.parts[1]
    allowed = set(ROOMS[: ROOMS.index(room) + 1]) if room in ROOMS else set()
    forbidden = (imports(ROOT / module) & set(ROOMS)) - allowed
    assert not forbidden, f"{module} imports {sorted(forbidden)}"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_every_module_has_its_test(module: Path) -> None:
    inside = Path(*module.parts[1:-1])
    assert (ROOT / "tests" / inside / f"test_{module.name}").is_file()


def test_data_not_code_names_the_line() -> None:
    for module in MODULES:
        text = (ROOT / module).read_text()
        code = "\n".join(ast.unparse(node) for node in ast.parse(text).body if not isinstance(node, ast.Expr))
        for word in ("2796.3", "2803.5", "2798.7"):
            assert word not in code, f"{module} says {word}; a line is data (conf/line)"


def choices() -> list[tuple[str, str, str]]:
    """(verb, group, choice) of every config file that a verb's defaults list can choose."""
    found = []
    for verb in ("ingest", "train", "explain", "report"):
        text = (ROOT / "conf" / f"{verb}.yaml").read_text()
        for folder in sorted(path for path in (ROOT / "conf").iterdir() if path.is_dir() and path.name != "hydra"):
            if f"- {folder.name}:" in text:
                found += [(verb, folder.name, file.stem) for file in sorted(folder.glob("*.yaml"))]
    return found


def test_every_config_file_belongs_to_a_verb() -> None:
    groups = {path.parent.name for path in (ROOT / "conf").glob("*/*.yaml")}
    assert groups == {group for _, group, _ in choices()}


@pytest.mark.parametrize(("verb", "group", "choice"), choices(), ids=str)
def test_every_config_composes_and_builds(
    verb: str, group: str, choice: str, load_verb: Callable[[str], ModuleType]
) -> None:
    load_verb(verb)
    needed = ["source.path=."] if choice == "folder" else []
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose(verb, [f"{group}={choice}", *needed], return_hydra_config=True)
    # A logger opens files where the run is, a trainer on a GPU needs one, an experiment is only values.
    if group not in ("logger", "experiment") and choice != "gpu":
        # The numbers of a simulation are what its source is built from.
        assert instantiate(config["source" if group == "simulation" else group]) is not None
