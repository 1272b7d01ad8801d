"""Bad input to train: one clear sentence, exit code 1, no traceback, nothing half-written."""

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from preflare import errors
from preflare.sun.observation import Label

Refused = Callable[..., str]


@pytest.fixture
def shards(tmp_path: Path, make_shard: Callable[..., Path]) -> Path:
    """Toy shards of three AR and three PF observations, for one test to spoil."""
    for number in range(3):
        make_shard(tmp_path / "shards", Label.AR, number)
        make_shard(tmp_path / "shards", Label.PF, number)
    return tmp_path / "shards"


@pytest.fixture
def refused(verb: Callable[..., int], shards: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs train on the shards, which it must refuse, and returns what it said."""

    def run(*arguments: str) -> str:
        small = (f"data.root={shards}", "partition.test_observations=1", "trainer.max_epochs=1")
        assert verb("train", *small, *arguments) == 1
        said = capsys.readouterr()
        assert "Traceback" not in said.err and said.err.count("\n") == 1, said.err
        assert not list(Path("runs").rglob("run.json")) and not list(Path("runs").rglob("*.part"))
        return said.err

    return run


def spoil(shards: Path, change: Callable[[h5py.File], None]) -> Path:
    path = sorted(shards.glob("*.h5"))[0]
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def test_every_exception_of_ours_is_told_as_a_sentence() -> None:
    ours = [item for item in vars(errors).values() if isinstance(item, type)]
    assert len(ours) > 5 and all(issubclass(item, errors.PreflareError) and item.__doc__ for item in ours)


def test_no_shards(refused: Refused, tmp_path: Path) -> None:
    assert "No shards at nowhere: there is no such file or folder" in refused("data.root=nowhere")
    (tmp_path / "empty").mkdir()
    assert "No shards in empty: it holds no .h5 file" in refused("data.root=empty")


def test_a_truncated_shard(refused: Refused, shards: Path) -> None:
    path = sorted(shards.glob("*.h5"))[0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert f"{path} cannot be read as a shard" in refused()


def test_a_file_that_is_no_shard(refused: Refused, shards: Path) -> None:
    (shards / "notes.h5").write_text("not HDF5")
    assert "notes.h5 cannot be read as a shard" in refused()


def test_a_newer_schema(refused: Refused, shards: Path) -> None:
    spoil(shards, lambda file: file.attrs.__setitem__("schema", 99))
    assert "has schema 99, this preflare" in refused()


def test_an_attribute_changed_since(refused: Refused, shards: Path) -> None:
    spoil(shards, lambda file: file.attrs.__setitem__("flare_class", "X99"))
    assert "was changed after it was written" in refused()


def test_spectra_changed_since(refused: Refused, shards: Path) -> None:
    spoil(shards, lambda file: file["spectra"].__setitem__((1, 0, 5, 7), np.float32(0.123)))
    assert "spectra was changed after it was written" in refused()


def test_a_shard_of_another_grid(refused: Refused, shards: Path, make_shard: Callable[..., Path]) -> None:
    make_shard(shards, Label.AR, 9, points=238)
    assert "has 238 wavelengths, the line Mg II h&k expects 240" in refused()


def test_a_shard_of_another_line(refused: Refused) -> None:
    assert "holds the line mg_ii, expected c_ii. Use line=mg_ii" in refused("line.name=c_ii")


def test_shards_of_two_origins(refused: Refused, shards: Path, make_shard: Callable[..., Path]) -> None:
    shutil.copy(make_shard(shards.parent / "real", Label.AR, 9, origin="level2"), shards)
    assert "mixes shards of origins level2 and simulation" in refused()


def test_fewer_observations_than_the_partition_asks_for(refused: Refused) -> None:
    said = refused("partition.test_observations=3")
    assert "3" in said and "AR" in said


def test_an_observation_with_no_clean_spectrum(refused: Refused, shards: Path, make_shard: Callable[..., Path]) -> None:
    path = make_shard(shards, Label.PF, 9, clean=False)
    assert path.stem in refused()


def test_a_finished_folder_under_another_config(
    refused: Refused, verb: Callable[..., int], shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = (f"data.root={shards}", "partition.test_observations=1", "trainer.max_epochs=1", "hydra.run.dir=there")
    assert verb("train", *small) == 0
    before = (tmp_path / "there" / "run.json").read_text()
    capsys.readouterr()
    assert "these keys differ: data.seed (0 there, 1 now), seed (0 there, 1 now)" in refused(
        "seed=1", "hydra.run.dir=there"
    )
    assert (tmp_path / "there" / "run.json").read_text() == before


def test_a_finished_folder_with_other_shards(
    refused: Refused,
    verb: Callable[..., int],
    shards: Path,
    make_shard: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = (f"data.root={shards}", "partition.test_observations=1", "trainer.max_epochs=1", "hydra.run.dir=there")
    assert verb("train", *small) == 0
    capsys.readouterr()
    new = make_shard(shards, Label.AR, 9)
    assert f"on other shards; these differ: {new.stem}" in refused("hydra.run.dir=there")


@pytest.mark.parametrize(
    ("argument", "named"), [("sed=3", "sed"), ("loss.l3=1", "l3"), ("trainer.max_epoch=3", "max_epoch")]
)
def test_a_mistyped_key_names_itself(
    verb: Callable[..., int], capsys: pytest.CaptureFixture[str], argument: str, named: str
) -> None:
    assert verb("train", argument) == 1
    assert f"Key '{named}' " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "named"),
    [("sed: 3", "sed"), ("loss: {l3: 1}", "l3"), ("trainer: {max_epoch: 3}", "max_epoch")],
)
def test_a_mistyped_key_names_itself_also_in_an_experiment_file(
    verb: Callable[..., int], shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, named: str
) -> None:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "wrong.yaml").write_text(f"# @package _global_\n{text}\n")
    where = f"hydra.searchpath=[file://{tmp_path / 'conf'}]"
    small = (f"data.root={shards}", "partition.test_observations=1", "trainer.max_epochs=1")
    assert verb("train", where, "experiment=wrong", *small) == 1
    assert named in capsys.readouterr().err
    assert not list(tmp_path.rglob("run.json"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["trainer.max_epochs=0"], "trainer.max_epochs is 0, expected a whole number of 1 or more."),
        (["trainer.max_epochs=abc"], "trainer.max_epochs is 'abc', expected a whole number"),
        (["threads=0"], "threads is 0, expected a whole number of 1 or more."),
        (["optimizer.lr=-1"], "optimizer.lr is -1, expected a number above 0."),
        (["optimizer.lr=fast"], "optimizer.lr is 'fast', expected a number above 0."),
        (["optimizer.lr=nan"], "optimizer.lr is nan, expected a number above 0."),
        (["+optimizer.speed=3"], "The optimizer cannot be built: "),
        (["seed=-1"], "seed is -1, expected a whole number of 0 or more."),
        (["model.hidden=0"], "model.hidden is 0, expected a whole number of 1 or more."),
        (["trainer.devices=2"], "trainer.devices is 2, expected 1: "),
        (["callbacks=[swa,annealing]"], "callbacks names swa and annealing"),
        (["loss.l2=-1"], "loss.l2 is -1, expected 0 or more."),
        (["data.root=null"], "data.root is None, expected a folder of shards."),
        (["+sed=3"], "There is no key sed. Known are callbacks, data, "),
        (["+swarm.max=3"], "There is no key swarm.max. Known are max_members, memory."),
        (["name=../elsewhere", "hydra.run.dir=here"], "name is '../elsewhere', expected letters"),
        (["name=a b", "hydra.run.dir=here"], "name is 'a b', expected letters"),
    ],
)
def test_a_value_that_cannot_be_meant(refused: Refused, arguments: list[str], sentence: str) -> None:
    assert sentence in refused(*arguments)


def test_a_logger_that_cannot_start(verb: Callable[..., int], shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = (f"data.root={shards}", "partition.test_observations=1", "trainer.max_epochs=1")
    assert verb("train", *small, "logger=wandb", "logger.mode=offline", "+logger.settings.quite=true") == 1
    said = capsys.readouterr().err
    assert "The logger cannot start: " in said and "Traceback" not in said


def test_a_logger_that_cannot_be_meant(refused: Refused) -> None:
    assert "logger.mode is 'offlin', expected online, offline or disabled." in refused(
        "logger=wandb", "logger.mode=offlin"
    )


def test_a_gpu_where_there_is_none(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "there is no GPU here. Use trainer=cpu." in refused("trainer=gpu")


def test_tracebacks_are_to_be_had(verb: Callable[..., int], shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(errors.PartitionError):
        verb("train", f"data.root={shards}")


def test_a_failed_job_of_a_sweep_does_not_end_the_others(
    verb: Callable[..., int], shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = (f"data.root={shards}", "trainer.max_epochs=1")
    assert verb("train", "-m", "partition.test_observations=9,1", *small) == 1
    said = capsys.readouterr().out
    assert "1 of 2 jobs finished" in said and "FAILED partition.test_observations-9" in said
    shutil.rmtree(tmp_path / "runs" / "default" / "partition.test_observations-9")
    # The device is no part of what a run is.
    assert verb("train", "-m", "partition.test_observations=1", "trainer=cpu", *small) == 0
    assert verb("train", "-m", "partition.test_observations=1,2", *small) == 0
    assert "2 runs, test side" in capsys.readouterr().out
