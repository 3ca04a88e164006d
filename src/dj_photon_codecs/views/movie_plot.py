"""The picture of a stored movie: mean image, trace, noise, histogram, and a verdict in words."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.arrays.photon_array import PhotonArray
from dj_photon_codecs.photons.inverses import generalized_inverse_anscombe
from dj_photon_codecs.photons.transform import generalized_anscombe

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

__all__ = ["Sample", "draw", "expected_variance", "verdict"]

RUNS = 8  # of consecutive frames in the sample, evenly spread
FRAMES = 50  # of a run, at most
VALUES = 1 << 22  # of a run, at most, but for two frames: 32 MB of float64
SHOWN = 1 << 17  # values of a run in the histogram
BINS = 24  # of pixels that are equally bright
DIM = 3.0  # photons, below which the noise of transformed counts is less than one
APART = 0.15  # by which the noise may differ from what is expected
CHANGING = 1.5  # times the expected noise
SEVERAL = 10  # that chance does not make none
FEWEST = 200  # differences of frames at a bin of pixels, for a point


@dataclass
class Sample:
    """What `draw` shows of a movie, from a few runs of its frames."""

    image: NDArray[Any]  # mean of the sampled frames, photons, (height, width)
    frames: list[range]
    traces: list[NDArray[Any]]  # mean of each frame of a run, photons
    values: NDArray[Any]  # some of all values, photons
    mean: NDArray[Any]  # of bins of pixels that are equally bright, photons
    variance: NDArray[Any]  # of their transformed noise, from differences of consecutive frames
    expected: NDArray[Any]  # the same of Poisson counts with the movie's read noise
    read: float  # variance of the read noise, photons squared

    @classmethod
    def of(cls, movie: PhotonArray) -> Sample:
        """Read a sample of a movie: up to eight runs of up to fifty frames, of a chunk each."""
        runs = _runs(movie)
        total, squares = np.zeros(movie.shape[1:]), np.zeros(movie.shape[1:])
        traces, values = [], []
        for run in runs:
            transformed = movie[run.start : run.stop]
            photons = _photons(movie, run)
            total += photons.sum(axis=0, dtype=np.float64)
            squares += np.square(np.diff(transformed, axis=0)).sum(axis=0)
            traces.append(photons.mean(axis=tuple(range(1, photons.ndim)), dtype=np.float64))
            values.append(photons.ravel()[:: max(1, photons.size // SHOWN)])
        mean = total / sum(map(len, runs))
        differences = sum(len(run) - 1 for run in runs)
        found = _bins(np.ravel(mean), np.ravel(squares), differences)
        image = mean.mean(axis=tuple(range(mean.ndim - 2)))
        expected = np.array([expected_variance(movie, each) for each in found[0]])
        read = movie.calibration.variance / movie.calibration.gain**2
        return cls(image, runs, traces, np.concatenate(values), *found, expected, read)


def expected_variance(movie: PhotonArray, photons: float) -> float:
    """Return the variance of transformed Poisson counts of some mean, with a movie's read noise."""
    camera, photons = movie.calibration, max(photons, 0.0)
    rounded = 0.0 if movie.step is None else movie.step**2 / 12
    if photons > 100:
        return 1.0 + rounded
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    counts = np.arange(math.ceil(photons + 12 * math.sqrt(photons) + 12))
    logs = np.cumsum(np.log(np.maximum(counts, 1)))
    poisson = np.exp(counts * math.log(max(photons, 1e-300)) - photons - logs)
    values = camera.offset + camera.gain * counts + math.sqrt(camera.variance) * nodes[:, None]
    y = generalized_anscombe(values, camera.gain, camera.offset, camera.variance)
    probability = np.outer(weights / weights.sum(), poisson)
    mean = np.vdot(probability, y)
    return float(np.vdot(probability, (y - mean) ** 2)) + rounded


def verdict(sample: Sample) -> str:
    """Say in words what the noise of a movie tells of its calibration."""
    if not (sample.mean > 0).any():
        return (
            "The sample has no noise to judge: too few frames, no light, or an offset that is too "
            "large."
        )
    seen = sample.expected >= sample.expected.max() / 2  # the brighter ones tell more
    found, wanted = np.median(sample.variance[seen]), np.median(sample.expected[seen])
    brightness = np.median(sample.mean[seen])
    ratio = float(np.median(sample.variance[seen] / sample.expected[seen]))
    variance = f"{found:.2g}" if found < 10 else f"{found:.0f}"
    values = f"Variance of the transformed noise: {variance}, where {wanted:.2g} is expected"
    if brightness < DIM:
        values += f" ({brightness:.2g} photons are too few for 1)"
    twos = sample.values.size * sample.values.mean() ** 2 / 2  # or more, that photons would make
    if twos > SEVERAL and set(np.unique(sample.values)) == {0, 1}:
        return f"{values}. Counts are 0 or 1: photons that come together count once."
    if found == 0:
        return f"{values}. Consecutive frames are the same."
    if abs(ratio - 1) <= APART:
        brightest = sample.variance[-1] / sample.expected[-1]
        change = f" The brightest pixels have {brightest:.2g} times that: they move or change."
        fits = f"{values}. The noise is that of photons: the calibration fits."
        if sample.read > brightness:
            fits = f"{values}. The noise is mostly read noise: it fits, and tells little of gain."
        return fits + change if brightest > CHANGING else fits
    if ratio > 1:
        return (
            f"{values}. Too much noise: the gain or read noise is larger than the calibration "
            "says, or the offset smaller, or the scene moves or flickers."
        )
    return (
        f"{values}. Too little noise: the gain is smaller than the calibration says, or the offset "
        "larger, or the movie was averaged, smoothed or clipped, or is dark at times."
    )


