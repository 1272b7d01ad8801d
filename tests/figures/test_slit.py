"""Slits are drawn on both scales, with the curves and the places that matter."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes

from preflare.figures import slit
from preflare.figures.slit import Map


@pytest.fixture
def one() -> Map:
    stream = np.random.default_rng(0)
    light = stream.uniform(10, 5000, (6, 4))
    values = stream.standard_normal((6, 4))
    return Map(
        title="PF, step 0",
        minutes=np.array([-8.0, -6.0, -4.0, -2.0, 0.0, 2.0]),
        along=np.array([0.0, 2.0, 4.0, 6.0]),
        intensity=light,
        attribution=values,
        own_intensity=light / light.max(),
        own_attribution=values / np.abs(values).max(),
        light=(20.0, 4000.0),
        score=np.linspace(0.1, 0.9, 6),
        xrays=(np.array([-30.0, -5.0, 0.0, 1.0]), np.array([1e-7, 2e-7, 1e-6, 1e-5])),
        onset=True,
        leads=2.0,
        flare=4.0,
        footpoint=5.0,
    )


def points(axes: Axes, mark: str) -> list[float]:
    return [float(line.get_ydata()[0]) for line in axes.lines if line.get_marker() == mark]


def test_left_each_side_by_itself_and_right_one_scale(one: Map) -> None:
    figure = slit.draw(one, 0.7, {"M": 1e-5}, "the simulated Sun")
    shown = [axes.collections[0] for axes in figure.axes[:4]]
    for mesh, values in zip(
        shown, (one.own_intensity, one.intensity, one.own_attribution, one.attribution), strict=True
    ):
        np.testing.assert_array_equal(mesh.get_array(), values.T)
    assert shown[0].get_clim() == (0, 1)
    assert shown[2].get_clim() == (-1, 1) and shown[3].get_clim() == (-0.7, 0.7)
    assert shown[1].get_clim() == (20, 4000)
    for axes in figure.axes[:4]:
        assert points(axes, ">") == [2.0] and points(axes, "<") == [4.0]
    scores = [line for axes in figure.axes[4:] for line in axes.lines if len(line.get_xdata()) == 6]
    np.testing.assert_array_equal(scores[0].get_ydata(), one.score)
    # Of the X-rays only what lies in the picture.
    curves = [line for axes in figure.axes[4:] for line in axes.lines if len(line.get_xdata()) == 3]
    np.testing.assert_array_equal(curves[0].get_ydata(), [2e-7, 1e-6, 1e-5])


def test_what_is_not_known_is_not_drawn(one: Map) -> None:
    nothing = np.empty(0)
    bare = replace(one, xrays=(nothing, nothing), onset=False, leads=np.nan, flare=np.nan, footpoint=np.nan)
    figure = slit.draw(bare, 0.7, {}, "")
    # Without an onset it has no sides: one column.
    above, below = figure.axes[:2]
    np.testing.assert_array_equal(above.collections[0].get_array(), one.intensity.T)
    np.testing.assert_array_equal(below.collections[0].get_array(), one.attribution.T)
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["one scale"]
    assert all(not points(axes, ">") and not points(axes, "<") for axes in (above, below))
    assert "end of the window" in below.get_xlabel()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["no value"]
    slit.small(replace(bare, intensity=np.full((6, 4), np.nan)), 1.0).draw_without_rendering()


def test_scales_say_their_units_and_what_is_missing_is_hatched(one: Map) -> None:
    figure = slit.draw(one, 0.7, {"M": 1e-5}, "")
    labels = [text for axes in figure.axes for text in (axes.get_xlabel(), axes.get_ylabel())]
    for unit in ("DN/s", "log-odds", "W/m²", "mean score", "arcsec"):
        assert any(unit in text for text in labels), unit
    assert all(axes.patch.get_hatch() for axes in figure.axes[:4])
    assert [text.get_text() for text in figure.legends[0].get_texts()][1:] == [
        "attribution leads",
        "brightest in the flare",
        "flare put in",
        "onset",
    ]


def test_a_small_one_is_on_one_scale(one: Map) -> None:
    above, below = slit.small(one, 0.7).axes
    np.testing.assert_array_equal(above.collections[0].get_array(), one.intensity.T)
    assert below.collections[0].get_clim() == (-0.7, 0.7)
