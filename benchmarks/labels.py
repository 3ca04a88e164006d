"""Names beside the lines and points of a plot, where they hide nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GAP = 15  # pixels between the lines of a column of names
OFFSETS = [  # in points, and which side of the name lies there, the best first
    *[(9, 0, "left", "center"), (-9, 0, "right", "center")],
    *[(0, 9, "center", "bottom"), (0, -9, "center", "top")],
    *[(8, 7, "left", "bottom"), (8, -7, "left", "top")],
    *[(-8, 7, "right", "bottom"), (-8, -7, "right", "top")],
    *[(16, 20, "left", "bottom"), (16, -20, "left", "top")],
    *[(-16, 20, "right", "bottom"), (-16, -20, "right", "top")],
    *[(22, 34, "left", "bottom"), (22, -34, "left", "top")],
]


def spread(
    axes: Any,
    ends: Mapping[str, float],
    *,
    x: float,
    words: Callable[[str], str],
    colour: Callable[[str], str],
) -> None:
    """Write the names of lines in a column to the right of their ends, apart from each other."""
    ordered = sorted(ends, key=lambda name: ends[name])
    wanted = [axes.transData.transform((x, ends[name]))[1] for name in ordered]
    for name, end, height in zip(ordered, wanted, _apart(wanted), strict=True):
        axes.annotate(
            words(name),
            (x, ends[name]),
            (26, (height - end) * 72 / axes.figure.dpi),
            textcoords="offset points",
            va="center",
            color=colour(name),
            fontweight="bold" if name.startswith("<photon") else "normal",
            arrowprops={"arrowstyle": "-", "color": colour(name), "linewidth": 0.6, "shrinkB": 4},
            annotation_clip=False,
        )


def place(
    axes: Any,
    points: Mapping[str, tuple[float, float]],
    *,
    words: Mapping[str, str],
    colour: Callable[[str], str],
) -> None:
    """Write the names of points where each covers the fewest other points and names."""
    axes.figure.canvas.draw()
    taken = [_around(axes, point) for point in points.values()]
    for name, point in sorted(points.items(), key=lambda each: -each[1][1]):
        tries = [_annotate(axes, point, words[name], colour(name), *how) for how in OFFSETS]
        boxes = [_box(label) for label in tries]
        costs = [_cost(axes, box, taken) for box in boxes]
        best = int(np.argmin(costs))
        taken.append(boxes[best])
        for number, label in enumerate(tries):
            if number != best:
                label.remove()


def _apart(heights: list[float]) -> list[float]:
    """Move rising heights up and down until neighbours are a gap apart."""
    moved = list(heights)
    for _ in range(1000):
        for low in range(len(moved) - 1):
            missing = GAP * 1.1 - (moved[low + 1] - moved[low])
            if missing > 0:
                moved[low] -= missing / 2
                moved[low + 1] += missing / 2
    return moved


def _annotate(
    axes: Any, point: tuple[float, float], text: str, colour: str, dx: float, dy: float, *sides: str
) -> Any:
    horizontal, vertical = sides
    far = abs(dy) > 10
    return axes.annotate(
        text,
        point,
        (dx, dy),
        textcoords="offset points",
        ha=horizontal,
        va=vertical,
        color=colour,
        fontsize=10,
        fontweight="bold" if text.startswith("<photon") else "normal",
        arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6} if far else None,
        annotation_clip=False,
    )


def _around(axes: Any, point: tuple[float, float]) -> tuple[float, float, float, float]:
    x, y = axes.transData.transform(point)
    return x - 7, y - 7, x + 7, y + 7


def _box(label: Any) -> tuple[float, float, float, float]:
    label.update_positions(label.figure.canvas.get_renderer())
    extent = super(type(label), label).get_window_extent()
    return extent.x0 - 2, extent.y0 - 1, extent.x1 + 2, extent.y1 + 1


def _cost(
    axes: Any,
    box: tuple[float, float, float, float],
    taken: list[tuple[float, float, float, float]],
) -> float:
    """Return the covered area, and much for leaving the axes to the left, above or below."""
    covered = 0.0
    for other in taken:
        width = min(box[2], other[2]) - max(box[0], other[0])
        height = min(box[3], other[3]) - max(box[1], other[1])
        covered += max(width, 0) * max(height, 0)
    inside = axes.get_window_extent()
    leaves = box[0] < inside.x0 or box[1] < inside.y0 or box[3] > inside.y1
    right = box[2] > axes.figure.bbox.x1
    return covered + 1e4 * (int(leaves) + int(right))
