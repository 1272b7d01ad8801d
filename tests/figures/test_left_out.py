"""A row per observation, coloured by its class."""

import numpy as np
from matplotlib.colors import to_hex

from preflare.figures import left_out, style


def test_rows_stand_where_they_should() -> None:
    names = ["AR_1", "AR_2", "PF_1"]
    figure = left_out.draw(names, np.array([0.9, 0.2, 0.6]), np.array([0.4, 0.5, 0.3]), 0.42, "the simulated Sun")
    left, right = figure.axes
    assert [bar.get_width() for bar in left.patches] == [0.9, 0.2, 0.6]
    assert [to_hex(bar.get_facecolor()) for bar in left.patches] == [style.BLUE, style.BLUE, style.RED]
    assert [label.get_text() for label in left.get_yticklabels()] == names
    np.testing.assert_array_equal(right.collections[0].get_offsets(), [[0.4, 0], [0.5, 1], [0.3, 2]])
    assert right.get_xlabel() == "TSS of the others (all: 0.42)"
