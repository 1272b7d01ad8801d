"""The commands on a page are those that made it: other settings than the defaults, shards that moved, strange names."""

from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from preflare import run
from preflare.command import CONF
from preflare.explain.cube import Cube
from preflare.explain.ensemble import Ensemble
from preflare.report import commands
from preflare.run import Run, RunFolder

DEFAULT = OmegaConf.load(CONF / "explain.yaml")


def cube(shard: Path, side: str = "test", **changes: str | int) -> Cube:
    """A cube of explain.py's defaults, but for the changes."""
    attributes = {name: OmegaConf.select(DEFAULT, key) for name, key in commands.KEYS.items()}
    attributes |= {"sample": DEFAULT.sample or "all", "maps": " ".join(DEFAULT.maps), "member_count": 1}
    attributes |= {"observation": shard.stem, "shard": str(shard), "side": side}
    attributes |= {"origin": "simulation"} | changes
    return Cube(Path(f"{shard.stem}.h5"), attributes, (1, 1, 1, 240), ())


def single(run: Run) -> Ensemble:
    return Ensemble(run.folder, (run,))


@pytest.fixture
def finished(toy_run: Path) -> Run:
    return run.read(toy_run)


@pytest.fixture
def held_out(finished: Run) -> list[Path]:
    """The shards of the test side, where the run had them."""
    root = Path(finished.config.data.root)
    return [root / f"{name}.h5" for name in finished.record["partition"]["sides"]["test"]]


def explains(finished: Run, cubes: list[Cube], root: Path | None = None) -> list[str]:
    """The commands between train and report, short of the run."""
    first, *between, last = commands.history(single(finished), cubes, root).splitlines()
    assert first.startswith("python train.py") and last.startswith("python report.py")
    head = f"python explain.py run={finished.folder.path}"
    assert all(line.startswith(head) for line in between)
    return [line.removeprefix(head).strip() for line in between]


def test_defaults_need_not_be_said(finished: Run, held_out: list[Path]) -> None:
    finished.record["overrides"] = ["partition.seed=3", "model.sizes=[1,2]"]
    assert commands.history(single(finished), [cube(shard) for shard in held_out], None).splitlines() == [
        f"python train.py partition.seed=3 'model.sizes=[1,2]' hydra.run.dir={finished.folder.path}",
        f"python explain.py run={finished.folder.path}",
        f"python report.py run={finished.folder.path}",
    ]
    assert explains(finished, []) == [], "a page without cubes was made without explain.py"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"quantity": "probability"}, "explained=probability"),
        ({"checkpoint": "last"}, "checkpoint=last"),
        ({"spectra": "all"}, "spectra=all"),
        ({"sample": 7}, "sample=7"),
        ({"sample_seed": 7}, "seed=7"),
        ({"maps": ""}, "'maps=[]'"),
        ({"maps": "hirescam gradcam"}, "'maps=[hirescam,gradcam]'"),
        ({"precision": "float16"}, "precision=float16"),
        ({"baselines": 7}, "expected_gradients.baselines=7"),
        ({"positions": 7}, "expected_gradients.positions=7"),
        ({"baselines_choice": "random"}, "expected_gradients.choice=random"),
        ({"baselines_seed": 7}, "expected_gradients.seed=7"),
        ({"members_choice": "all"}, "members=all"),
        ({"members_choice": "representative", "member_count": 4}, "members=representative representatives=4"),
    ],
)
def test_each_setting_that_is_no_default_is_said(
    finished: Run, held_out: list[Path], change: dict[str, str | int], said: str
) -> None:
    assert explains(finished, [cube(shard, **change) for shard in held_out]) == [said]


def test_every_spectrum_is_a_null_where_the_default_is_a_sample(
    finished: Run, held_out: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OmegaConf, "load", lambda _: OmegaConf.merge(DEFAULT, {"sample": 200}))
    assert explains(finished, [cube(shard, sample="all") for shard in held_out]) == ["sample=null"]


