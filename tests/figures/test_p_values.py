"""The share of p-values as small, against them."""

import numpy as np

from preflare.figures import p_values


def test_a_step_at_every_p() -> None:
    figure = p_values.draw({"few": np.array([0.5, 0.02, 1.0]), "many": np.linspace(0.01, 1, 100)}, 0.05, "a note")
    (axes,) = figure.axes
    chance, _, _, few, many = axes.lines
    assert few.get_xdata().tolist() == [0.02, 0.5, 1.0]
    np.testing.assert_allclose(few.get_ydata(), [1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(many.get_ydata(), many.get_xdata())
    assert (few.get_label(), many.get_label()) == ("few (3)", "many (100)")
    np.testing.assert_array_equal(chance.get_xdata(), chance.get_ydata())
    assert axes.get_xscale() == axes.get_yscale() == "log"
