"""Two Suns beside each other: every spectrum and distribution given is drawn, of each in its colour."""

import numpy as np
import pytest

from preflare.figures import style, two_suns
from preflare.figures.two_suns import Sun

WAVELENGTH = np.linspace(2794, 2806, 12)


def sun(title: str, shift: float) -> Sun:
    random = np.random.default_rng(0)
    return Sun(
        title,
        {10.0 * fifth: np.full(12, 0.1 * fifth) for fifth in range(1, 6)},
        random.uniform(size=(6, 12)),
        {name: random.normal(shift, 1, 300) for name in ("a", "b", "c", "d")},
        np.geomspace(0.5, 0.01, 8),
    )


@pytest.fixture
def suns() -> list[Sun]:
    return [sun("real raster", 0.0), sun("simulated Sun", 5.0)]


def test_what_is_given_is_drawn(suns: list[Sun]) -> None:
    shown = {"b": "AUC falls by 0.2 without it", "c": "", "d": "", "a": ""}
    figure = two_suns.draw(WAVELENGTH, suns, ("a", "b"), shown, "quiet")
    medians, _, cloud, examples, _, variance, *panels = figure.axes
    drawn = [line.get_ydata()[0] for line in medians.lines if len(line.get_ydata())]
    np.testing.assert_allclose(drawn, [0.1, 0.2, 0.3, 0.4, 0.5])
    assert len(examples.lines) == 6
    np.testing.assert_array_equal(cloud.lines[1].get_xdata(), suns[1].features["a"])
    np.testing.assert_array_equal(variance.lines[0].get_ydata(), suns[0].shares)
    assert [axes.get_xlabel() for axes in panels[:4]] == list(shown)
    assert panels[0].get_title() == "AUC falls by 0.2 without it" and not panels[5].axison
    left, right = panels[0].patches
    assert left.get_edgecolor() != right.get_edgecolor()
    assert left.get_xy()[:, 0].min() < right.get_xy()[:, 0][right.get_xy()[:, 1] > 0].min()
    assert figure.get_figwidth() == style.PAGE
    assert "blue: real raster; red: simulated Sun; quiet" in figure.get_suptitle()
