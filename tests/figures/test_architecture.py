"""A bar for each channel, a text for each layer."""

from preflare.figures.architecture import LOOKS, Stage, draw


def test_stages_are_drawn_to_scale() -> None:
    stages = [Stage(1, 100, ""), Stage(2, 25, "Conv1d\n10 weights", "sliding"), Stage(9, 4, "Conv1d", "sliding")]
    stages.append(Stage(1, 2, "Linear", "dense"))
    figure = draw([("a network", stages), ("another", stages[:2])])
    first, second = figure.axes
    assert len(first.patches) == 1 + 2 + 6 + 1  # of nine channels six are shown
    assert len(second.patches) == 3
    tall, half = first.patches[0].get_height(), first.patches[1].get_height()
    assert tall == 1.0
    assert abs(half - (0.06 + 0.94 * 0.5)) < 1e-9
    texts = [text.get_text() for text in first.texts]
    assert {"100", "2 × 25", "9 × 4", "2", "Conv1d\n10 weights"} <= set(texts)
    assert first.get_title(loc="left") == "a network"
    # A convolution and a dense layer look apart, and the legend names those that are there.
    assert first.patches[1].get_hatch() != first.patches[-1].get_hatch()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        LOOKS[kind][3] for kind in ("input", "sliding", "dense")
    ]
