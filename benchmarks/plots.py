"""Two plots of the results: size against Shannon's limit by photon rate, and speed against size.

    python benchmarks/plots.py FOLDER

draws them again from the storage.json in a folder.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from labels import place, spread
from measurement import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

OURS, DENSE, BLOSC, IMAGES, GENERAL = "#c2255c", "#6d1a8c", "#c77700", "#1f7a70", "#7a7f87"
COLOURS = {
    "<photon_dense@>": DENSE,
    "<photon@>": OURS,
    "JPEG XL": IMAGES,
    "JPEG XL, effort 1": IMAGES,
    "JPEG XL, effort 9": IMAGES,
    "JPEG-LS": IMAGES,
    "JPEG 2000": IMAGES,
    "HTJ2K": IMAGES,
    "Zarr, Blosc Zstd 5 bit shuffle": BLOSC,
    "Blosc2 b2nd, Zstd 5 bit shuffle": BLOSC,
    "HDF5, Blosc2 Zstd bit shuffle": BLOSC,
    "pcodec": BLOSC,
    "pcodec, by pixel": BLOSC,
}
SHORT = {
    "Zarr, Blosc Zstd 5 bit shuffle": "Zarr, bit shuffle",
    "Blosc2 b2nd, Zstd 5 bit shuffle": "b2nd, bit shuffle",
    "HDF5, Blosc2 Zstd bit shuffle": "HDF5, Blosc2",
    "Zarr of transformed float64": "Zarr of float64",
    "Zarr, its default": "Zarr's default",
    "Zarr, Blosc Zstd 5 shuffle": "Zarr, byte shuffle",
}
SIZES = {"Zarr, Blosc Zstd 5 bit shuffle": "Zarr/HDF5/b2nd, bit shuffle"}
ALIKE = {"Blosc2 b2nd, Zstd 5 bit shuffle", "HDF5, Blosc2 Zstd bit shuffle"}  # as Zarr's in size
LARGEST = 2.6  # times Shannon's limit; what is larger is named at the edge
SPEED_RATE = 10.0  # photons, of the movie whose speeds are drawn, or the nearest
TICKS = [1, 1.05, 1.1, 1.2, 1.3, 1.5, 1.75, 2, 2.5]
SPEEDS = [2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]
GRID = "#e8e8e8"
CAPTION = "better is up and to the left"
CORNER: dict[str, Any] = {
    "ha": "right",
    "va": "top",
    "fontsize": 9.5,
    "color": GENERAL,
    "style": "italic",
}
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
}


class Point(NamedTuple):
    """A way, the photons of a movie, and its size there as a multiple of the limit."""

    way: str
    rate: float
    size: float
    result: Result


def plot(results: Sequence[Result], *, folder: Path) -> None:
    """Draw what was found for simulated movies of counts, without ways that changed them."""
    try:
        import matplotlib as mpl  # noqa: PLC0415, as the tables do without it
    except ModuleNotFoundError:
        print("No plots: there is no matplotlib", file=sys.stderr)
        return
    mpl.use("Agg")
    drawn = [
        Point(each.way, each.rate, each.over_limit, each)
        for each in results
        if each.rate and each.over_limit and each.step is None
    ]
    if drawn:
        with mpl.rc_context(STYLE):
            plot_sizes(drawn, folder / "storage-size.png")
            plot_speeds(drawn, folder / "storage-speed.png")


def plot_sizes(points: Sequence[Point], file: Path) -> None:
    """Draw the size of each way, as a multiple of Shannon's limit, against the photon rate."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(9, 5.4), layout="constrained")
    ends: dict[str, float] = {}
    beyond = []
    for way in dict.fromkeys(each.way for each in points if each.way not in ALIKE):
        found = [each for each in points if each.way == way]
        sizes = [each.size for each in found]
        if min(sizes) > LARGEST:
            beyond.append(_beyond(way, sizes))
            continue
        ours = way.startswith("<photon")
        axes.plot(
            [each.rate for each in found],
            sizes,
            color=_colour(way),
            linewidth=2.8 if ours else 1.3,
            marker="o",
            markersize=6 if ours else 3.5,
            zorder=3 if ours else 2,
        )
        ends[way] = sizes[-1]
    rates = sorted({each.rate for each in points})
    _size_axis(axes, which="y")
    axes.set(xscale="log", xlabel="mean photons per pixel and frame", xlim=(None, rates[-1] * 1.15))
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.minorticks_off()
    axes.set_title("Size of a stored movie, as a multiple of Shannon's limit", pad=12)
    axes.axhline(1, color="black", linewidth=1.5)
    axes.annotate(
        "Shannon's limit: nothing can be smaller",
        (rates[0], 1),
        (-4, -13),
        textcoords="offset points",
        fontsize=9.5,
    )
    axes.text(0.99, 0.99, "\n".join(beyond), transform=axes.transAxes, **CORNER)
    spread(axes, ends, x=rates[-1], words=lambda way: SIZES.get(way, _words(way)), colour=_colour)
    _save(figure, file)


