"""The data module: every chosen spectrum once, nothing else, through ordinary loaders."""

import pickle
import shutil
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from preflare.command import CONF
from preflare.data import datamodule
from preflare.data.batches import permutation
from preflare.data.datamodule import FlareDataModule
from preflare.data.partition import Partitioner
from preflare.data.shard import Shard
from preflare.data.slabs import Slabs
from preflare.errors import ConfigError, PartitionError, ShardError
from preflare.sun.line import Line
from preflare.sun.observation import Label

MakeShard = Callable[..., Path]

FORK = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded.*fork:DeprecationWarning", "ignore:This DataLoader will create:UserWarning"
)

# As make_shard names them.
NAMES = [f"AR_2014031{day}_140000_3860258481" for day in range(4)]
NAMES += [f"PF_2014031{day}_140000_3860258482" for day in range(5)]


@pytest.fixture(scope="session")
def line() -> Line:
    return instantiate(OmegaConf.load(CONF / "line/mg_ii.yaml"))


def fill(folder: Path, make_shard: MakeShard, without: str = "") -> Path:
    """The shards of NAMES; the one named in without has no clean spectrum."""
    for name in NAMES:
        make_shard(folder, Label[name[:2]], int(name[10]), clean=name != without)
    return folder


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory, make_shard: MakeShard) -> Path:
    """The nine, and one of the quiet Sun that no partition uses."""
    folder = fill(tmp_path_factory.mktemp("shards"), make_shard)
    make_shard(folder, Label.QS, 0)
    return folder


@pytest.fixture
def build(root: Path, line: Line) -> Callable[..., FlareDataModule]:
    def make(where: Path = root, line: Line = line, validation: int = 0, **changes: object) -> FlareDataModule:
        rules = Partitioner(seed=2, test_observations=1, validation=validation, test_share=1.0)
        return FlareDataModule(str(where), line, rules, **({"batch_size": 16, "seed": 3} | changes))

    return make


@pytest.mark.parametrize("validation", [0, 1])
def test_a_side_holds_the_chosen_spectra_of_its_shards_and_no_others(build, validation: int) -> None:
    data = build(validation=validation)
    data.setup()
    assert data.sides == (("train", "validation", "test") if validation else ("train", "test"))
    assert data.choosing == ("validation" if validation else "test")
    assert data.origin == "simulation"
    assert list(data.shards) == NAMES
    assert sorted(name for side in data.sides for name in data.partition.sides[side]) == NAMES
    for side in data.sides:
        dataset = data.datasets[side]
        assert dataset.names == data.partition.sides[side]
        assert dataset.spectra.dtype == torch.float32
        assert dataset.labels.dtype == dataset.observation.dtype == torch.int64
        # A slow loop over the shards, in the order promised.
        expected, labels, places = [], [], []
        for place, name in enumerate(data.partition.sides[side]):
            shard = data.shards[name]
            cube, quality, phase = shard.read("spectra"), shard.read("quality"), shard.read("phase")
            for flat in data.partition.rows[side][name]:
                repeat, step, pixel = np.unravel_index(flat, quality.shape)
                assert quality[repeat, step, pixel] == 0 and phase[repeat, step] == 1
                expected.append(cube[repeat, step, pixel])
                labels.append(name.startswith("PF"))
                places.append(place)
        assert dataset.spectra.shape == (len(expected), 1, 240)
        assert np.array_equal(dataset.spectra[:, 0].numpy(), np.stack(expected))
        assert dataset.labels.tolist() == labels and dataset.observation.tolist() == places
        assert 2 * sum(labels) == len(labels), "as many AR as PF"


def test_setup_again_changes_nothing_and_reads_nothing(build, monkeypatch: pytest.MonkeyPatch) -> None:
    data = build()
    data.setup("fit")
    before = data.datasets["train"].spectra
    monkeypatch.setattr(Shard, "read", lambda *_: pytest.fail("read again"))
    data.setup("test")
    assert data.datasets["train"].spectra is before


