"""Images at their extents with the slit on them; the curve only where it is known."""

import numpy as np

from preflare.figures import context
from preflare.figures.context import View
from preflare.figures.xrays import Curve

SLITS = [np.array([[1.0, 0.0], [1.2, 10.0]]), np.array([[3.0, 0.0], [3.2, 10.0]])]


def test_views_and_slits() -> None:
    image = np.arange(20.0).reshape(5, 4)
    image[0, 0] = np.nan
    figure = context.draw("name", None, [View("SJI", image, (0, 4, 0, 10), (0, 19))], SLITS, {}, "")
    (axes,) = figure.axes
    assert axes.images[0].get_extent() == [0, 4, 0, 10] or axes.images[0].get_extent() == (0, 4, 0, 10)
    assert axes.images[0].origin == "lower"
    shown = axes.images[0].get_array()
    assert np.ma.getmaskarray(np.ma.masked_invalid(shown)).sum() == 1
    assert (np.diff(np.asarray(shown)[1:].ravel()) >= 0).all(), "brighter is brighter"
    for line, ends in zip(axes.lines, SLITS, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), ends)


def test_a_curve_comes_first() -> None:
    time = np.arange(10.0)
    curve = Curve("name", time, np.full(10, 1e-6), (1.0, 5.0), 6.0)
    views = [View(str(n), np.full((3, 3), np.nan), (0, 1, 0, 1), (0, 1)) for n in range(2)]
    figure = context.draw("name", curve, views, SLITS, {"M": 1e-5}, "simulated data")
    assert [len(axes.images) for axes in figure.axes] == [0, 1, 1]
    assert figure.axes[0].get_title(loc="left") == "name" and figure.get_suptitle() == "simulated data"
