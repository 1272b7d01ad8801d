"""The distribution shows every run, and the quartiles that NumPy gives."""

import numpy as np

from preflare.figures import distribution, style

TSS = np.array([0.1, 0.5, np.nan, 0.3, 0.9, -0.2])


def test_every_run_is_a_dot_and_the_box_is_numpys() -> None:
    axes = distribution.draw({"TSS": TSS}, (-1, 1), "").axes[0]
    dots = next(line for line in axes.lines if line.get_marker() == "o")
    defined = np.sort(TSS[np.isfinite(TSS)])
    np.testing.assert_array_equal(dots.get_ydata(), defined)
    box = axes.patches[0].get_path().vertices[:, 1]
    np.testing.assert_allclose([box.min(), box.max()], np.quantile(defined, [0.25, 0.75]))
    median = next(line for line in axes.lines if line.get_color() == style.RED)
    np.testing.assert_allclose(median.get_ydata(), np.median(defined))
    assert axes.get_ylim() == (-1, 1)


def test_runs_without_a_score_are_counted() -> None:
    axes = distribution.draw({"TSS": TSS, "HSS": TSS[:2]}, (-1, 1), "the simulated Sun").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["TSS\n(1 undefined)", "HSS"]
    assert axes.figure.get_suptitle() == "the simulated Sun"


def test_the_chosen_run_has_a_cross() -> None:
    axes = distribution.draw({"TSS": TSS, "HSS": TSS}, (-1, 1), "", {"HSS": 0.5}, "skill").axes[0]
    (cross,) = [line for line in axes.lines if line.get_marker() == "X"]
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (1, 0.5)
    assert axes.get_ylabel() == "skill"


def test_what_spreads_more_widely_has_an_axis_of_its_own() -> None:
    figure = distribution.draw({"TSS": TSS + 5}, (4, 7), "", beside={"of partitions": 100 * TSS})
    first, second = figure.axes
    assert first.get_ylim() == (4, 7) and second.get_ylim()[1] > 80
    assert second.get_xticklabels()[0].get_text().startswith("of partitions")
