"""Panels in the order given, channels on one scale."""

import numpy as np

from preflare.figures import feature_maps


def test_channels_share_a_scale_and_sums_show_their_sign() -> None:
    wavelength = np.linspace(1, 2, 50)
    channels = {"A1": np.full(50, 2.0), "A2": np.full(50, 4.0)}
    before = {"first": np.full(50, 0.5)}
    before["first"][:10] = np.nan
    sums = {"sum": np.linspace(-1, 3, 50)}
    figure = feature_maps.draw(wavelength, np.ones(50), [before, channels], sums, {"k": 1.5}, "of one network")
    reservoir, first, second, third = figure.axes
    assert reservoir.collections[0].get_paths()[0].vertices[:, 1].max() == 1.0, "a layer has a scale of its own"
    assert reservoir.patches[0].get_hatch() and reservoir.patches[0].get_x() == 1
    assert reservoir.patches[0].get_width() == wavelength[10] - 1, "hatched up to the first value"
    assert first.collections[0].get_paths()[0].vertices[:, 1].max() == 0.5
    assert second.collections[0].get_paths()[0].vertices[:, 1].max() == 1.0
    assert third.get_ylim()[0] < -1
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["first", "A1", "A2", "sum"]
    for axes in figure.axes:
        assert any(np.array_equal(line.get_ydata(), np.ones(50)) for line in axes.lines)
