import numpy as np
import pytest

from preflare.sun.simulation.fields import Fields


def test_covariance_is_the_gaussian_it_states() -> None:
    places = np.array([0.0, 3.0, 0.0, 4.0]), np.array([0.0, 0.0, 5.0, 0.0]), np.array([0.0, 0.0, 0.0, 90.0])
    draws = np.concatenate(
        [Fields(np.random.default_rng(seed), 20, length=4.0, duration=60.0)(*places) for seed in range(400)]
    )
    x, y, time = (np.subtract.outer(values, values) for values in places)
    expected = np.exp(-(x**2 + y**2) / (2 * 4.0**2) - time**2 / (2 * 60.0**2))
    assert np.cov(draws.T) == pytest.approx(expected, abs=0.06)
    assert draws.mean(axis=0) == pytest.approx(np.zeros(4), abs=0.05)


def test_fields_are_independent_of_each_other() -> None:
    x = np.linspace(0, 4000, 4001)
    values = Fields(np.random.default_rng(1), 3, length=2.0, duration=60.0, waves=200)(x, 0 * x, 0 * x)
    assert np.corrcoef(values) == pytest.approx(np.eye(3), abs=0.15)


def test_a_field_is_a_function_of_place_and_time() -> None:
    fields = Fields(np.random.default_rng(2), 2, length=3.0, duration=60.0)
    x, y, time = np.random.default_rng(3).normal(size=(3, 50)) * 10
    whole = fields(x, y, time)
    assert np.array_equal(whole[:, 20:30], fields(x[20:30], y[20:30], time[20:30]))
