"""The analysis window: which repeats are kept and which phase each exposure is in."""

import logging
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from preflare.errors import CatalogError, ConfigError
from preflare.sun.catalog import Entry
from preflare.sun.observation import Label, Phase, instant, iso
from preflare.sun.window import Cut, Window

CONF = Path(__file__).resolve().parents[2] / "conf" / "window"
ID = "20140329_140000_3860258481"
START = instant("2014-03-29T14:00:00")
OUT, PRE, FLARE = Phase.OUTSIDE, Phase.PREFLARE, Phase.FLARE


def window(name: str = "paper", **changes: object) -> Window:
    return replace(instantiate(OmegaConf.load(CONF / f"{name}.yaml")), **changes)


def entry(label: Label, onset: str = "", peak: str = "", end: str = "") -> Entry:
    return Entry(7, label, ID, onset, peak, end, "M1.0", "12017", "", False)


def minutes(repeats: int = 90, steps: int = 4) -> np.ndarray:
    """Exposure times in s: a repeat a minute, its steps 15 s apart."""
    return 60.0 * np.arange(repeats)[:, None] + 15.0 * np.arange(steps)


def cut(window: Window, entry: Entry | None, time: np.ndarray | None = None, start: datetime = START) -> Cut:
    return window.cut(ID, start, minutes() if time is None else time, entry)


def slow(time: np.ndarray, first: str, last: str, onset: str = "", end: str = "") -> list[list[Phase]]:
    """The phases as one would say them, an exposure at a time."""
    phases = []
    for repeat in time:
        row = []
        for seconds in repeat:
            at = iso(datetime.fromtimestamp(START.timestamp() + seconds, START.tzinfo))
            if first <= at < last:
                row.append(PRE)
            elif onset and onset <= at and (not end or at <= end):
                row.append(FLARE)
            else:
                row.append(OUT)
        phases.append(row)
    return phases


def test_ar_is_the_first_25_minutes() -> None:
    found = cut(window(), entry(Label.AR))
    assert (found.label, found.number, found.active_region) == (Label.AR, 7, "12017")
    assert (found.window_start, found.window_end) == ("2014-03-29T14:00:00.000", "2014-03-29T14:25:00.000")
    np.testing.assert_array_equal(found.phase, slow(minutes(), found.window_start, found.window_end))
    np.testing.assert_array_equal(np.flatnonzero(found.keep), np.arange(26))
    assert (found.phase[:25] == PRE).all() and (found.phase[25] == OUT).all()


def test_pf_ends_a_minute_before_the_onset_and_runs_on_to_the_end() -> None:
    known = entry(Label.PF, "2014-03-29T15:00:00.000", "2014-03-29T15:05:00.000", "2014-03-29T15:10:20.000")
    found = cut(window(), known)
    assert (found.window_start, found.window_end) == ("2014-03-29T14:34:00.000", "2014-03-29T14:59:00.000")
    assert (found.onset, found.peak, found.end, found.flare_class) == (known.onset, known.peak, known.end, "M1.0")
    np.testing.assert_array_equal(
        found.phase, slow(minutes(), found.window_start, found.window_end, found.onset, found.end)
    )
    np.testing.assert_array_equal(np.flatnonzero(found.keep), np.arange(34, 71))
    assert (found.phase[59] == OUT).all(), "the margin is neither before nor in the flare"
    np.testing.assert_array_equal(found.phase[70], [FLARE, FLARE, OUT, OUT])


def test_a_repeat_that_straddles_the_window_is_kept_whole() -> None:
    found = cut(window(margin=1.375), entry(Label.PF, "2014-03-29T15:00:00.000", end="2014-03-29T15:10:00.000"))
    np.testing.assert_array_equal(found.phase[33], [OUT, OUT, OUT, PRE])
    np.testing.assert_array_equal(found.phase[58], [PRE, PRE, PRE, OUT])
    assert found.keep[33]


def test_an_unknown_end_runs_on_to_the_last_repeat_and_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    found = cut(window(), entry(Label.PF, "2014-03-29T15:00:00.000"))
    assert found.end == "" and (found.phase[60:] == FLARE).all() and found.keep[-1]
    assert "the end of its flare is unknown" in caplog.text


def test_nothing_after_the_window() -> None:
    found = cut(window(after="nothing"), entry(Label.PF, "2014-03-29T15:00:00.000"))
    assert not (found.phase == FLARE).any()
    np.testing.assert_array_equal(np.flatnonzero(found.keep), np.arange(34, 60))


def test_a_late_start_shortens_the_window_and_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    found = cut(window(), entry(Label.PF, "2014-03-29T14:11:00.000"))
    assert found.window_start == "2014-03-29T14:00:00.000"
    assert "exposures cover 9.8 of the window's 25 min" in caplog.text