@pytest.mark.parametrize("resident", [True, False])
def test_each_shards_spectra_are_read_once(build, resident: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[tuple[str, str]] = []
    read, read_slab = Shard.read, Slabs.read
    monkeypatch.setattr(Shard, "read", lambda self, name: reads.append((self.name, name)) or read(self, name))
    monkeypatch.setattr(
        Slabs, "read", lambda self, slab: reads.append((self.shard.name, f"slab {slab}")) or read_slab(self, slab)
    )
    build(resident=resident).setup()
    assert sorted(reads) == sorted((n, d) for n in NAMES for d in ("phase", "quality", "slab 0"))


@pytest.mark.parametrize(
    "workers",
    [0, pytest.param(1, marks=FORK)],
)
def test_an_epoch_visits_every_spectrum_once(build, workers: int) -> None:
    data = build(workers=workers)
    data.setup()
    dataset, loader = data.datasets["train"], data.train_dataloader()
    for epoch in (0, 1):
        loader.sampler.set_epoch(epoch)
        order = permutation(len(dataset), 3, epoch)
        batches = list(loader)
        assert len(loader) == len(batches) == -(-len(dataset) // 16)
        assert torch.equal(torch.cat([spectra for spectra, _ in batches]), dataset.spectra[order])
        assert torch.equal(torch.cat([labels for _, labels in batches]), dataset.labels[order])


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=FORK)])
def test_streamed_data_are_the_resident_ones_in_another_order(build, workers: int, monkeypatch) -> None:
    monkeypatch.setattr(datamodule, "EVALUATION_BATCH", 50)
    disk, memory = build(validation=1, workers=workers, resident=False), build(validation=1)
    disk.setup()
    memory.setup()
    assert (disk.streamed, memory.streamed) == (True, False)
    assert disk.sides == memory.sides and disk.choosing == memory.choosing
    for side in memory.sides:
        held = memory.datasets[side]
        assert disk.datasets[side].names == held.names
        assert torch.equal(disk.datasets[side].spectra[:], held.spectra)
        assert torch.equal(disk.datasets[side].labels, held.labels)
    for one, other in zip(
        [*disk.val_dataloader(), disk.test_dataloader()],
        [*memory.val_dataloader(), memory.test_dataloader()],
        strict=True,
    ):
        for here, there in zip(zip(*one, strict=True), zip(*other, strict=True), strict=True):
            assert torch.equal(torch.cat(here), torch.cat(there))
    loader = disk.train_dataloader()
    orders = []
    for epoch in (0, 1):
        loader.sampler.set_epoch(epoch)
        batches = list(loader)
        assert len(loader) == len(batches) == len(memory.train_dataloader())
        spectra, labels = (torch.cat(part) for part in zip(*batches, strict=True))
        ours, theirs = spectra[:, 0, 0].argsort(), memory.datasets["train"].spectra[:, 0, 0].argsort()
        assert torch.equal(spectra[ours], memory.datasets["train"].spectra[theirs])
        assert torch.equal(labels[ours], memory.datasets["train"].labels[theirs])
        orders.append(spectra)
    assert not torch.equal(*orders)


@pytest.mark.slow
def test_streamed_data_train_as_well_as_resident_ones(write_cube, made_up: Line, tmp_path: Path) -> None:
    """Test loss within the spread between seeds; spectra in the order of the files, as a control, are far outside."""
    random = np.random.default_rng(0)
    for number in range(8):
        for label in (Label.AR, Label.PF):
            look = 0.3 * random.normal(size=6) + (0.5 if label is Label.PF else 0) * np.array([1, 0, -1, 0, 1, 0])
            write_cube(label, number, (30, 1, 10), values=look + random.normal(size=(300, 6)))

    def data(seed: int, resident: bool) -> FlareDataModule:
        rules = Partitioner(seed=5, test_observations=2, validation=0, test_share=1.0)
        # A pool of a tenth of the 3600 spectra that train, of 32 bytes each.
        made = FlareDataModule(str(tmp_path), made_up, rules, 32, seed, 0, resident, 360 * 32 / 2**30)
        made.setup()
        return made

    def test_loss(seed: int, data: FlareDataModule, batches: Callable[[int], Iterable[tuple[Tensor, Tensor]]]) -> float:
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
        adam = torch.optim.Adam(network.parameters(), lr=0.01)
        for epoch in range(3):
            for spectra, labels in batches(epoch):
                adam.zero_grad()
                nn.functional.cross_entropy(network(spectra), labels).backward()
                adam.step()
        spectra, labels = data.datasets["test"][:]
        return nn.functional.cross_entropy(network(spectra), labels).item()

    def shuffled(data: FlareDataModule) -> Callable[[int], Iterable[tuple[Tensor, Tensor]]]:
        loader = data.train_dataloader()

        def batches(epoch: int) -> Iterable[tuple[Tensor, Tensor]]:
            loader.sampler.set_epoch(epoch)
            return loader

        return batches

    losses: dict[str, list[float]] = {"resident": [], "streamed": [], "unmixed": []}
    for seed in range(6):
        for way in ("resident", "streamed"):
            made = data(seed, way == "resident")
            losses[way].append(test_loss(seed, made, shuffled(made)))
        train = made.datasets["train"]
        unmixed = [train[part] for part in train.slices(32)]
        losses["unmixed"].append(test_loss(seed, made, lambda _, batches=unmixed: batches))
    mean, spread = np.mean(losses["resident"]), np.std(losses["resident"], ddof=1)
    assert abs(np.mean(losses["streamed"]) - mean) < spread
    assert np.mean(losses["unmixed"]) - mean > 5 * spread
    assert mean < 0.65, "something was learnt"


