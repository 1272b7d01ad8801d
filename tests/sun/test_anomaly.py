"""Which exposures were taken in the South Atlantic Anomaly."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from preflare.errors import ConfigError
from preflare.sun.anomaly import EXCESS, RATIO, header_says, hit_rate, read_intervals, within

START = datetime(2015, 7, 3, 17, 0, tzinfo=UTC)


def test_intervals_are_read(tmp_path: Path) -> None:
    (tmp_path / "saa.csv").write_text("# ours\nstart,end,by\n2015-07-03T17:10,2015-07-03T17:20Z,me\n\n")
    assert read_intervals(tmp_path / "saa.csv") == ((START.replace(minute=10), START.replace(minute=20)),)


def test_an_exposure_counts_if_any_of_it_lies_in_an_interval() -> None:
    interval = (START.replace(minute=10), START.replace(minute=20))
    time = np.array([0.0, 595.0, 592.0, 600.0, 1199.0, 1200.0])
    exposure = np.array([8.0, 8.0, 7.9, 8.0, 8.0, 8.0])
    np.testing.assert_array_equal(within(START, time, exposure, [interval]), [False, True, False, True, True, False])
    assert not within(START, time, exposure, []).any()
    whole = (START.replace(hour=16), START.replace(hour=19))
    assert within(START, time, exposure, [whole]).all(), "an interval may cover the whole observation"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("           0", False),
        (0, False),
        (None, False),
        ("", False),
        ("           1", True),
        (17.0, True),
        ("N", False),
        ("YES", True),
    ],
)
def test_what_a_header_says(value: object, says: bool) -> None:
    assert header_says(value) is says


def test_hits_are_counted_as_a_slow_loop_does() -> None:
    random = np.random.default_rng(0)
    counts = random.poisson(100, (50, 200)).astype(np.float32)
    for _ in range(40):
        counts[random.integers(50), random.integers(200)] += random.uniform(50, 2000)
    counts[:3] = -200
    hits = pixels = 0
    for row in counts:
        for at in range(2, 198):
            three = row[at - 2 : at + 3 : 2]
            if (three >= -100).all():
                pixels += 1
                hits += bool(row[at] > RATIO * max(row[at - 2], row[at + 2], 0) + EXCESS)
    assert 20 < hits < 41
    assert hit_rate(counts, -100.0) == pytest.approx(1e6 * hits / pixels)


def test_a_spectral_line_is_no_hit() -> None:
    """Even one without a width of its own is spread over two pixels."""
    at = np.arange(200)
    line = 20 + 1000 * np.exp(-4 * np.log(2) * ((at - 100.3) / 6.0) ** 2)
    assert hit_rate(np.tile(line, (10, 1)).astype(np.float32), -100.0) == 0


def test_an_exposure_without_pixels_has_no_hits() -> None:
    assert hit_rate(np.full((4, 20), -200.0, np.float32), -100.0) == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty. Begin it with a line of columns: start, end."),
        ("from,to\n", "has the columns from, to; expected start, end and, if you like, others. Let its first line"),
        ("start,end,end\n", "has the columns start, end, end; expected start, end and"),
        ("start,end\nnow,then\n", "line 2, cannot be read: start is 'now', expected a UTC time such as 2014"),
        ("start,end\n2015-07-03T17:10\n", "line 2, cannot be read: 1 cells, expected 2. Correct or delete the line"),
        ("start,end\n2015-07-03T17:10,2015-07-03T17:00\n", "line 2, cannot be read: end 2015-07-03T17:00 is before"),
    ],
)
def test_a_list_that_cannot_be_read(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "saa.csv").write_text(text)
    with pytest.raises(ConfigError) as refusal:
        read_intervals(tmp_path / "saa.csv")
    assert reason in str(refusal.value)


def test_no_list(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Correct source.saa"):
        read_intervals(tmp_path / "saa.csv")
