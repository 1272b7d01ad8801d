"""What is said, chosen and refused of the flares and X-rays around an observation."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from preflare.errors import CatalogError, ConfigError
from preflare.sun import hek
from preflare.sun.catalog import Entry
from preflare.sun.observation import Label, iso
from preflare.sun.surroundings import Field, Surroundings
from preflare.sun.window import Cut, Window
from tests.sun import goes_files, hek_server

ID = "20140329_140938_3860258481"
START = datetime(2014, 3, 29, 14, 9, 38, tzinfo=UTC)
ONSET = datetime(2014, 3, 29, 17, 35, tzinfo=UTC)
FIELD = Field(ID, START, datetime(2014, 3, 29, 17, 54, tzinfo=UTC), np.array([480.0, 520.0]), np.array([190.0, 370.0]))
ENTRY = Entry(4, Label.PF, ID, "2014-03-29T17:35:00.000", "", "", "X1.0", "", "", False)
HEAD = "start,class,peak,end,x,y,active_region\n"
OURS = "2014-03-29T17:36,X1.0,2014-03-29T17:48,2014-03-29T17:54,509,266,12017\n"

Looked = Callable[..., Surroundings]


@pytest.fixture
def listed(tmp_path: Path) -> Looked:
    """Surroundings with a flare list of those rows."""

    def make(*rows: str, **keys: object) -> Surroundings:
        (tmp_path / "list.csv").write_text(HEAD + "".join(rows))
        return look(tmp_path, flares=str(tmp_path / "list.csv"), **keys)

    return make


def look(tmp_path: Path, **keys: object) -> Surroundings:
    return Surroundings(
        **({"resolve": None, "flares": None, "goes": None, "allow": None, "cache": str(tmp_path / "cache")} | keys)
    )


def cut(label: str, onset: datetime = ONSET, flare_class: str = "X1.0", region: str = "") -> Cut:
    """The paper's window of an observation of 14:09 to 17:54."""
    window = Window(25.0, 1.0, "flare_end", label, iso(onset) if label == "PF" else None, None)
    found = window.cut(ID, START, np.arange(0.0, 13500.0, 60.0)[:, None], None)
    return Cut(**{**vars(found), "flare_class": flare_class if label == "PF" else "", "active_region": region})


# Which flare is an observation's.


def test_the_flare_at_the_catalogs_onset_is_taken(listed: Looked, tmp_path: Path) -> None:
    entry = listed(OURS, "2014-03-29T16:00,M1.0,,,500,280,\n").resolve(FIELD, Label.PF, ENTRY, None)
    assert entry is not None
    assert (entry.onset, entry.end, entry.active_region) == (
        "2014-03-29T17:36:00.000",
        "2014-03-29T17:54:00.000",
        "12017",
    )
    assert entry.number == 4 and entry.source == "list.csv"


def test_without_an_onset_the_nearest_flare_is_taken(listed: Looked) -> None:
    rows = (
        "2014-03-29T15:00,X5.0,,,-500,280,\n",
        OURS,
        "2014-03-29T16:00,X9.0,,,,,\n",
        "2014-03-29T17:00,C9.0,,,500,280,\n",
    )
    for known in (None, Entry(4, Label.PF, ID, "", "", "", "", "", "", False)):
        entry = listed(*rows).resolve(FIELD, Label.PF, known, None)
        assert entry is not None and entry.flare_class == "X1.0"
    entry = listed("2014-03-29T15:00,M1.0,,,,,\n", "2014-03-29T16:00,X9.0,,,,,\n").resolve(FIELD, Label.PF, None, None)
    assert entry is not None and entry.flare_class == "X9.0", "of unknown places the strongest"


def test_a_list_without_the_flare_changes_nothing_and_says_so(listed: Looked, caplog: pytest.LogCaptureFixture) -> None:
    assert listed("2014-03-29T15:00,M1.0,,,,,\n").resolve(FIELD, Label.PF, ENTRY, None) == ENTRY
    assert "has no M or X flare within 10 min of its onset, 2014-03-29T17:35:00.000" in caplog.text