def plot_speeds(points: Sequence[Point], file: Path) -> None:
    """Draw the speed of writing and of reading against the size, of one movie."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    rate = min((each.rate for each in points), key=lambda found: abs(found - SPEED_RATE))
    points = [each for each in points if each.rate == rate]
    figure, panels = plt.subplots(2, 1, figsize=(9, 9), sharex=True, layout="constrained")
    titles = {"write": "Writing", "read_transformed": "Reading as transformed float64"}
    for axes, (path, title) in zip(panels, titles.items(), strict=True):
        _size_axis(axes, which="x")
        speeds = [each.result.speed(path) for each in points]
        axes.set_yscale("log")
        axes.set_ylabel("megabytes of counts per second")
        axes.text(0.99, 0.02, CAPTION, transform=axes.transAxes, **(CORNER | {"va": "bottom"}))
        axes.set_title(f"{title}, {rate:g} photons per pixel")
        axes.set_yticks(SPEEDS, map(str, SPEEDS))
        axes.minorticks_off()
        axes.set_ylim(min(speeds) / 1.6, max(speeds) * 1.6)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.axvline(1, color="black", linewidth=1.5)
        _scatter(axes, points, path)
    panels[-1].set_xlabel("size, as a multiple of Shannon's limit")
    _save(figure, file)


def _scatter(axes: Any, points: Sequence[Point], path: str) -> None:
    places = {each.way: (min(each.size, LARGEST), each.result.speed(path)) for each in points}
    for way, _, size, _ in points:
        axes.plot(
            *places[way],
            marker=">" if size > LARGEST else "o",
            color=_colour(way),
            markersize=11 if way.startswith("<photon") else 7,
            clip_on=False,
            zorder=4,
        )
    names = {
        way: _words(way) + (f" ({size:.1f})" if size > LARGEST else "")
        for way, _, size, _ in points
    }
    place(axes, places, words=names, colour=_colour)


def _size_axis(axes: Any, *, which: str) -> None:
    getattr(axes, f"set_{which}scale")("function", functions=(_spaced, _unspaced))
    getattr(axes, f"set_{which}lim")(0.975, LARGEST)
    getattr(axes, f"set_{which}ticks")(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.grid(axis=which, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def _spaced(size: NDArray[Any]) -> NDArray[Any]:
    """Give more room to what is near the limit."""
    spaced: NDArray[Any] = np.log(np.maximum(size, 0.91) - 0.9)
    return spaced


def _unspaced(spaced: NDArray[Any]) -> NDArray[Any]:
    size: NDArray[Any] = np.exp(spaced) + 0.9
    return size


def _beyond(way: str, sizes: Sequence[float]) -> str:
    return f"{_words(way)}: {min(sizes):.0f} to {max(sizes):.0f} times, above the plot"


def _colour(way: str) -> str:
    return COLOURS.get(way, GENERAL)


def _words(way: str) -> str:
    return SHORT.get(way, way)


def _save(figure: Any, file: Path) -> None:
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure.savefig(file, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    stored = json.loads((directory / "storage.json").read_text())
    plot([Result(**each) for each in stored["results"]], folder=directory)
