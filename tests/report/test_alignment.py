"""Alignment along the slit: found where planted, not where there is none, and equal to slow counts."""

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import rankdata

from preflare.report import alignment
from preflare.report.alignment import BEYOND, PLANTED, Pair
from preflare.report.slits import Slit
from preflare.sun.observation import Label

PIXELS = 30


def slit(attribution: np.ndarray, intensity: np.ndarray, phase: np.ndarray, arcsec: float = 2.0) -> Slit:
    """A slit of an observation whose position along y counts arcsec from pixel to pixel."""
    repeats, pixels = attribution.shape
    position = np.zeros((repeats, pixels, 2))
    position[..., 1] = arcsec * np.arange(pixels)
    minutes = np.arange(repeats) - float(repeats)
    return Slit("PF_x", Label.PF, 0, minutes, phase, position, intensity, attribution, attribution, None, None)


def planted(stream: np.random.Generator, height: float, bright: float = 0.0, steps: int = 3) -> list[Slit]:
    """An observation whose attribution, by height, and intensity, by bright, are higher near its flare."""
    centre = stream.uniform(4, PIXELS - 5)
    bump = np.exp(-(((np.arange(PIXELS) - centre) / 2) ** 2))
    made = []
    for _ in range(steps):
        attribution = height * bump + stream.standard_normal((12, PIXELS))
        light = np.exp(bright * bump + 0.3 * stream.standard_normal((12, PIXELS)))
        light[8:] += 1000 * bump
        made.append(slit(attribution, light, np.repeat([1, 2], [8, 4])))
    return made


def measured(observations: list[list[Slit]], predictor: str, tolerance: float = 5.0) -> alignment.Alignment:
    return alignment.measure([alignment.pairs(mine)[predictor] for mine in observations], tolerance)


def test_what_is_planted_beats_chance() -> None:
    stream = np.random.default_rng(0)
    found = measured([planted(stream, 3.0) for _ in range(12)], alignment.ATTRIBUTION)
    assert found.slits == 36 and found.aligned >= 30
    assert found.p_shifted < 0.01 and found.p_paired < 0.01 and found.p_rank < 0.01
    assert found.share > 0.8 > 0.3 > found.shifted
    assert found.interval[0] <= found.share <= found.interval[1]
    assert found.rank > 0.9


def test_p_values_of_noise_are_uniform() -> None:
    stream = np.random.default_rng(1)
    found = [measured([planted(stream, 0.0, steps=2) for _ in range(6)], alignment.ATTRIBUTION) for _ in range(40)]
    for name in ("p_shifted", "p_paired", "p_rank"):
        p = np.array([getattr(one, name) for one in found])
        # Of 40, 2 are expected below 0.05; 7 or more have a probability of 0.003.
        assert (p < 0.05).sum() < 7, name
        assert 0.3 < np.mean(p) < 0.8, name


def test_what_bright_pixels_explain_is_taken_away() -> None:
    stream = np.random.default_rng(2)
    observations = []
    for _ in range(12):
        mine = planted(stream, 0.0, bright=2.0)
        for one in mine:
            one.attribution[:] = 2 * np.log(one.intensity) + 0.05 * stream.standard_normal((12, PIXELS))
        observations.append(mine)
    assert measured(observations, alignment.ATTRIBUTION).p_shifted < 0.01
    assert measured(observations, alignment.INTENSITY).p_shifted < 0.01
    assert measured(observations, BEYOND).p_shifted > 0.05


def test_shares_are_those_of_a_loop() -> None:
    stream = np.random.default_rng(3)
    mine = [Pair(stream.standard_normal(9), 2.0 * np.abs(np.arange(9) - place)) for place in (1, 6)]
    every = []
    for shift in range(9):
        every.append(np.mean([one.away[np.argmax(np.roll(one.profile, shift))] <= 3 for one in mine]))
    share, chance = alignment.shares([mine, []], 3.0)
    assert share[0] == pytest.approx(every[0]) and chance[0] == pytest.approx(np.mean(every))
    assert np.isnan(share[1]) and np.isnan(chance[1])
    found = alignment.measure([mine, []], 3.0)
    assert (found.share, found.shifted) == (share[0], chance[0])
    # One observation cannot be paired.
    assert np.isnan(found.paired) and np.isnan(found.p_paired)


def test_slits_too_short_for_a_tolerance_are_left_out() -> None:
    stream = np.random.default_rng(6)
    long = [Pair(stream.standard_normal(30), 2.0 * np.abs(np.arange(30) - 11))]
    short = [Pair(stream.standard_normal(5), 2.0 * np.abs(np.arange(5) - place)) for place in (0, 3)]
    found = alignment.measure([long, short], 5.0)
    assert (found.slits, found.short) == (1, 2)
    assert found.share == alignment.shares([long], 5.0)[0][0]
    assert np.isnan(alignment.shares([long, short], 5.0)[0][1])
    # On a slit of 8 arcsec any place is within 5 of its middle, and no chance is left; within 2 it counts.
    assert alignment.measure([long, short], 2.0).slits == 3
    assert alignment.measure([short], 5.0).slits == 0 and alignment.measure([short], 5.0).short == 2
    one = alignment.Pair(np.arange(21.0), np.abs(np.arange(21) - 4.0))
    assert one.is_long(5.0) and not one.is_long(5.1)


def test_ranks_are_those_of_scipy() -> None:
    stream = np.random.default_rng(4)
    profile = stream.integers(0, 5, 11).astype(float)
    one = Pair(profile, np.abs(np.arange(11) - 4.0))
    expected = [(rankdata(np.roll(profile, shift))[4] - 1) / 10 for shift in range(11)]
    np.testing.assert_allclose(alignment._ranks(one), expected)


