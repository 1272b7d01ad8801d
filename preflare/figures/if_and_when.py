"""What features say: whether a flare comes, against when it comes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from preflare.figures import style

# Where a name may stand about its point, the best first: shift in points, and which end of it is there.
SIDES = (
    (4, 2, "left", "bottom"),
    (4, -2, "left", "top"),
    (-4, 2, "right", "bottom"),
    (-4, -2, "right", "top"),
    (0, 5, "center", "bottom"),
    (0, -5, "center", "top"),
)
# How much farther from its point a name may go, where it would cover another.
FARTHER = (1, 3, 5, 8, 11)


def draw(names: Sequence[str], area: np.ndarray, tau: np.ndarray, marks: np.ndarray, note: str) -> Figure:
    """A point for each feature with its intervals and its name; those marked are coloured.

    area, tau: (feature, 3): value, low, high. marks: (feature,) bool. note: for the corner; "" for none.
    """
    with style.applied():
        figure = Figure(figsize=(style.COLUMN, 3.7), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0.5, color=style.GREY, linewidth=0.8)
        axes.axhline(0, color=style.GREY, linewidth=0.8)
        there = np.flatnonzero(np.isfinite(area[:, 0]) & np.isfinite(tau[:, 0]))
        colours = [style.RED if marked else style.QUIET for marked in marks]
        for place in there.tolist():
            (x, left, right), (y, low, high) = area[place], tau[place]
            axes.plot([left, right], [y, y], color=colours[place], linewidth=0.6, alpha=0.4)
            axes.plot([x, x], [low, high], color=colours[place], linewidth=0.6, alpha=0.4)
            axes.plot(x, y, "o", color=colours[place], markersize=3.5, zorder=3)
        axes.set_xlabel("if: probability that PF is above AR (0.5: chance)")
        axes.set_ylabel("when: mean tau on the way to the flare")
        if note:
            style.note(figure, note)
        figure.draw_without_rendering()  # names are set out in the final axes
        _name(axes, {names[place]: (area[place, 0], tau[place, 0], colours[place]) for place in there.tolist()})
    return figure


def _name(axes: Axes, points: dict[str, tuple[float, float, str]]) -> None:
    """Each name beside its point, where it covers neither another name nor a point."""
    dots = axes.transData.transform([(x, y) for x, y, _ in points.values()]) if points else np.empty((0, 2))
    scale = axes.figure.dpi / 72
    taken: list[tuple[float, float, float, float]] = []
    frame = axes.bbox

    def cost(box: tuple[float, float, float, float]) -> float:
        left, bottom, right, top = box
        over = sum(
            max(0.0, min(right, other[2]) - max(left, other[0])) * max(0.0, min(top, other[3]) - max(bottom, other[1]))
            for other in taken
        )
        near = 1.2 * scale
        inside = ((dots > (left - near, bottom - near)) & (dots < (right + near, top + near))).all(axis=1).sum()
        beyond = max(0.0, left - frame.x1, right - frame.x1, frame.x0 - left, top - frame.y1, frame.y0 - bottom)
        return over + 100 * float(inside) + 100 * beyond

    def away(box: tuple[float, float, float, float]) -> np.ndarray:
        """From each dot to the box, (dot,)."""
        low, high = np.array(box[:2]), np.array(box[2:])
        far: np.ndarray = np.linalg.norm(np.maximum(np.maximum(low - dots, dots - high), 0), axis=1)
        return far

    # From the right to the left: names stand to the right of their points where they can.
    order = {name: place for place, name in enumerate(points)}
    for name, (x, y, colour) in sorted(points.items(), key=lambda item: -item[1][0]):
        measured = axes.annotate(name, (x, y), fontsize=style.SMALL)
        extent = measured.get_window_extent()
        measured.remove()
        wide, tall = extent.width + 4 * scale, extent.height
        best, lowest = SIDES[0], np.inf
        at = axes.transData.transform((x, y))
        for farther in FARTHER:
            for across, up, side, end in SIDES:
                shift = (across * farther, up * farther)
                left = at[0] + shift[0] * scale - {"left": 0, "center": wide / 2, "right": wide}[side]
                bottom = at[1] + shift[1] * scale - {"bottom": 0, "top": tall}[end]
                place = (left, bottom, left + wide, bottom + tall)
                # A name that stands nearer to another point, or nearly so, is taken for that one's.
                theirs = np.delete(away(place), order[name])
                doubtful = bool((theirs < away(place)[order[name]] + 4 * scale).any())
                found = cost(place) + farther + 20 * doubtful
                if found < lowest:
                    best, lowest, box, led = (*shift, side, end), found, place, doubtful or farther > FARTHER[0]
        taken.append(box)
        text = axes.annotate(
            name,
            (x, y),
            best[:2],
            textcoords="offset points",
            fontsize=style.SMALL,
            color=colour,
            ha=best[2],
            va=best[3],
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 2}
            if led
            else None,
        )
        text.set_path_effects([withStroke(linewidth=1.5, foreground="white")])
