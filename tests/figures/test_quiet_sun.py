"""The figure shows shares that add up, thresholds where they are, and the examples it is given."""

import numpy as np

from preflare.figures import quiet_sun


def test_distributions_thresholds_and_examples() -> None:
    random = np.random.default_rng(0)
    errors = {
        "quiet Sun": random.lognormal(size=500),
        "AR": random.lognormal(1, size=90),
        "PF": np.array([5.0, np.nan]),
    }
    spectra = random.random((4, 6))
    thresholds = {"own": 1.0, "far": 1e9}
    titles = ["a", "b", "c", "d"]
    figure = quiet_sun.draw(np.arange(6.0), errors, thresholds, spectra, spectra / 2, titles, "simulated")
    above, *panels = figure.axes
    everything = np.concatenate([values[np.isfinite(values)] for values in errors.values()])
    bins = np.geomspace(everything.min(), everything.max() * 1.001, 60)
    highest = [patch.get_xy()[:, 1].max() for patch in above.patches]
    expected = [100 * np.histogram(values, bins)[0].max() / len(values) for values in errors.values()]
    np.testing.assert_allclose(sorted(highest), sorted(expected))
    assert [line.get_xdata()[0] for line in above.lines] == [1.0], "one that lies outside is not drawn"
    assert [text.get_text() for text in above.texts] == ["own", "not in this range: far (1e+09)"]
    assert all(panel.get_legend() is None for panel in panels), "it would lie over a spectrum"
    for panel, spectrum, title in zip(panels, spectra, titles, strict=True):
        np.testing.assert_array_equal(panel.lines[0].get_ydata(), spectrum)
        np.testing.assert_array_equal(panel.lines[1].get_ydata(), spectrum / 2)
        assert panel.get_title() == title
    assert figure.get_suptitle() == "simulated"


def test_names_of_close_thresholds_do_not_lie_over_each_other() -> None:
    errors = {"quiet Sun": np.geomspace(0.01, 10, 50)}
    spectra = np.ones((1, 6))
    thresholds = {"weak": 0.5, "medium": 0.55, "own": 0.45, "strong": 4.0}
    figure = quiet_sun.draw(np.arange(6.0), errors, thresholds, spectra, spectra, ["a"], "")
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 4
    assert not any(one.overlaps(other) for at, one in enumerate(boxes) for other in boxes[:at])