def test_shifts_and_pairings_are_those_of_all_there_are() -> None:
    stream = np.random.default_rng(5)
    them = [[Pair(stream.standard_normal(5), 2.0 * np.abs(np.arange(5) - place))] for place in (0, 2, 4, 1)]
    found = alignment.measure(them, 2.0)
    every = [np.array([mine[0].away[(mine[0].leads[0] + shift) % 5] <= 2 for shift in range(5)]) for mine in them]
    sums = np.array([[a, b, c, d] for a in every[0] for b in every[1] for c in every[2] for d in every[3]]).mean(axis=1)
    assert found.p_shifted == pytest.approx((sums >= found.share).mean(), abs=0.02)
    leads = [mine[0].leads[0] for mine in them]
    dealt = [
        np.mean([mine[0].away[leads[place]] <= 2 for mine, place in zip(them, order, strict=True)])
        for order in permutations(range(4))
    ]
    assert found.p_paired == pytest.approx(np.mean(np.array(dealt) >= found.share), abs=0.02)


def test_another_slit_is_asked_at_the_same_share_of_its_length() -> None:
    mine = [Pair(np.zeros(11), np.abs(np.arange(11) - 10.0))]
    theirs = [Pair(np.array([0.0, 0.0, 1.0]), np.zeros(3))]
    assert alignment._borrowed(mine, theirs, 0.5) == 1
    assert alignment._borrowed(mine, [Pair(np.array([1.0, 0, 0]), np.zeros(3))], 0.5) == 0


def test_equal_pixels_count_in_part() -> None:
    one = Pair(np.array([1.0, 5.0, 5.0, 5.0]), np.array([0.0, 2.0, 4.0, 6.0]))
    assert alignment._rolled(one, 3.0)[0] == pytest.approx(1 / 3)
    # Shifted by one, the leading pixels are 2, 3 and 0.
    assert alignment._rolled(one, 3.0)[1] == pytest.approx(1 / 3)
    assert alignment._rolled(one, 3.0)[3] == pytest.approx(2 / 3)


def test_a_flat_profile_leads_nowhere() -> None:
    light = np.ones((4, 3))
    light[3, 1] = 9
    found = alignment.pairs([slit(np.ones((4, 3)), light, np.array([1, 1, 1, 2]))])
    assert found[alignment.ATTRIBUTION] == [] and found[alignment.INTENSITY] == []


def test_distances_count_where_pixels_are_in_the_flare() -> None:
    light = np.ones((4, 3))
    light[3] = [1, 9, np.nan]
    one = slit(np.zeros((4, 3)), light, np.array([1, 1, 1, 2]))
    # Before the flare the field lay elsewhere.
    one.position[:3] += 100
    np.testing.assert_allclose(alignment.from_flare(one), [2, 0, 2])


def test_a_slit_that_saw_no_flare_is_left_out() -> None:
    stream = np.random.default_rng(6)
    mine = planted(stream, 3.0)
    unseen = slit(np.zeros((12, PIXELS)), np.ones((12, PIXELS)), np.ones(12))
    assert alignment.from_flare(unseen) is None
    assert len(alignment.pairs([*mine, unseen])[alignment.ATTRIBUTION]) == 3


def test_pixels_that_were_hardly_scored_do_not_lead() -> None:
    values = np.zeros((4, 3))
    values[:, 1] = [9, np.nan, np.nan, np.nan]
    values[:, 2] = [1, 1, np.nan, np.nan]
    np.testing.assert_array_equal(alignment.mean_before(values, slit(values, values, np.ones(4))), [0, np.nan, 1])


def test_a_cosmic_ray_does_not_lead() -> None:
    light = np.ones((5, 3))
    light[:, 2], light[1, 0], light[3:, 1] = 2, 1000, np.nan
    one = slit(light, light, np.ones(5))
    np.testing.assert_array_equal(alignment.median_before(light, one), [1, 1, 2])
    light[2, 1] = np.nan
    assert np.isnan(alignment.median_before(light, one)[1])
    assert alignment.profiles([one])[alignment.INTENSITY][0][0] == 0


def test_the_line_in_intensity_is_that_of_least_squares() -> None:
    stream = np.random.default_rng(7)
    x = [stream.standard_normal(8) for _ in range(2)]
    y = [3 * one + stream.standard_normal(8) for one in x]
    y[0][3] = np.nan
    rest = alignment.beyond(y, x)
    good = np.isfinite(np.concatenate(y))
    assert np.isnan(rest[0][3])
    flat, others = np.concatenate(rest)[good], np.concatenate(x)[good]
    assert abs(flat.mean()) < 1e-12 and abs(flat @ others) < 1e-10
    # Without any spread in what is taken away, only the mean is.
    np.testing.assert_allclose(alignment.beyond([np.array([1.0, 3.0])], [np.ones(2)])[0], [-1, 1])
    assert np.isnan(alignment.beyond([np.full(2, np.nan)], [np.ones(2)])[0]).all()


def test_the_truth_is_measured_where_the_simulation_says() -> None:
    stream = np.random.default_rng(8)
    assert PLANTED not in alignment.pairs(planted(stream, 1.0))
    one = planted(stream, 1.0)[0]
    there = Slit(*[getattr(one, name) for name in list(Slit.__dataclass_fields__)[:-2]], one.attribution > 1, None)
    assert len(alignment.pairs([there])[PLANTED]) == 1


def test_nothing_to_measure_is_not_a_number() -> None:
    found = alignment.measure([[], []], 5.0)
    assert found.slits == 0 and np.isnan(found.share) and np.isnan(found.p_shifted)