def draw(movie: PhotonArray, figure: Figure | SubFigure | None = None) -> NDArray[Any]:
    """Draw a movie; see `PhotonArray.plot`."""
    if figure is None:
        import matplotlib.pyplot as plt  # noqa: PLC0415

        figure = plt.figure(figsize=(9, 7), layout="constrained")
    sample = Sample.of(movie)
    axes: NDArray[Any] = figure.subplots(2, 2)
    _draw_image(axes[0, 0], sample)
    _draw_trace(axes[0, 1], sample)
    _draw_noise(axes[1, 0], sample)
    _draw_histogram(axes[1, 1], sample)
    sampled = sum(map(len, sample.frames))
    text = f"{movie.shape}; {sampled} frames were read. {verdict(sample)}"
    width = max(30, int(figure.bbox.width / figure.dpi * 11))  # characters of this size in a line
    lines = "\n".join(textwrap.wrap(text, width))
    for ax in axes.flat:
        ax.tick_params(labelsize="small")
    figure.suptitle(lines, fontsize="medium", ha="left", x=0.01)
    return axes


def _runs(movie: PhotonArray) -> list[range]:
    """Return the frames that are read, of no more chunks than there are runs."""
    frames, chunk = movie.shape[0], movie.chunks[0]
    length = min(FRAMES, max(2, VALUES // math.prod(movie.shape[1:])), frames)
    length = min(length, chunk) if chunk > 1 else length
    places = -(-frames // chunk) if chunk >= length else frames // length
    spacing = max(chunk, length)
    chosen = np.unique(np.linspace(0, places - 1, min(RUNS, places)).astype(int))
    runs = [range(int(n) * spacing, min(int(n) * spacing + length, frames)) for n in chosen]
    return [run for run in runs if len(run) > 1] or runs


def _photons(movie: PhotonArray, run: range) -> NDArray[Any]:
    try:
        view = movie.photons
    except ValueError:  # plain transformed values, which another program wrote
        camera = movie.calibration
        values = generalized_inverse_anscombe(
            movie[run.start : run.stop], camera.gain, camera.offset, camera.variance
        )
        return np.asarray((values - camera.offset) / camera.gain)
    return np.asarray(view[run.start : run.stop])


def _bins(
    mean: NDArray[Any], squares: NDArray[Any], differences: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return mean and variance of pixels, sorted by brightness and averaged."""
    number = min(BINS, mean.size * differences // FEWEST)
    if not number:
        return np.empty(0), np.empty(0)
    order = np.argsort(mean, kind="stable")
    bins = np.array_split(order, number)
    variance = [squares[pixels].mean() / (2 * differences) for pixels in bins]
    return np.array([mean[pixels].mean() for pixels in bins]), np.array(variance)


def _draw_image(ax: Axes, sample: Sample) -> None:
    low, high = np.percentile(sample.image, [0.5, 99.5])
    height, width = sample.image.shape
    shown = ax.imshow(sample.image, cmap="gray", vmin=low, vmax=high)
    if max(height, width) > 4 * min(height, width):
        ax.set_aspect("auto")
    ax.figure.colorbar(shown, ax=ax, shrink=0.9)
    ax.set_title("mean image, photons", fontsize="small")


def _draw_trace(ax: Axes, sample: Sample) -> None:
    for run, trace in zip(sample.frames, sample.traces, strict=True):
        ax.plot(run, trace, ".-", ms=3, lw=1, color="C0")
    ax.set_title("mean of frames, photons", fontsize="small")
    ax.set_xlabel("frame", fontsize="small")


def _draw_noise(ax: Axes, sample: Sample) -> None:
    lit = sample.mean > 0
    mean = sample.mean[lit]
    ax.plot(mean, sample.variance[lit], "o", ms=4, color="C0", label="found")
    ax.plot(mean, sample.expected[lit], color="C1", label="expected")
    ax.axhline(1, color="0.5", lw=1, ls=":")
    if lit.any():
        if mean[-1] > 10 * mean[0]:
            ax.set_xscale("log")
            ax.tick_params(which="minor", labelbottom=False)
        ax.legend(frameon=False, fontsize="small")
    highest = max(1.2, *sample.variance[lit], *sample.expected[lit]) if lit.any() else 1.2
    ax.set_ylim(0, 1.1 * highest)
    ax.set_title("variance of transformed noise", fontsize="small")
    ax.set_xlabel("mean, photons", fontsize="small")


def _draw_histogram(ax: Axes, sample: Sample) -> None:
    low, high = np.percentile(sample.values, [0, 99.9])
    low, high = math.floor(low) - 0.5, math.ceil(high) + 0.5
    edges = np.linspace(low, high, int(high - low) + 1 if high - low <= 60 else 61)
    ax.hist(sample.values, edges.tolist(), log=True, color="C0")
    ax.set_title("histogram of values", fontsize="small")
    beyond = " (0.1% are beyond)" if sample.values.max() > high else ""
    ax.set_xlabel(f"photons{beyond}", fontsize="small")