def test_a_full_window_is_not_worth_a_word(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    cut(window(), entry(Label.AR))
    assert not caplog.text


def test_a_flare_in_no_catalog() -> None:
    found = cut(window(label="PF", onset="2014-03-29T15:00", end="2014-03-29T15:10Z"), None)
    assert (found.label, found.number, found.onset) == (Label.PF, -1, "2014-03-29T15:00:00.000")
    assert (found.phase[60:71, 0] == FLARE).all() and (found.phase[71:] == OUT).all()


KNOWN = entry(Label.PF, "2014-03-29T15:10:00.000", "2014-03-29T15:12:00.000", "2014-03-29T15:20:00.000")


@pytest.mark.parametrize("onset", ["2014-03-29T14:50", "2014-03-29T15:15", "2014-03-29T15:25"])
def test_another_onset_than_the_catalogs_is_another_flare(onset: str) -> None:
    found = cut(window(onset=onset), KNOWN)
    assert (found.onset, found.number, found.active_region) == (f"{onset}:00.000", 7, "12017")
    assert (found.flare_class, found.peak, found.end) == ("", "", "")
    assert cut(window(onset=onset, end="2014-03-29T15:28"), KNOWN).end == "2014-03-29T15:28:00.000"


@pytest.mark.parametrize("onset", [None, "2014-03-29T15:10Z"])
def test_the_catalogs_onset_is_the_catalogs_flare(onset: str | None) -> None:
    found = cut(window(onset=onset), KNOWN)
    assert (found.onset, found.flare_class) == (KNOWN.onset, "M1.0")
    assert (found.peak, found.end) == (KNOWN.peak, KNOWN.end)
    assert cut(window(onset=onset, end="2014-03-29T15:18"), KNOWN).end == "2014-03-29T15:18:00.000"


def test_where_an_onset_comes_from() -> None:
    checked = replace(KNOWN, source="a paper", verified=True)
    assert cut(window(), checked).provenance == {"onset_source": "a paper", "verified": "yes"}
    assert cut(window(), replace(checked, verified=False)).provenance["verified"] == "no"
    own = {"onset_source": "window.onset", "verified": "no"}
    assert cut(window(onset="2014-03-29T14:50"), checked).provenance == own
    assert cut(window(label="PF", onset="2014-03-29T15:10"), None).provenance == own
    assert cut(window(), entry(Label.AR)).provenance == {}


def test_what_does_not_flare_has_no_flares_class() -> None:
    assert cut(window(label="AR"), KNOWN).flare_class == cut(window("all"), KNOWN).flare_class == ""


def test_all_is_everything_and_unknown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    found = cut(window("all"), entry(Label.PF, "2014-03-29T15:00:00.000"))
    assert (found.label, found.number, found.onset, found.active_region) == (Label.UNKNOWN, -1, "", "")
    assert found.keep.all() and (found.phase == PRE).all() and not caplog.text
    assert found.window_end > "2014-03-29T15:29:45"


def test_all_of_a_flare_is_what_lies_before_it_and_the_flare() -> None:
    found = cut(window("all", label="PF"), entry(Label.PF, "2014-03-29T15:00:00.000"))
    assert found.keep.all() and found.number == 7
    assert (found.phase[:59] == PRE).all() and (found.phase[59] == OUT).all() and (found.phase[60:] == FLARE).all()


def test_quiet_sun_takes_no_number_from_another_class() -> None:
    found = cut(window(label="QS"), entry(Label.AR))
    assert (found.label, found.number) == (Label.QS, -1)


def test_not_in_the_catalog() -> None:
    with pytest.raises(CatalogError, match=f"The catalog has no observation {ID}.*catalog=FILE.*window.label"):
        cut(window(), None)


def test_pf_without_an_onset() -> None:
    with pytest.raises(CatalogError, match=f"PF_{ID} is PF but its flare onset is unknown.*window.onset="):
        cut(window(), entry(Label.PF))


@pytest.mark.parametrize("onset", ["2014-03-29T13:59", "2014-03-29T14:01", "2013-03-29T15:00"])
def test_an_onset_before_the_start(onset: str) -> None:
    with pytest.raises(ConfigError, match="nothing was recorded before the flare"):
        cut(window(onset=onset), entry(Label.PF))


def test_no_exposure_in_the_window() -> None:
    with pytest.raises(ConfigError, match="no exposure in its window.*the files hold 2014-03-29T14:00:00.000 to"):
        cut(window(onset="2014-03-29T20:00"), entry(Label.PF))


def test_a_flare_that_ends_before_it_begins() -> None:
    with pytest.raises(ConfigError, match="onset at 2014-03-29T15:30:00.000, after its end at 2014-03-29T15:20:00.000"):
        cut(window(onset="2014-03-29T15:30", end="2014-03-29T15:20"), KNOWN)
    with pytest.raises(ConfigError, match="after its end at 2014-03-29T15:05:00.000"):
        cut(window(end="2014-03-29T15:05"), KNOWN)


def test_an_onset_without_a_flare() -> None:
    with pytest.raises(ConfigError, match="is not labelled PF. Add window.label=PF"):
        cut(window("all", onset="2014-03-29T15:00"), None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"minutes": 0}, "window.minutes is 0, expected a number of minutes above 0"),
        ({"minutes": "abc"}, "window.minutes is 'abc', expected a number of minutes"),
        ({"minutes": 1e300}, "window.minutes is 1e.300, expected .* at most 1440"),
        ({"margin": "abc"}, "window.margin is 'abc', expected a number of minutes from 0 to 1440"),
        ({"margin": float("nan")}, "window.margin is nan"),
        ({"label": OmegaConf.create(["PF"])}, "window.label is .'PF'., expected"),
        ({"after": None}, "window.after is null, expected flare_end or nothing"),
        ({"margin": -1}, "window.margin is -1"),
        ({"after": "always"}, "expected flare_end or nothing"),
        ({"label": "pf"}, "expected NA, AR, PF, QS or null"),
        ({"onset": "half past six"}, "window.onset is 'half past six', expected a UTC time"),
        ({"end": 3}, "window.end is 3, expected a UTC time"),
    ],
)
def test_a_window_that_cannot_be(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        window(**change)
