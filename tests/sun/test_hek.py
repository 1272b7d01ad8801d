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


def test_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hek_server.hek([]) as (url, _):
        pass
    monkeypatch.setattr(hek, "URL", url)
    with pytest.raises(
        FlareError, match="HEK could not be asked for 2014-03-29T14.*Check the network, or give a flare"
    ):
        hek.flares(BEGIN, END, tmp_path)
    assert not list(tmp_path.iterdir())
