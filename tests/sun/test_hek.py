"""HEK through a local stand-in: what it answers becomes a flare list, once."""

import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from preflare.errors import FlareError
from preflare.sun import hek
from tests.sun import hek_server

BEGIN, END = datetime(2014, 3, 29, 14, tzinfo=UTC), datetime(2014, 3, 30, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def test_an_answer_is_a_flare_list_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        hek_server.flare("2014-03-29T13:50:00", "M1.0"),  # over before
        hek_server.flare("2014-03-29T13:55:00", "M2.0") | {"event_endtime": "2014-03-29T14:05:00"},  # reaches into it
        hek_server.flare("2014-03-29T17:35:00", "X1.0"),
        hek_server.flare("2014-03-29T17:36:00", "X1.0", 509, 266, 12017, "SSW Latest Events"),
        hek_server.flare("2014-03-29T17:40:00", "X1.0", 500, 260, 12017, "Somebody else"),
        hek_server.flare("2014-03-29T20:00:00", "", who="SWPC"),
    ]
    with hek_server.hek(rows) as (url, asked):
        monkeypatch.setattr(hek, "URL", url)
        found = hek.flares(BEGIN, END, tmp_path)
        assert len(asked) == 1 and asked[0]["event_type"].upper() == "FL"
        assert hek.flares(BEGIN, END, tmp_path) == found and len(asked) == 1
    assert [(flare.flare_class, flare.x, flare.active_region) for flare in found] == [
        ("M2.0", pytest.approx(math.nan, nan_ok=True), ""),
        ("X1.0", 509, "12017"),
    ]
    assert found[1].start == datetime(2014, 3, 29, 17, 36, tzinfo=UTC) and found[1].peak is not None
    (path,) = tmp_path.iterdir()
    assert path.name == "hek_flares_20140329T140000_20140330T020000.csv"
    head = path.read_text().splitlines()
    assert head[0].startswith(f"# query: {url} from 2014-03-29T14:00:00.000 to 2014-03-30T02:00:00.000")
    assert head[1].startswith("# asked: 20")


def test_no_flares_is_an_answer_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hek_server.hek([]) as (url, asked):
        monkeypatch.setattr(hek, "URL", url)
        assert hek.flares(BEGIN, END, tmp_path) == () == hek.flares(BEGIN, END, tmp_path)
        assert len(asked) == 1


def test_regions_have_places_and_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hek_server.hek([hek_server.region(12017, 480, 270), hek_server.region(12014, -300, -200)]) as (url, _):
        monkeypatch.setattr(hek, "URL", url)
        regions = hek.regions(BEGIN, END, tmp_path)
    assert [(region.active_region, region.x, region.y) for region in regions] == [
        ("12017", 480, 270),
        ("12014", -300, -200),
    ]
    assert not any(math.isnan(region.x) for region in regions)


def test_an_odd_row_is_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of what cannot be read nothing is kept, so that the answer can be read again; of the rest everything."""
    sound = hek_server.flare("2014-03-29T17:35:00", "X1.0", 509, 266, 12017)
    rows = [
        sound,
        hek_server.flare("2014-03-29T18:35:00", "C"),
        hek_server.flare("2014-03-29T19:35:00", "M5.0", 1, 2) | {"event_peaktime": "2014-03-29T19:30:00"},
        hek_server.flare("2014-03-29T20:35:00", "M6.0") | {"event_endtime": "2014-03-29T20:30:00", "hpc_x": "far"},
    ]
    with hek_server.hek(rows) as (url, asked):
        monkeypatch.setattr(hek, "URL", url)
        found = hek.flares(BEGIN, END, tmp_path)
        assert hek.flares(BEGIN, END, tmp_path) == found and len(asked) == 1
    assert [flare.flare_class for flare in found] == ["X1.0", "M5.0", "M6.0"]
    assert [flare.peak is None for flare in found] == [False, True, False] and found[2].end is None
    for words in (
        "HEK's C flare of 2014-03-29T18:35:00 is left out: 'C' is no GOES class such as M2.3.",
        "M5.0 flare of 2014-03-29T19:35:00 is taken without its peak: peak 2014-03-29T19:30:00 is before start",
        "M6.0 flare of 2014-03-29T20:35:00 is taken without its end: end 2014-03-29T20:30:00 is before",
        "M6.0 flare of 2014-03-29T20:35:00 is taken without its x: x is 'far', expected a number of arcsec",
    ):
        assert words in caplog.text


def test_an_odd_region_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [hek_server.region(12017, 480, 270), hek_server.region(12014, -300, -200) | {"hpc_y": None}]
    with hek_server.hek(rows) as (url, _):
        monkeypatch.setattr(hek, "URL", url)
        assert [region.active_region for region in hek.regions(BEGIN, END, tmp_path)] == ["12017"]
        assert len(hek.regions(BEGIN, END, tmp_path)) == 1
    assert "HEK's region 12014 of 2014-03-29T00:00:00 is left out: y is '', expected a number" in caplog.text


def test_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hek_server.hek([]) as (url, _):
        pass
    monkeypatch.setattr(hek, "URL", url)
    with pytest.raises(
        FlareError,
        match=r"HEK could not be asked for 2014-03-29T14.* \(it refuses the connection\). Check the network, or give a",
    ):
        hek.flares(BEGIN, END, tmp_path)
    assert not list(tmp_path.iterdir())
