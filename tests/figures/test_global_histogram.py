"""Bars are the weights; what no network sees is shaded."""

import numpy as np
import pytest

from preflare.figures import global_histogram


def test_bars_spectra_and_marks() -> None:
    wavelength, weight = np.linspace(10, 20, 50), np.zeros(50)
    weight[7] = 0.4
    unseen = np.arange(50) >= 48
    flat = np.full(50, 0.5)
    figure = global_histogram.draw(
        wavelength,
        weight,
        {"PF": flat, "AR": 2 * flat},
        {"bright": flat, "faint": flat},
        {"k": 12.0},
        {},
        unseen,
        "a note",
    )
    top, bottom, twin = figure.axes
    heights = [bar.get_height() for bar in top.patches if bar.get_height() > 1]
    assert heights == pytest.approx([40.0])
    assert [line.get_label() for line in twin.lines] == ["PF", "AR"]
    assert [line.get_label() for line in bottom.lines[:2]] == ["bright", "faint"]
    assert [text.get_text() for text in top.texts] == ["k"]
    assert global_histogram._runs(unseen) == [(48, 49)]
    assert global_histogram._runs(np.array([True, False, True])) == [(0, 0), (2, 2)]