def test_an_onset_that_a_list_confirms_is_verified(listed: Looked) -> None:
    """By a list that has it within 10 min of the catalog; without a catalog's, one list is one word."""
    around = listed(OURS)
    entry = around.resolve(FIELD, Label.PF, ENTRY, None)
    assert entry is not None and (entry.verified, entry.source) == (True, "list.csv")
    entry = around.resolve(FIELD, Label.PF, replace(ENTRY, onset=""), None)
    assert entry is not None and (entry.onset, entry.verified) == ("2014-03-29T17:36:00.000", False)


def test_an_onset_that_only_hek_has_is_verified_if_no_other_flare_may_be_its(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    ours = hek_server.flare("2014-03-29T17:35:00", "X1.0", 509, 266, 12017)
    far = hek_server.flare("2014-03-29T15:35:00", "M3.0", -500, 266, 12014)
    unknown = hek_server.flare("2014-03-29T16:35:00", "M2.0")
    for rows, verified in (([ours, far], True), ([ours, far, unknown], False)):
        with hek_server.hek(rows) as (url, _):
            monkeypatch.setattr(hek, "URL", url)
            around = look(tmp_path / str(verified), resolve="hek")
            entry = around.resolve(FIELD, Label.PF, replace(ENTRY, onset="", flare_class=""), None)
        assert entry is not None and (entry.source, entry.verified) == ("HEK", verified)
        assert entry.onset == "2014-03-29T17:35:00.000"


def test_an_onset_misremembered_is_mended_if_only_one_flare_may_be_meant(
    listed: Looked, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = replace(ENTRY, onset="2014-03-29T17:20:00.000")
    far = "2014-03-29T16:00,X1.0,,,-500,266,12014\n"
    entry = listed(OURS, far, "2014-03-29T15:00,M1.0,,,500,270,\n").resolve(FIELD, Label.PF, wrong, None)
    assert entry is not None and (entry.onset, entry.flare_class) == ("2014-03-29T17:36:00.000", "X1.0")
    assert (entry.source, entry.verified) == ("list.csv", False), "the two do not agree"
    assert (
        f"{ENTRY.name}: the catalog has its onset at 2014-03-29T17:20:00.000, but the one M or X flare by list.csv "
        "that may be its flare, X1.0, began at 2014-03-29T17:36:00.000: that is taken." in caplog.text
    )
    for other in ("2014-03-29T15:00,X1.0,,,500,270,\n", "2014-03-29T15:00,X1.0,,,,,\n"):
        assert listed(OURS, other).resolve(FIELD, Label.PF, wrong, None) == wrong, "one of two"
    assert listed(far).resolve(FIELD, Label.PF, wrong, None) == wrong
    assert listed(OURS).resolve(FIELD, Label.PF, replace(wrong, verified=True), None) == replace(wrong, verified=True)
    entry = listed(OURS).resolve(FIELD, Label.PF, ENTRY, "2014-03-29T17:00:00.000")
    assert entry is not None and entry.onset == ENTRY.onset, "an onset of one's own is nobody's to mend"


def test_an_onset_of_ones_own_stays(listed: Looked) -> None:
    entry = listed(OURS).resolve(FIELD, Label.PF, ENTRY, "2014-03-29T17:33:00.000")
    assert entry is not None and (entry.onset, entry.flare_class) == ("2014-03-29T17:33:00.000", "X1.0")
    assert (entry.source, entry.verified) == ("window.onset", False)


def test_without_a_list_the_entry_stays(tmp_path: Path) -> None:
    assert look(tmp_path).resolve(FIELD, Label.PF, ENTRY, None) is ENTRY
    assert look(tmp_path).resolve(FIELD, Label.PF, None, None) is None


def test_hek_gives_onset_and_region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    rows = [
        hek_server.flare("2014-03-29T17:35:00", "X1.0", 509, 266, 12017),
        hek_server.region(12017, 375, 275),  # half a day before
        hek_server.region(12015, 600, 275),
        hek_server.region(12014, -300, -200),
    ]
    with hek_server.hek(rows) as (url, _):
        monkeypatch.setattr(hek, "URL", url)
        around = look(tmp_path, resolve="hek")
        entry = around.resolve(FIELD, Label.PF, None, None)
        quiet = around.resolve(FIELD, Label.AR, None, None)
    assert entry is not None and (entry.onset, entry.active_region) == ("2014-03-29T17:35:00.000", "12017")
    assert entry.source == "HEK"
    assert quiet is not None and (quiet.onset, quiet.active_region) == ("", "12017")


# What is said of it.


def said(around: Surroundings, what: Cut, caplog: pytest.LogCaptureFixture) -> str:
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        around.describe(FIELD, what)
    return caplog.text


def test_an_ordinary_flare_needs_no_word(listed: Looked, caplog: pytest.LogCaptureFixture) -> None:
    around = listed(
        OURS, "2014-03-29T17:20,C3.0,,,,,\n", "2014-03-29T15:00,C3.0,,,,,\n", "2014-03-30T09:00,X1.0,,,,,\n"
    )
    assert said(around, cut("PF"), caplog) == ""
    assert around.describe(FIELD, cut("PF"))[0] == {
        "c_flares": 1,
        "flare_distance": pytest.approx(np.hypot(9, 14)),
        "flare_inside": "yes",
    }


def test_several_flares_are_named(listed: Looked, caplog: pytest.LogCaptureFixture) -> None:
    text = said(listed(OURS, "2014-03-29T15:00,M2.0,,2014-03-29T15:30,,,\n"), cut("PF"), caplog)
    assert "more M or X flares while it lasted: M2.0 at 2014-03-29T15:00:00.000." in text
    assert "earlier" not in text


@pytest.mark.parametrize("end", ["2014-03-29T17:15", ""])
def test_an_earlier_flare_in_the_window(listed: Looked, caplog: pytest.LogCaptureFixture, end: str) -> None:
    start = "2014-03-29T17:00" if end else "2014-03-29T17:15"
    assert "an earlier M or X flare reaches into its window" in said(
        listed(OURS, f"{start},M2.0,,{end},,,\n"), cut("PF"), caplog
    )


BEFORE = "2014-03-29T13:50,M2.0,,2014-03-29T14:20,,,\n"  # began before the observation


def test_a_flare_that_had_begun_before_the_observation(listed: Looked, caplog: pytest.LogCaptureFixture) -> None:
    early = START + timedelta(minutes=30)
    text = said(listed(f"{iso(early)},X1.0,,,509,266,\n", BEFORE), cut("PF", onset=early), caplog)
    assert "more M or X flares while it lasted: M2.0 at 2014-03-29T13:50:00.000." in text
    assert "an earlier M or X flare reaches into its window" in text
    with pytest.raises(CatalogError, match="occurred while it lasted: M2.0 at 2014-03-29T13:50"):
        listed(BEFORE).describe(FIELD, cut("AR"))
    listed(BEFORE.replace("14:20", "14:00")).describe(FIELD, cut("AR"))  # over by then
    entry = listed(BEFORE).resolve(FIELD, Label.PF, None, None)
    assert entry is not None and entry.onset == "", "it is not what the observation waits for"


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ("540", "280", "40 arcsec from the field's centre, outside the field"),
        ("700", "280", "200 arcsec from the field's centre, outside the field"),
        ("", "", "where its X1.0 flare was is unknown"),
    ],
)
def test_a_flare_out_of_the_field(listed: Looked, caplog: pytest.LogCaptureFixture, x: str, y: str, words: str) -> None:
    assert words in said(listed(f"2014-03-29T17:35,X1.0,,,{x},{y},\n"), cut("PF"), caplog)


