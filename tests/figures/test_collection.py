"""Rows with and without X-rays, with and without an image."""

import numpy as np

from preflare.figures.collection import Collected, draw
from preflare.figures.context import View
from preflare.figures.xrays import Curve


def test_a_row_shows_what_is_known() -> None:
    corners = np.array([[-0.5, -1.0], [-0.5, 1.0], [0.5, 1.0], [0.5, -1.0]])
    cells = np.stack([np.arange(6.0), np.arange(6.0) * 2], axis=1)[:, None] + corners
    curve = Curve("PF", np.arange(60.0), np.full(60, 1e-6), (5, 30), 31)
    view = View("1400", np.ones((4, 5)), (0, 5, 0, 12), (0, 2))
    known = Collected("PF_1", curve, 4.0, cells, np.arange(6.0), view)
    bare = Collected("AR_1", None, 1.0, cells, np.arange(6.0), None)
    figure = draw([known, bare], {"M": 1e-5}, "the simulated Sun")
    left, right, empty, other = figure.axes[:4]
    bar = (
        left.lines[-1] if left.lines[-1].get_linewidth() == 4 else next(x for x in left.lines if x.get_linewidth() == 4)
    )
    np.testing.assert_allclose(bar.get_xdata(), [5, 9])
    assert len(right.images) == 1
    assert not other.images
    drawn = [path.vertices[:4] for path in other.collections[0].get_paths()]
    np.testing.assert_array_equal(drawn, cells)
    # Without an image the axes end with the raster.
    assert (*other.get_xlim(), *other.get_ylim()) == (-0.5, 5.5, -1, 11)
    assert right.get_ylim() == (0, 12)
    assert not empty.axison


def test_other_images_are_beside_it() -> None:
    cells = np.array([[-0.5, -1.0], [-0.5, 1.0], [0.5, 1.0], [0.5, -1.0]]) + np.array([[[2.0, 3.0]], [[3.0, 5.0]]])
    view, aia = (View(title, np.ones((4, 5)), (0, 5, 0, 12), (0, 2)) for title in ("1400", "AIA 171"))
    both = Collected("PF_1", None, 1.0, cells, np.arange(2.0), view, [aia])
    figure = draw([both, Collected("AR_1", None, 1.0, cells, np.arange(2.0), view)], {}, "")
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.images] == ["1400", "AIA 171", "1400"]
    assert [axes.axison for axes in figure.axes[:6]] == [False, True, True, False, True, False]
    # Beside it the raster's places alone, which leave the image to be seen.
    np.testing.assert_array_equal(figure.axes[2].collections[-1].get_offsets(), [[2, 3], [3, 5]])
