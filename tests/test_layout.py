"""The house holds itself: rooms import one way, every module has its test, every config builds."""

import ast
import re
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


# What conf/line/mg_ii.yaml says, in the forms that code could: as a number, in a string, in the page's template.
LINE = re.compile(r"\b240\b(?!\.\d)|\b(279[4-9]|280[0-5])\.\d|Mg ?II|mg_ii", re.IGNORECASE)


def literals(code: str) -> list[str]:
    """The numbers and strings of a module, short of docstrings and comments, which may give examples."""
    tree = ast.parse(code)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings]


def test_data_not_code_names_the_line() -> None:
    for module in MODULES:
        # The dataclass may give an example of itself in a message.
        if module != Path("preflare/sun/line.py"):
            found = [text for text in literals((ROOT / module).read_text()) if LINE.search(text)]
            assert not found, f"{module} says {found}; a line is data (conf/line)"
    for template in (ROOT / "preflare").rglob("*.html"):
        assert not LINE.search(template.read_text()), f"{template} names a line; a line is data (conf/line)"


def test_a_line_in_code_is_found_and_in_a_docstring_is_not() -> None:
    said = (
        "x = 240",
        "x = 2796.34",
        "def f(points=240): ...",
        "x = 'Mg II h&k'",
        "x = f'near {y} 2803.52'",
        "x = 'mg_ii'",
    )
    for code in said:
        assert any(LINE.search(text) for text in literals(code)), code
    for code in (
        '"Mg II, 240 points."',
        "def f():\n    'At 2796.34.'",
        "x = 1  # 240",
        "x = 2400.0",
        "s = 240.0",
        "x = 12796",
    ):
        assert not any(LINE.search(text) for text in literals(code)), code


def test_real_data_are_where_the_environment_says(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PREFLARE_REAL_DATA", str(tmp_path))
    assert request.getfixturevalue("real_data") == tmp_path


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
