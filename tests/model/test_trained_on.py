"""Which shards a model may judge: those of its own line, instrument and Sun."""

from collections.abc import Callable
from pathlib import Path

import pytest

from preflare.data.shard import Shard
from preflare.errors import ShardError
from preflare.model.trained_on import check_kind, check_line
from preflare.sun.observation import Label

KNOWN = {"origin": "simulation", "line": "mg_ii", "instrument": "IRIS"}


def test_its_own_kind_is_judged(tmp_path: Path, make_shard: Callable[..., Path]) -> None:
    shard = Shard.open(make_shard(tmp_path, Label.AR, 0))
    check_line(shard, KNOWN, "it", "Train one")
    check_kind(shard, KNOWN, "it", "Train one", False)


def test_another_line_and_instrument_never_and_another_sun_only_if_allowed(
    tmp_path: Path, make_shard: Callable[..., Path]
) -> None:
    real = Shard.open(make_shard(tmp_path / "real", Label.AR, 0, origin="level2"))
    with pytest.raises(ShardError, match="holds real spectra, it was trained on the simulated Sun"):
        check_kind(real, KNOWN, "it", "Train one", False)
    check_kind(real, KNOWN, "it", "Train one", True)
    muse = Shard.open(make_shard(tmp_path / "muse", Label.AR, 0, instrument="MUSE"))
    with pytest.raises(ShardError, match="was taken by MUSE, it was trained on IRIS. Train one of MUSE."):
        check_kind(muse, KNOWN, "it", "Train one", True)
    other = Shard.open(make_shard(tmp_path / "other", Label.AR, 0, line="c_ii"))
    with pytest.raises(ShardError, match="holds the line c_ii, it was trained on mg_ii. Train one line=c_ii"):
        check_line(other, KNOWN, "it", "Train one")
