"""The shard format: what went in comes out, and what is no shard is refused."""

import pickle
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from preflare.data import shard, writing
from preflare.data.shard import SCHEMA, Shard
from preflare.errors import ShardError
from preflare.sun.goes import Goes
from preflare.sun.observation import Label
from tests.data.made_up import HEADER, LINE, block, observation


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return writing.write(tmp_path / "shards", observation())[0]


def test_what_goes_in_comes_out(written: Path) -> None:
    opened = Shard.open(written, LINE)
    assert opened.shape == (5, 3, 4, 6) and opened.truth == ("kind",)
    blocks = [block(2, 0), block(3, 1)]
    for name in shard.LAYOUT:
        expected = np.concatenate([getattr(part, name) for part in blocks])
        np.testing.assert_array_equal(opened.read(name), expected)
    np.testing.assert_array_equal(opened.read("truth/kind"), np.concatenate([b.truth["kind"] for b in blocks]))
    for field in HEADER.__dataclass_fields__:
        np.testing.assert_equal(getattr(opened.header, field), getattr(HEADER, field))


def test_it_reads_with_h5py_alone(written: Path) -> None:
    with h5py.File(written) as file:
        assert file.attrs["name"] == "PF_20140329_140938_3860258481" and file.attrs["schema"] == SCHEMA
        assert [dim.label for dim in file["spectra"].dims] == ["repeat", "step", "slit", "wavelength"]
        assert file["intensity"].attrs["unit"] == "DN/s" and file["time"].dtype == np.float64


def test_blocks_give_the_shard_back(written: Path) -> None:
    opened = Shard.open(written)
    rows, parts = zip(*opened.blocks(2), strict=True)
    assert [row.stop - row.start for row in rows] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([part.spectra for part in parts]), opened.read("spectra"))
    np.testing.assert_array_equal(np.concatenate([p.truth["kind"] for p in parts]), opened.read("truth/kind"))


def test_it_survives_a_pickle(written: Path) -> None:
    opened = pickle.loads(pickle.dumps(Shard.open(written)))
    assert opened.read("quality").shape == (5, 3, 4)


def test_no_shards(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="there is no such file or folder"):
        shard.find(tmp_path / "nowhere")
    with pytest.raises(ShardError, match="it holds no .h5 file"):
        shard.find(tmp_path)
    with pytest.raises(ShardError, match="There is no shard at"):
        Shard.open(tmp_path / "x.h5")


@pytest.mark.parametrize("keep", [0, 100, 3000, -100])
def test_a_truncated_shard(written: Path, keep: int) -> None:
    written.write_bytes(written.read_bytes()[:keep])
    with pytest.raises(ShardError, match="truncated or not one of ours"):
        Shard.open(written)


def test_another_hdf5_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["y"] = 1
    with pytest.raises(ShardError, match="is an HDF5 file but not a shard"):
        Shard.open(tmp_path / "x.h5")


@pytest.mark.parametrize(("other", "advice"), [(-1, "Ingest the observation again"), (1, "Update preflare")])
def test_another_schema(written: Path, other: int, advice: str) -> None:
    with h5py.File(written, "a") as file:
        file.attrs["schema"] = SCHEMA + other
    with pytest.raises(ShardError, match=rf"has schema {SCHEMA + other}.*{advice}"):
        Shard.open(written)


def test_a_changed_attribute(written: Path) -> None:
    with h5py.File(written, "a") as file:
        file.attrs["label"] = 0
    with pytest.raises(ShardError, match="was changed after it was written"):
        Shard.open(written)


def test_a_changed_array(written: Path) -> None:
    with h5py.File(written, "a") as file:
        file["quality"][0, 0, 0] = 63 - file["quality"][0, 0, 0]
    with pytest.raises(ShardError, match="quality was changed after it was written"):
        Shard.open(written).read("quality")


@pytest.mark.parametrize("name", ["spectra", "position", "truth/kind"])
def test_blocks_read_to_their_end_tell_of_a_changed_byte(written: Path, name: str) -> None:
    with h5py.File(written, "a") as file:
        file[name][-1, -1, -1] = file[name][-1, -1, -1] + 1
    with pytest.raises(ShardError, match=f"{name} was changed after it was written. Ingest the observation again."):
        list(Shard.open(written).blocks(2))


def test_a_removed_array(written: Path) -> None:
    with h5py.File(written, "a") as file:
        del file["phase"]
    with pytest.raises(ShardError, match="was changed after it was written"):
        Shard.open(written)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "other"}, "holds the line made_up, expected other"),
        ({"points": 7}, "has 6 wavelengths, the line Made up expects 7"),
        ({"start": 99.0}, "covers 100.00 to 110.00 Å, the line Made up expects 99.00 to 110.00"),
    ],
)
def test_a_shard_of_another_line(written: Path, change: dict, message: str) -> None:
    with pytest.raises(ShardError, match=message):
        Shard.open(written, replace(LINE, **change))


def test_open_all(written: Path) -> None:
    other = replace(HEADER, id="20140101_140938_3860258481", label=Label.AR, onset="")
    writing.write(written.parent, observation(header=other))
    names = [opened.name for opened in shard.open_all(written.parent, LINE)]
    assert names == ["AR_20140101_140938_3860258481", "PF_20140329_140938_3860258481"]
    assert [s.name for s in shard.open_all(written.parent, LINE, only=names[1:])] == names[1:]
    with pytest.raises(ShardError, match="holds no shard of PF_2"):
        shard.open_all(written.parent, LINE, only=["PF_2"])


def test_origins_that_were_mixed_by_hand(written: Path, tmp_path: Path) -> None:
    real = replace(HEADER, id="20140101_140938_3860258481", origin="level2")
    path, _ = writing.write(tmp_path / "real", observation(header=real))
    path.rename(written.parent / path.name)
    with pytest.raises(ShardError, match="mixes shards of origins level2 and simulation"):
        shard.open_all(written.parent, LINE)


def test_the_x_ray_curve_is_kept_and_digested(tmp_path: Path) -> None:
    curve = Goes(np.arange(-3.0, 7.0), np.geomspace(1e-7, 1e-5, 10))
    path, _ = writing.write(tmp_path / "with", observation(goes=curve))
    opened = Shard.open(path)
    found = opened.goes()
    assert found is not None
    assert np.array_equal(found.time, curve.time) and np.array_equal(found.flux, curve.flux)
    without = Shard.open(writing.write(tmp_path / "without", observation())[0])
    assert without.goes() is None and without.digest != opened.digest
    with h5py.File(path, "a") as file:
        assert file["goes/flux"].attrs["unit"] == "W/m2"
        file["goes/flux"][0] = 1.0
    with pytest.raises(ShardError, match="goes/flux was changed"):
        opened.goes()
