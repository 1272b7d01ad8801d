"""Each curve in its panel, its window grey, its onset red, only the classes that fit."""

import numpy as np

from preflare.figures import style, xrays
from preflare.figures.xrays import Curve

TIME = np.arange(0.0, 60.0)
CLASSES = {"X": 1e-4, "M": 1e-5, "A": 1e-8}


def test_panels() -> None:
    flux = 1e-6 * (1 + TIME)
    curves = [Curve("PF", TIME, flux, (5.0, 30.0), 31.0, (12.0,)), Curve("AR", TIME, flux, (0.0, 25.0), np.nan)]
    curves += [curves[1]] * 5
    figure = xrays.draw(curves, CLASSES, "")
    pf, ar, *_ = figure.axes
    assert sum(axes.axison for axes in figure.axes) == 7 and len(figure.axes) == 10
    window = pf.patches[0].get_extents().transformed(pf.transData.inverted())
    np.testing.assert_allclose([window.x0, window.x1], [5, 30])
    upright = {line.get_color(): line.get_xdata()[0] for line in pf.lines if len(set(line.get_xdata())) == 1}
    assert upright == {style.RED: 31.0, style.BLUE: 12.0}
    np.testing.assert_array_equal(next(line for line in pf.lines if len(line.get_xdata()) == 60).get_ydata(), flux)
    assert [text.get_text() for text in pf.texts] == ["X", "M"]
    assert not [line for line in ar.lines if line.get_color() == style.RED]
