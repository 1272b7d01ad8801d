"""Every feature is named, and no name covers another."""

import numpy as np
from matplotlib.text import Text

from preflare.figures import if_and_when, style


def test_all_are_named_and_what_is_marked_is_coloured() -> None:
    area = np.array([[0.8, 0.7, 0.9], [0.5, 0.4, 0.6], [np.nan] * 3])
    tau = np.array([[0.1, -0.1, 0.3], [0.0, -0.1, 0.1], [np.nan] * 3])
    (axes,) = if_and_when.draw(["triplet", "width", "gone"], area, tau, np.array([True, False, True]), "").axes
    assert {text.get_text(): text.get_color() for text in axes.texts} == {"triplet": style.RED, "width": style.QUIET}
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [point.get_color() for point in points] == [style.RED, style.QUIET]


def test_names_do_not_overlap_where_points_crowd() -> None:
    stream = np.random.default_rng(1)
    count = 10
    area, tau = stream.normal(0.7, 0.06, (count, 1)), stream.normal(0, 0.04, (count, 1))
    spread = np.array([0, -0.15, 0.15])
    names = [f"a feature {number}" for number in range(count)]
    (axes,) = if_and_when.draw(names, area + spread, tau + spread, np.zeros(count, bool), "").axes
    with style.applied():
        axes.figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # without their arrows
    dots = axes.transData.transform(np.hstack([area, tau]))
    for number, text in enumerate(axes.texts):
        box, mine = boxes[number], names.index(text.get_text())
        far = np.linalg.norm(np.clip(dots, [box.x0, box.y0], [box.x1, box.y1]) - dots, axis=1)
        assert text.arrow_patch is not None or far.argmin() == mine  # led to its point, or nearest to it
    assert len(boxes) == count
    for number, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[number + 1 :])
