"""The sum that is written is the answer that is drawn."""

import numpy as np

from preflare.figures import convolution, style


def test_the_kernel_stands_where_its_answer_is() -> None:
    spectrum = np.array([0.1, 0.2, 0.5, 0.9, 0.6, 0.3])
    answer = spectrum[2:] - spectrum[:-2]
    figure = convolution.draw(spectrum, (-1, 0, 1), answer, np.clip(answer, 0, None), 1, "the simulated Sun")
    above, middle, below = figure.axes
    assert [line.get_xdata().tolist() for line in above.lines][1] == [1, 2, 3]
    assert middle.get_title(loc="left") == "\N{MINUS SIGN}1 · 0.20 + 0 · 0.50 + 1 · 0.90 = 0.70"
    red = [bar for bar in middle.patches if bar.get_facecolor()[:3] == (0xD5 / 255, 0x5E / 255, 0)]
    assert style.RED == "#d55e00" and [(bar.get_center()[0], bar.get_height()) for bar in red] == [(2, answer[1])]
    assert [bar.get_height() for bar in below.patches[:4]] == np.clip(answer, 0, None).tolist()
