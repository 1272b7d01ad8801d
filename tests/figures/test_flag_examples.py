"""A panel for every example; what is left of a masked spectrum stays visible."""

import numpy as np
import pytest

from preflare.figures import flag_examples

WAVELENGTH = np.linspace(1, 2, 40)


def test_a_row_for_each_flag_and_a_panel_for_each_example() -> None:
    whole = np.random.default_rng(0).random((3, 40))
    few = np.full((1, 40), np.nan)
    few[0, :2] = 0.5, 1.0
    none = np.full((1, 40), np.nan)
    spectra = {"clean": whole, "MISSING": few, "ZERO_EXPOSURE": none}
    titles = {"clean": ["a", "b", "c"], "MISSING": ["d"], "ZERO_EXPOSURE": ["e"]}
    figure = flag_examples.draw(WAVELENGTH, spectra, titles, {"k": 1.5}, "simulated data")
    panels = np.reshape(figure.axes, (3, 3))
    for column in range(3):
        np.testing.assert_array_equal(panels[0, column].lines[0].get_ydata(), whole[column])
        assert panels[0, column].get_title() == titles["clean"][column]
    assert [axes.axison for axes in panels[1]] == [True, False, False]
    assert panels[0, 0].lines[0].get_linestyle() == "-" and panels[1, 0].lines[0].get_marker() == "."
    assert [text.get_text() for text in panels[2, 0].texts] == ["no point left"]
    assert [axes.get_ylabel() for axes in panels[:, 0]] == list(spectra)
    assert figure.get_suptitle() == "simulated data"
    assert figure.get_supylabel() == "spectrum / its maximum"


@pytest.mark.parametrize("limits", [(1333.1, 1336.8), (1399.5, 1403.8), (2794.14, 2805.72)])
def test_wavelengths_do_not_run_together(limits: tuple[float, float]) -> None:
    wavelength = np.linspace(*limits, 40)
    figure = flag_examples.draw(wavelength, {"clean": np.ones((4, 40))}, {"clean": ["a"] * 4}, {}, "")
    figure.draw_without_rendering()
    for axes in figure.axes:
        texts = [text for text in axes.get_xticklabels() if limits[0] <= text.get_position()[0] <= limits[1]]
        boxes = [text.get_window_extent() for text in texts if text.get_text()]
        assert len(boxes) >= 2
        assert all(one.x1 + 5 < other.x0 for one, other in zip(boxes, boxes[1:], strict=False))
