"""A network as a row of its layers (paper Figs. 3 and A.1), to scale in length and channels."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from preflare.figures import style

# Height of the longest layer, and of the shortest, in units of the axes.
TALL, SHORT = 1.0, 0.06
# Channels that are drawn one behind the other; more are told by their number.
CHANNELS = 6
# What made a stage -> how it is filled, outlined and hatched, and how that is told.
LOOKS = {
    "input": (style.CELLS, style.INK, "", "the spectrum"),
    "sliding": (style.FEW, style.BLUE, "", "weights slide over few cells"),
    "pooling": ("white", style.BLUE, "....", "no weights"),
    "dense": (style.CELLS, style.RED, "////", "a weight for every cell"),
}


@dataclass(frozen=True)
class Stage:
    """What a spectrum has become: channels times length. above: the layer that made it, in lines. kind: of that layer,
    one of LOOKS."""

    channels: int
    length: int
    above: str
    kind: str = "input"


def draw(networks: Sequence[tuple[str, Sequence[Stage]]]) -> Figure:
    """A row for each network: its title, and its stages from the spectrum to the logits.

    A stage is a stack of bars, one a channel; heights go with the square root of the length.
    """
    widest = max(len(stages) for _, stages in networks)
    with style.applied():
        figure = Figure(figsize=(style.PAGE, 0.3 + 1.9 * len(networks)), layout="constrained")
        for axes, (title, stages) in zip(figure.subplots(len(networks), squeeze=False)[:, 0], networks, strict=True):
            longest = max(stage.length for stage in stages)
            for place, stage in enumerate(stages):
                height = SHORT + (TALL - SHORT) * (stage.length / longest) ** 0.5
                shown = min(stage.channels, CHANNELS)
                face, edge, hatch, _ = LOOKS[stage.kind]
                for channel in reversed(range(shown)):
                    shift = 0.07 * (channel - (shown - 1) / 2)
                    axes.add_patch(
                        Rectangle(
                            (place + shift - 0.05, -height / 2 + 0.6 * shift),
                            0.1,
                            height,
                            facecolor=face,
                            edgecolor=edge,
                            hatch=hatch,
                            linewidth=0.9,
                        )
                    )
                size = f"{stage.channels} × {stage.length}" if stage.channels > 1 else f"{stage.length}"
                axes.annotate(size, (place, -0.74), ha="center", va="top", fontsize=style.BODY)
                if place:
                    axes.annotate(
                        "",
                        (place - 0.3, 0),
                        (place - 0.7, 0),
                        arrowprops={"arrowstyle": "->", "color": style.GREY, "linewidth": 1.0},
                    )
                    axes.annotate(stage.above, (place - 0.5, 0.74), ha="center", va="bottom", fontsize=style.SMALL)
            axes.set_xlim(-0.5, widest - 0.5)
            axes.set_ylim(-0.95, 1.35)
            axes.set_title(title, loc="left")
            axes.set_axis_off()
        kinds = {stage.kind for _, stages in networks for stage in stages}
        handles = [
            Patch(facecolor=face, edgecolor=edge, hatch=hatch, label=text)
            for kind, (face, edge, hatch, text) in LOOKS.items()
            if kind in kinds
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure
