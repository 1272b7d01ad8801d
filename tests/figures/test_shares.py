"""Groups stand side by side, in percent."""

import numpy as np

from preflare.figures import shares


def test_points_and_intervals() -> None:
    one = np.array([[0.2, 0.1, 0.3], [0.5, 0.4, 0.6]])
    figure = shares.draw(["down", "up"], {"PF": one, "AR": one / 2}, "spectra (%)", "a note")
    (axes,) = figure.axes
    assert [line.get_xdata().tolist() for line in axes.lines] == [[20.0, 50.0], [10.0, 25.0]]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["down", "up"]
    np.testing.assert_allclose(axes.collections[0].get_segments()[1][:, 0], [40, 60])
