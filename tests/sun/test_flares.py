"""Flare lists: what they may say, and which line is refused."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from preflare.errors import FlareError
from preflare.sun.flares import Flare, merged, read, read_regions

ONSET = datetime(2014, 3, 29, 17, 35, tzinfo=UTC)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_list_is_read_in_the_order_of_its_starts(tmp_path: Path) -> None:
    text = (
        "# from memory\nstart,class,peak,end,x,y,active_region\n"
        "2014-03-29T17:35Z,X1.0,2014-03-29T17:48,2014-03-29T17:54,509,266,12017\n\n"
        "2014-03-29 10:00,C3.2,,,0,0,\n"
    )
    first, second = read(write(tmp_path / "list.csv", text))
    assert (first.flare_class, first.strong, first.peak, first.active_region) == ("C3.2", False, None, "")
    assert math.isnan(first.x) and math.isnan(first.distance(0, 0)), "0, 0 is how services say unknown"
    assert second == Flare(
        ONSET, "X1.0", ONSET + timedelta(minutes=13), ONSET + timedelta(minutes=19), 509, 266, "12017"
    )
    assert second.strong and second.distance(506, 262) == 5


def test_quotes_in_comments_and_cells(tmp_path: Path) -> None:
    text = 'start,class,active_region\n# a,"b\n2014-03-29T17:35,"X1.0","12017"\n# c,"d\n  \n2014-03-29T18:35,M1,\n'
    assert [flare.flare_class for flare in read(write(tmp_path / "list.csv", text))] == ["X1.0", "M1"]
    with pytest.raises(FlareError, match="line 7, cannot be read: 'Q' is no GOES class"):
        read(write(tmp_path / "list.csv", text + "2014-03-29T18:35,Q,\n"))


@pytest.mark.parametrize(
    ("begin", "end", "expected"), [(-60, -10, False), (-10, 0, True), (9, 60, True), (10, 60, True), (11, 60, False)]
)
def test_when_a_flare_went_on(begin: int, end: int, expected: bool) -> None:
    first, last = ONSET + timedelta(minutes=begin), ONSET + timedelta(minutes=end)
    assert Flare(ONSET, "M1.0", end=ONSET + timedelta(minutes=10)).between(first, last) is expected
    assert Flare(ONSET, "M1.0").between(first, last) is (begin <= 0 <= end)


def test_two_columns_are_enough(tmp_path: Path) -> None:
    (flare,) = read(write(tmp_path / "list.csv", "class,start\nM1.0,2014-03-29T17:35\n"))
    assert flare.start == ONSET and flare.strong


def test_the_same_flare_by_two_services_counts_once() -> None:
    poor, rich = Flare(ONSET, "X1.0"), Flare(ONSET + timedelta(minutes=1), "X1.0", x=509, y=266)
    later = Flare(ONSET + timedelta(minutes=7), "X1.0")
    other = Flare(ONSET, "C1.0")
    assert merged([later, poor, other, rich]) == (rich, other, later)


def test_regions(tmp_path: Path) -> None:
    (region,) = read_regions(write(tmp_path / "r.csv", "time,x,y,active_region\n2014-03-29T00:00,480,270,12017\n"))
    assert (region.x, region.y, region.active_region) == (480, 270, "12017")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("yesterday,X1.0,,", "line 3, cannot be read: start is 'yesterday', expected a UTC time such as 2014"),
        ("2014-03-29T17:35,Q9,,", "line 3, cannot be read: 'Q9' is no GOES class"),
        ("2014-03-29T17:35,X,,", "line 3, cannot be read: 'X' is no GOES class such as M2.3"),
        ("2014-03-29T17:35,X-1.0,,", "line 3, cannot be read: 'X-1.0' is no GOES class such as M2.3"),
        ('2014-03-29T17:35,X1.0,"1\n",\n2014-03-29T18:35,X1.0,,', "line 3, cannot be read: a quoted cell goes on over"),
        ('2014-03-29T17:35,X1.0,"1,\n2014-03-29T18:35,X1.0,,', "line 3, cannot be read: unexpected end of data"),
        ("2014-03-29T17:35,X1.0,far,", "line 3, cannot be read: x is 'far', expected a number of arcsec"),
        ("2014-03-29T17:35,X1.0", "line 3, cannot be read: 2 cells, expected 4"),
        ("2014-03-29T17:35,X1.0,,2014-03-29T17:30", "line 3, cannot be read: end 2014-03-29T17:30 is before start"),
    ],
)
def test_a_row_that_cannot_be_read(tmp_path: Path, row: str, reason: str) -> None:
    path = write(tmp_path / "list.csv", f"start,class,x,end\n# a comment counts as a line\n{row}\n")
    with pytest.raises(FlareError) as refusal:
        read(path)
    assert str(refusal.value).startswith(f"{path}, {reason}") and "Correct or delete the line" in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty. Begin it with a line of columns: start, class."),
        ("# nothing\n", "is empty. Begin it with a line of columns: start, class."),
        ("when,class\n", "has the columns when, class; expected start, class. Let its first line name start, class"),
        ("start,class,class\n", "has the column class twice. Let its first line name start, class .*each once."),
    ],
)
def test_a_file_that_is_no_list(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FlareError, match=words):
        read(write(tmp_path / "list.csv", text))


def test_no_list(tmp_path: Path) -> None:
    with pytest.raises(FlareError, match="There is no flare list"):
        read(tmp_path / "list.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(FlareError, match="cannot be read as a CSV file"):
        read(tmp_path / "binary.csv")