# The nine observations: chosen spectra of all sides together, at 240 x 4 + 8 bytes each.
@pytest.mark.parametrize(
    ("resident", "spare", "streamed"),
    [
        ("auto", 1, False),
        ("auto", -1, True),
        (True, -1, False),
        (False, 1, True),
    ],
)
def test_what_fits_is_resident_and_the_log_says_why(build, caplog, resident, spare: int, streamed: bool) -> None:
    rules = build()
    rules.setup()
    count = sum(rules.partition.spectra(side) for side in rules.sides)
    data = build(resident=resident, memory=(count * 968 + spare) / 2**30)
    with caplog.at_level("INFO"):
        data.setup()
    assert data.streamed is streamed
    said = "Streamed from disk" if streamed else "Resident"
    assert f"{said}: {count} spectra take {count * 968 / 2**30:.2g} GiB, data.memory is 0.0005" in caplog.text


def test_evaluation_keeps_the_order_and_leaves_nothing_out(build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datamodule, "EVALUATION_BATCH", 10)
    data = build(validation=1)
    data.setup()
    loaders = data.val_dataloader()
    assert len(loaders) == 3
    for side, loader in [*zip(data.sides, loaders, strict=True), ("test", data.test_dataloader())]:
        spectra, labels = zip(*loader, strict=True)
        assert max(len(batch) for batch in spectra) == 10 and len(spectra) > 1
        assert torch.equal(torch.cat(spectra), data.datasets[side].spectra)
        assert torch.equal(torch.cat(labels), data.datasets[side].labels)


def test_it_survives_a_pickle(build) -> None:
    data = build()
    data.setup()
    again = pickle.loads(pickle.dumps(data))
    for (a, b), (c, d) in zip(data.train_dataloader(), again.train_dataloader(), strict=True):
        assert torch.equal(a, c) and torch.equal(b, d)
    assert again.partition.sides == data.partition.sides


