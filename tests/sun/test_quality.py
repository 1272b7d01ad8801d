"""What the flags mean: which are remarks, how many there are, and where the limb is."""

from dataclasses import replace

import numpy as np
import pytest

from preflare.errors import ConfigError
from preflare.sun.line import Line, Rules
from preflare.sun.quality import is_clean, off_limb, tally

RULES = Rules(
    null=-100.0,
    saturation=16183.0,
    overexposed_run=4,
    low_signal=10.0,
    peak_halfwidth=0.5,
    core_ratio=(0.7, 2.3),
    ratio_halfwidth=1.0,
)
LINE = Line("made_up", "Made up", "NUV", 100.0, 110.0, 41, {"k": 103.0, "h": 107.0}, {}, (105.0, 105.5), RULES)


def test_tally_counts_combined_flags_once_each() -> None:
    quality = np.array([[0, 0, 1], [3, 32, 0]], np.uint16)
    counts = tally(quality, LINE)
    assert counts == {
        "spectra": 6,
        "clean": 3,
        "MISSING": 2,
        "OVEREXPOSED": 1,
        "LOW_SIGNAL": 0,
        "PEAK_OUTSIDE_CORES": 0,
        "CORE_RATIO": 0,
        "ZERO_EXPOSURE": 1,
        "HIGH_CONTINUUM": 0,
        "OFF_LIMB": 0,
        "QUIET_SUN": 0,
        "SAA": 0,
    }


def test_beyond_the_limb() -> None:
    position = np.array([[0, 0], [959.9, 0], [0, -960.1], [700, 700], [np.nan, 0]])
    assert off_limb(position, 960.0).tolist() == [0, 0, 128, 128, 0]
    assert not off_limb(position, None).any()


def test_tolerated_flags_are_remarks() -> None:
    quality = np.array([0, 1, 64, 65, 128, 192, 256], np.uint16)
    assert is_clean(quality, LINE).tolist() == [True] + 6 * [False]
    tolerant = replace(LINE, tolerated=("HIGH_CONTINUUM", "OFF_LIMB"))
    assert is_clean(quality, tolerant).tolist() == [True, False, True, False, True, True, False]
    assert tally(quality, tolerant)["clean"] == 4


def test_a_tolerated_flag_that_is_none_is_named() -> None:
    with pytest.raises(
        ConfigError, match="line.tolerated names 'CLOUDS', which is no flag; expected some of MISSING, "
    ):
        is_clean(np.zeros(1, np.uint16), replace(LINE, tolerated=("CLOUDS",)))