def test_an_ar_observation_is_told_when_its_region_flares(listed: Looked, caplog: pytest.LogCaptureFixture) -> None:
    rows = (
        "2014-03-29T19:00,X1.0,,,-500,280,12014\n",
        "2014-03-29T20:24,M1.5,,,900,280,12017\n",
        "2014-03-30T03:00,X2.0,,,,,12017\n",
    )
    around = listed(*rows)
    assert "2.5 hours after its end its region had an M1.5 flare" in said(around, cut("AR", region="2017"), caplog)
    assert around.describe(FIELD, cut("AR", region="12017"))[0]["hours_to_next_flare"] == pytest.approx(2.5)
    assert said(around, cut("AR"), caplog) == "", "without a number, only what is near the field"
    near = "2014-03-30T09:54,M1.2,,,650,270,\n"  # from where the Sun turned it, 16 hours later
    assert "16.0 hours after its end" in said(listed(near), cut("AR"), caplog)


def test_an_ar_observation_with_a_flare_is_refused_unless_allowed(
    listed: Looked, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(CatalogError, match=f"AR_{ID} is AR, but by the flare list.*X1.0 at .*source.allow="):
        listed(OURS).describe(FIELD, cut("AR"))
    assert "kept as asked, although by the flare list it saw X1.0" in said(
        listed(OURS, allow=[f"AR_{ID}"]), cut("AR"), caplog
    )


def test_what_speaks_against_a_label_is_kept(listed: Looked, tmp_path: Path) -> None:
    day = goes(tmp_path / "goes", 1.45e-4)
    around = listed(OURS, allow=[f"AR_{ID}"], goes=day)
    assert around.describe(FIELD, cut("AR"))[0]["allowed"] == (
        "X1.0 at 2014-03-29T17:36:00.000 by the flare list, X1.0 by the GOES flux"
    )
    kept = listed("2014-03-29T17:36,X1.0,,,-560,280,\n", "2014-03-29T17:15,M3.0,,,,,\n").describe(FIELD, cut("PF"))[0]
    assert kept["earlier_flares"] == kept["other_flares"] == "M3.0 at 2014-03-29T17:15:00.000"
    assert (kept["flare_distance"], kept["flare_inside"]) == (1060.0, "no")
    assert listed("2014-03-29T17:36,X1.0,,,,,\n").describe(FIELD, cut("PF"))[0]["flare_distance"] == "unknown"


def test_another_flare_list_is_another_choice(listed: Looked, tmp_path: Path) -> None:
    far = "2015-01-01T00:00,X1.0,,,0,0,\n"  # nothing of this observation's
    one, same, other = (listed(*rows).choices(FIELD, Label.PF, {}) for rows in ((OURS,), (OURS, far), (OURS, BEFORE)))
    assert one == same != other and set(one) == {"flares"}
    assert look(tmp_path).choices(FIELD, Label.PF, {}) == {} == listed(OURS).choices(FIELD, Label.UNKNOWN, {})


# X-rays.


def goes(folder: Path, peak: float, at: datetime = ONSET, satellite: int = 15) -> str:
    """A day at C1 (true flux) with a flare of ten minutes; returns the folder."""
    day = at.replace(hour=0, minute=0)
    flux = np.full(1440, 1e-6)
    minute = int((at - day).total_seconds() // 60)
    flux[minute : minute + 10] = peak
    goes_files.write(folder, day, flux, satellite)
    return str(folder)


def test_the_curve_covers_the_observation_and_what_is_beside_it(tmp_path: Path) -> None:
    settings, curve = look(tmp_path, goes=goes(tmp_path / "goes", 1.45e-4)).describe(FIELD, cut("PF"))
    assert settings == {
        "goes_satellite": "GOES-15",
        "goes_factor": 0.7,
        "goes_coverage": 1.0,
        "goes_checked": "yes",
        "goes_class": "X1.0",
    }
    assert curve is not None and curve.time[0] == pytest.approx(-1800, abs=60)
    assert curve.time[-1] == pytest.approx((FIELD.end - START + timedelta(minutes=30)).total_seconds(), abs=60)
    assert curve.flux.max() == pytest.approx(0.7 * 1.45e-4)


@pytest.mark.parametrize(("flux", "refused"), [(1.2e-5, False), (1.5e-5, True)])
def test_an_unscaled_c8_does_not_become_an_m(tmp_path: Path, flux: float, refused: bool) -> None:
    around = look(tmp_path, goes=goes(tmp_path / "goes", flux))
    if refused:
        with pytest.raises(CatalogError, match="by the GOES flux an M or X flare occurred while it lasted: M1.0"):
            around.describe(FIELD, cut("AR"))
    else:
        assert around.describe(FIELD, cut("AR"))[0]["goes_factor"] == 0.7


def test_a_flare_after_the_observation_is_no_reason_to_refuse(tmp_path: Path) -> None:
    around = look(tmp_path, goes=goes(tmp_path / "goes", 1e-4, FIELD.end + timedelta(minutes=5)))
    assert around.describe(FIELD, cut("AR"))[1] is not None


@pytest.mark.parametrize(("label", "what"), [("AR", "whether an M or X flare occurred"), ("PF", "its class")])
@pytest.mark.parametrize(
    ("begin", "end", "words"),
    [
        (-210, 22, {"AR": "points for 0% of its duration", "PF": "points for 56% of its flare"}),  # all of it
        (
            -5,
            25,
            {"AR": "89% of its duration, with a gap of", "PF": "of its flare, with a gap of"},
        ),  # just over the flare
    ],
)
def test_a_gap_is_no_proof(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, label: str, what: str, begin: int, end: int, words: dict
) -> None:
    """An M5 that GOES did not see: that nothing was seen must not pass for a check."""
    day = ONSET.replace(hour=0, minute=0)
    minute = int((ONSET - day).total_seconds() // 60)
    flux, flags = np.full(1440, 1e-6), np.zeros(1440)
    flux[minute : minute + 10] = 5e-5
    flags[minute + begin : minute + end] = 1
    goes_files.write(tmp_path / "goes", day, flux, 16, flags)
    around = look(tmp_path, goes=str(tmp_path / "goes"))
    text = said(around, cut(label), caplog)
    assert words[label] in text and f"so that {what} could not be checked. Give other GOES files" in text
    assert around.describe(FIELD, cut(label))[0]["goes_checked"] == "no"


def test_what_is_seen_beside_a_gap_counts(tmp_path: Path) -> None:
    day = ONSET.replace(hour=0, minute=0)
    flux, flags = np.full(1440, 1e-6), np.zeros(1440)
    flux[-400:-390], flags[900:1000] = 5.01e-5, 1
    goes_files.write(tmp_path / "goes", day, flux, 16, flags)
    with pytest.raises(CatalogError, match="by the GOES flux an M or X flare occurred while it lasted: M5.0"):
        look(tmp_path, goes=str(tmp_path / "goes")).describe(FIELD, cut("AR"))


def test_flux_and_list_that_disagree(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    around = look(tmp_path, goes=goes(tmp_path / "goes", 1.45e-5))
    assert "its flare is X1.0 by the list, M1.0 by the GOES flux" in said(around, cut("PF"), caplog)
    around = look(tmp_path, goes=goes(tmp_path / "goes", 1.45e-4))
    assert said(around, cut("PF"), caplog) == ""


def test_goes_missing_for_the_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    around = look(tmp_path, goes=goes(tmp_path / "goes", 1e-4, ONSET + timedelta(days=300)))
    assert "the GOES files hold nothing of 2014-03-29T13:39:38.000 to 2014-03-29T18:24" in said(
        around, cut("PF"), caplog
    )
    assert around.describe(FIELD, cut("PF")) == ({"goes_coverage": 0.0}, None)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"resolve": "vso"}, "source.resolve is 'vso', expected hek or null."),
        ({"flares": 5}, "source.flares is 5, expected the path of a file or folder"),
        ({"goes": 5}, "source.goes is 5, expected the path of a file or folder"),
        ({"allow": [20140329]}, "Observation 20140329 is not a name"),
    ],
)
def test_keys_that_cannot_be_meant(tmp_path: Path, keys: dict, sentence: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        look(tmp_path, **keys)
    assert str(refusal.value).startswith(sentence)