class Witness(pl.LightningModule):
    """Notes what Lightning hands it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(240, 2)
        self.epochs: list[list[Tensor]] = []
        self.evaluated: dict[int, int] = {}

    def on_train_epoch_start(self) -> None:
        self.epochs.append([])

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        spectra, labels = batch
        self.epochs[-1].append(spectra)
        return nn.functional.cross_entropy(self.layer(spectra[:, 0]), labels)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int, dataloader_idx: int) -> None:
        self.evaluated[dataloader_idx] = len(batch[0])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_lightning_sees_another_order_each_epoch_and_every_side(build, tmp_path: Path) -> None:
    data, witness = build(), Witness()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        trainer = pl.Trainer(
            max_epochs=2,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            default_root_dir=tmp_path,
        )
        trainer.fit(witness, datamodule=data)
    train = data.datasets["train"].spectra
    for epoch, batches in enumerate(witness.epochs):
        assert torch.equal(torch.cat(batches), train[permutation(len(train), 3, epoch)])
    assert len(witness.epochs) == 2
    assert witness.evaluated == {0: len(train), 1: len(data.datasets["test"])}


def test_the_configs_build_it(root: Path) -> None:
    groups = ["+line=mg_ii", "+data=shards", "+partition=paper", "+seed=7", f"data.root={root}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        data = instantiate(compose(overrides=[*groups, "partition.seed=9", "partition.test_observations=2"]).data)
    assert isinstance(data, FlareDataModule)
    assert (data.batch_size, data.seed, data.workers) == (64, 7, 0)
    assert data.partitioner == Partitioner(seed=9, test_observations=2, validation=0, test_share=0.4)
    data.setup()
    assert data.partition.seed == 9 and len(data.partition.sides["test"]) == 4


def test_shards_of_another_line_are_refused(build, line: Line) -> None:
    with pytest.raises(ShardError, match="holds the line mg_ii, expected si_iv"):
        build(line=replace(line, name="si_iv")).setup()


def test_shards_of_two_origins_are_refused(build, make_shard, tmp_path: Path) -> None:
    fill(tmp_path, make_shard)
    make_shard(tmp_path / "real", Label.AR, 8, origin="level2").rename(tmp_path / "real.h5")
    with pytest.raises(ShardError, match="mixes shards of origins level2 and simulation"):
        build(tmp_path).setup()


def test_too_few_observations_are_refused_before_anything_is_read(root: Path, line: Line, monkeypatch) -> None:
    monkeypatch.setattr(Shard, "read", lambda *_: pytest.fail("read"))
    data = FlareDataModule(str(root), line, Partitioner(0, 5, 0, 0.4), batch_size=16, seed=0)
    with pytest.raises(PartitionError, match="There are 4 AR and 5 PF observations; .* needs at least 6"):
        data.setup()


def test_a_folder_without_shards_says_how_to_make_some(build, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="Make some with: python ingest.py"):
        build(tmp_path).setup()


def test_a_folder_of_quiet_sun_alone_is_refused(build, make_shard, tmp_path: Path) -> None:
    make_shard(tmp_path, Label.QS, 0)
    with pytest.raises(PartitionError, match="There are 0 AR and 0 PF observations"):
        build(tmp_path).setup()


def test_an_observation_without_a_clean_spectrum_is_named(build, make_shard, tmp_path: Path) -> None:
    fill(tmp_path, make_shard, without=NAMES[2])
    with pytest.raises(PartitionError, match=f"{NAMES[2]}, of the .* side, has no clean spectrum"):
        build(tmp_path).setup()


def test_a_copied_shard_cannot_train_and_test_at_once(build, make_shard, tmp_path: Path) -> None:
    fill(tmp_path, make_shard)
    (tmp_path / "copy.h5").write_bytes((tmp_path / f"{NAMES[0]}.h5").read_bytes())
    with pytest.raises(PartitionError, match=f"more than one shard of {NAMES[0]}"):
        build(tmp_path).setup()


@pytest.mark.parametrize("resident", [True, False])
def test_a_clean_spectrum_that_is_not_finite_is_refused(build, resident: bool, monkeypatch) -> None:
    read = Slabs.read

    def spoiled(slabs: Slabs, slab: int) -> np.ndarray:
        values = read(slabs, slab)
        if slabs.shard.name == NAMES[5]:
            values[..., 3] = np.inf
        return values

    monkeypatch.setattr(Slabs, "read", spoiled)
    with pytest.raises(ShardError, match=f"{NAMES[5]}.h5 has spectra that are flagged clean but are not finite"):
        build(resident=resident).setup()


@pytest.mark.parametrize("resident", [True, False])
def test_a_shard_with_other_spectra_than_were_written_is_refused(build, root, tmp_path, resident: bool) -> None:
    shutil.copytree(root, tmp_path / "shards")
    with h5py.File(tmp_path / f"shards/{NAMES[5]}.h5", "r+") as file:
        file["spectra"][-1, -1, -1, 0] += 1
    with pytest.raises(ShardError, match=f"{NAMES[5]}.h5: spectra was changed after it was written"):
        build(tmp_path / "shards", resident=resident).setup()


def test_a_shard_that_changes_while_training_is_refused(build, root, tmp_path) -> None:
    shutil.copytree(root, tmp_path / "shards")
    data = build(tmp_path / "shards", resident=False)
    data.setup()
    next(iter(data.train_dataloader()))
    name = data.partition.sides["train"][0]
    path = tmp_path / f"shards/{name}.h5"
    path.write_bytes(path.read_bytes() + b"more")
    for loader in (data.train_dataloader(), data.val_dataloader()[0]):
        with pytest.raises(ShardError, match=f"{name}.h5 was changed while it was being read"):
            list(loader)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("batch_size", 0, "a whole number of 1 or more"),
        ("batch_size", 2.5, "a whole number of 1 or more"),
        ("batch_size", "abc", "a whole number of 1 or more"),
        ("seed", -1, "a whole number of 0 or more"),
        ("workers", -1, "a whole number of 0 or more"),
        ("resident", "maybe", "auto, true or false"),
        ("resident", 1, "auto, true or false"),
        ("resident", None, "auto, true or false"),
        ("memory", 0, "a number of GiB above 0"),
        ("memory", float("inf"), "a number of GiB above 0"),
        ("memory", float("nan"), "a number of GiB above 0"),
        ("memory", "2 GiB", "a number of GiB above 0"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(build, key: str, value: object, expected: str) -> None:
    with pytest.raises(ConfigError) as raised:
        build(**{key: value})
    assert str(raised.value).startswith(f"data.{key} is {value!r}, expected {expected}")


def test_a_root_that_is_a_number_is_refused(line: Line) -> None:
    with pytest.raises(ConfigError, match="data.root is 2014, expected the path of a file or folder, as text: ./2014"):
        FlareDataModule(2014, line, Partitioner(0, 1, 0, 1.0), batch_size=16, seed=3)  # type: ignore[arg-type]


def test_memory_that_holds_no_two_batches_for_each_worker_is_refused(build) -> None:
    with pytest.raises(ConfigError, match=r"data.memory is 5e-05 GiB, too little .* of 16 spectra in 2 loading proc"):
        build(resident=False, memory=5e-5, workers=2).setup()
    build(resident=False, memory=5e-5, workers=1).setup()
    build(resident=True, memory=5e-5, workers=2).setup()