def test_shards_that_moved_are_said(finished: Run, held_out: list[Path], tmp_path: Path) -> None:
    moved = [cube(tmp_path / shard.name) for shard in held_out]
    assert explains(finished, moved) == [f"data.root={tmp_path}"]
    assert explains(finished, [cube(shard) for shard in held_out], tmp_path) == [f"data.root={tmp_path}"]
    last = commands.history(single(finished), moved, tmp_path).splitlines()[-1]
    assert last == f"python report.py run={finished.folder.path} data.root={tmp_path}"


@pytest.mark.parametrize(
    ("overrides", "folder", "said"),
    [
        ([], "runs/default", "python train.py"),
        (["seed=7", "loss.l2=0"], "runs/default/loss.l2-0/seed-7", "python train.py seed=7 loss.l2=0"),
        (["seed=7"], "runs/default", "python train.py seed=7 hydra.run.dir={}"),
    ],
)
def test_a_run_folder_of_ones_own_is_said(
    finished: Run, tmp_path: Path, overrides: list[str], folder: str, said: str
) -> None:
    finished.record["overrides"] = overrides
    elsewhere = replace(finished, folder=RunFolder(tmp_path / folder))
    assert commands.history(single(elsewhere), [], None).splitlines()[0] == said.format(tmp_path / folder)


def test_some_observations_are_named_and_others_made_in_another_way_apart(finished: Run, held_out: list[Path]) -> None:
    first, second = held_out
    assert explains(finished, [cube(first)]) == [f"'observations=[{first.stem}]'"]
    assert explains(finished, [cube(first), cube(second, sample=9)]) == [
        f"'observations=[{first.stem}]'",
        f"sample=9 'observations=[{second.stem}]'",
    ]


def test_other_shards_are_a_command_each(finished: Run, held_out: list[Path], tmp_path: Path) -> None:
    foreign = cube(tmp_path / "real" / "NA_1.h5", side="none", sample=9)
    here = [cube(shard) for shard in held_out]
    assert explains(finished, [*here, foreign]) == ["", f"shards={tmp_path}/real/NA_1.h5 sample=9"]
    real = cube(tmp_path / "real" / "NA_1.h5", side="none", origin="level2")
    assert explains(finished, [*here, real])[1] == f"shards={tmp_path}/real/NA_1.h5 allow_simulated=true"
    moved = [cube(tmp_path / shard.name) for shard in held_out]
    assert explains(finished, [*moved, foreign])[1] == (
        f"shards={tmp_path}/real/NA_1.h5 data.root={tmp_path} sample=9"
    ), "the baselines are from where the own shards are"
    assert explains(finished, [foreign], tmp_path) == [f"shards={tmp_path}/real/NA_1.h5 data.root={tmp_path} sample=9"]


def test_a_path_with_a_space_is_quoted_for_the_shell_and_for_hydra(finished: Run) -> None:
    said = commands.next_steps(single(finished), Path("my data")).splitlines()
    # A shell makes one word of it, data.root='my data', in which Hydra sees a quoted value.
    assert said == [
        f"python {verb}.py run={finished.folder.path} " + "'data.root='\"'\"'my data'\"'\"''"
        for verb in ("explain", "report")
    ]


def member(finished: Run, folder: Path, *overrides: str) -> Run:
    return replace(finished, folder=RunFolder(folder), record={**finished.record, "overrides": list(overrides)})


def test_a_sweep_is_one_command_if_its_members_are_all_combinations(finished: Run, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "default"
    runs = [
        member(finished, path / f"{p}/{s}", "loss.l2=0", f"partition.seed={p}", f"seed={s}")
        for p in "01"
        for s in "789"
    ]
    by = Ensemble(RunFolder(path), tuple(runs))
    assert commands.history(by, [], None).splitlines() == [
        "python train.py -m loss.l2=0 partition.seed=0,1 seed=7,8,9",
        f"python report.py run={path}",
    ]
    elsewhere = Ensemble(RunFolder(tmp_path), tuple(runs))
    assert commands.history(elsewhere, [], None).splitlines()[0].endswith(f" hydra.sweep.dir={tmp_path}")
    some = Ensemble(RunFolder(path), (*runs[:2], runs[5]))
    said = commands.history(some, [], None).splitlines()
    assert len(said) == 4 and said[2].startswith("python train.py loss.l2=0 partition.seed=1 seed=9")
