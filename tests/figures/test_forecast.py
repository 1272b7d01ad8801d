"""What was given is what is drawn."""

import numpy as np
import pytest

from preflare.figures.forecast import Watch, draw


def watch(count: int = 6, alarms: tuple[float, float] = (3.0, np.nan), onset: float = 5.0) -> Watch:
    minutes = np.arange(float(count))
    score = np.linspace(0.2, 0.8, count)
    slit = {
        ("mean score", "score"): np.full((4, count), 0.5),
        ("mean attribution", "log-odds"): np.linspace(-1, 1, 4 * count).reshape(4, count),
    }
    along = np.array([0.0, 2.0, 4.0, 6.0])
    return Watch(minutes, score, score - 0.1, score + 0.1, score - 0.5, 0.7, 0.2, alarms, onset, along, slit)


def test_alarms_and_the_flare_are_marked() -> None:
    figure = draw(watch(), "the simulated Sun")
    top, rise, first, second = figure.axes[:4]
    np.testing.assert_allclose(top.lines[0].get_ydata(), np.linspace(0.2, 0.8, 6))
    assert [line.get_xdata()[0] for line in rise.lines if line.get_label() == "alarm by the rise"] == [3.0]
    assert not [line for line in top.lines if "alarm" in str(line.get_label())]
    named = [text.get_text() for axes in (top, rise) for text in axes.get_legend().get_texts()]
    assert len(named) == len(set(named)), "no two marks have one name"
    assert (first.get_ylim(), first.get_ylabel()) == ((-1, 7), "arcsec along the slit")
    assert first.patch.get_hatch() and first.patch.get_hatch() == second.patch.get_hatch()
    assert all(any(np.allclose(line.get_xdata(), 5.0) for line in axes.lines) for axes in (top, rise, first, second))
    assert first.collections[0].get_array().size == 24
    assert second.collections[0].get_clim() == (-1, 1)
    assert figure.get_suptitle() == "the simulated Sun"


@pytest.mark.parametrize("count", [1, 2])
def test_few_rasters_can_be_drawn(count: int) -> None:
    figure = draw(watch(count, (np.nan, np.nan), np.nan), "")
    low, high = figure.axes[0].get_xlim()
    assert low < 0 < high
