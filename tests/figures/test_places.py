"""Pixels where there are values, an image behind."""

import numpy as np

from preflare.figures import places
from preflare.figures.context import View


def test_pixels_are_where_values_are() -> None:
    corners = np.array([[-0.5, -1.0], [-0.5, 1.0], [0.5, 1.0], [0.5, -1.0]])
    where = np.stack([np.arange(5.0), 2 * np.arange(5.0)], axis=1)[:, None] + corners
    score = np.array([0.1, 0.2, np.nan, 0.4, 0.5])
    said = np.array([-1.0, 0.5, np.nan, 2.0, 0.0])
    view = View("1400", np.ones((4, 5)), (0, 5, 0, 10), (0, 2))
    figure = places.draw(where, {"score": score, "attribution": said}, view, "the simulated Sun")
    left, right = figure.axes[:2]
    drawn = [path.vertices[:4] for path in left.collections[0].get_paths()]
    np.testing.assert_array_equal(drawn, where[[0, 1, 3, 4]])
    assert left.collections[0].get_clim() == (0, 0.5)
    assert right.collections[0].get_clim() == (-2, 2)
    assert len(left.images) == len(right.images) == 1
    bare = places.draw(where, {"score": np.full(5, np.nan)}, None, "").axes[0]
    assert not bare.images and bare.patch.get_hatch()
    assert (*bare.get_xlim(), *bare.get_ylim()) == (-0.5, 4.5, -1, 9)


def test_pixels_at_one_place_are_drawn_all_the_same() -> None:
    figure = places.draw(np.zeros((3, 4, 2)), {"score": np.array([0.1, 0.2, 0.4])}, None, "")
    assert len(figure.axes[0].collections[0].get_paths()) == 3


def test_labels_of_a_narrow_field_stand_apart() -> None:
    view = View("SJI 2796", np.ones((80, 13)), (137, 163, 220, 380), (0, 2))
    corners = 150 + np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [1.0, -1.0]])
    figure = places.draw(corners[None], {"score": np.ones(1), "attribution": np.ones(1)}, view, "")
    figure.draw_without_rendering()
    for axes in figure.axes[:2]:
        shown = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        inside = [box for box in shown if axes.bbox.x0 - 5 < (box.x0 + box.x1) / 2 < axes.bbox.x1 + 5]
        assert len(inside) > 1
        assert all(one.x1 < other.x0 for one, other in zip(inside, inside[1:], strict=False))
