"""The observation's header and blocks: what they refuse."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from preflare.errors import ConfigError, ShardError
from preflare.sun.observation import Block, Header, Label, check_identities, instant, iso

HEADER = Header(
    id="20140329_140938_3860258481",
    label=Label.AR,
    origin="level2",
    line="made_up",
    wavelength=np.linspace(100, 110, 5),
    dispersion=0.1,
    start="2014-03-29T14:09:38.830",
    window_start="2014-03-29T14:09:38.830",
    window_end="2014-03-29T14:34:38.830",
)


def arrays() -> dict[str, np.ndarray]:
    return {
        "spectra": np.zeros((2, 3, 4, 5)),
        "intensity": np.zeros((2, 3, 4)),
        "time": np.zeros((2, 3)),
        "phase": np.zeros((2, 3)),
        "exposure": np.zeros((2, 3)),
        "quality": np.zeros((2, 3, 4)),
        "position": np.zeros((2, 3, 4, 2)),
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2014-03-29T17:35", "2014-03-29T17:35:00.000"),
        ("2014-03-29 17:35:01.2345Z", "2014-03-29T17:35:01.234"),
        ("2014-03-29T18:35:00+01:00", "2014-03-29T17:35:00.000"),
    ],
)
def test_times_are_utc(text: str, expected: str) -> None:
    assert iso(instant(text)) == expected
    assert instant(expected).tzinfo is UTC


def test_not_a_time() -> None:
    with pytest.raises(ValueError):
        instant("noon")


def test_a_time_is_written_without_a_zone() -> None:
    assert iso(datetime(2014, 1, 2, 3, 4, 5, 6000, tzinfo=UTC)) == "2014-01-02T03:04:05.006"


def test_names_and_prefixes() -> None:
    assert HEADER.name == "AR_20140329_140938_3860258481" and HEADER.obsid == "3860258481"
    assert replace(HEADER, label=Label.UNKNOWN).name.startswith("NA_")
    assert replace(HEADER, label=Label.QS).name.startswith("QS_")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "20140329"}, "is not YYYYMMDD_HHMMSS_OBSID"),
        ({"origin": "moon"}, "origin 'moon', expected level2 or simulation"),
        ({"label": Label.PF}, "labelled PF but has no flare onset"),
    ],
)
def test_a_header_that_cannot_be(change: dict, message: str) -> None:
    with pytest.raises(ShardError, match=message):
        replace(HEADER, **change)


def test_identities() -> None:
    names = ("PF_20140329_140938_3860258481", "NA_20140329_140938_3860258481")
    assert check_identities(names) == names
    with pytest.raises(ConfigError, match=r"a bare id is read as an integer"):
        check_identities([201403291409383860258481])
    with pytest.raises(ConfigError, match=r"observations is \[\], expected names, or null"):
        check_identities([])
    for name in ("20140329_140938_3860258481", "XX_20140329_140938_3860258481", "PF_20140329_140938_3860258481.h5"):
        with pytest.raises(ConfigError, match="is not a name; expected a prefix and an id"):
            check_identities([name])


def test_a_block_holds_what_fits() -> None:
    assert Block(**arrays(), truth={"kind": np.zeros((2, 3, 4))}).spectra.shape == (2, 3, 4, 5)


@pytest.mark.parametrize("name", ["intensity", "time", "phase", "exposure", "quality", "position"])
def test_a_block_with_an_odd_array(name: str) -> None:
    odd = arrays()
    odd[name] = odd[name][..., :1]
    with pytest.raises(ShardError, match=f"{name} has shape"):
        Block(**odd)


def test_a_block_with_odd_spectra_or_truth() -> None:
    with pytest.raises(ShardError, match="3 axes, expected 4"):
        Block(**arrays() | {"spectra": np.zeros((2, 3, 5))})
    with pytest.raises(ShardError, match="truth/kind"):
        Block(**arrays(), truth={"kind": np.zeros((2, 3))})
