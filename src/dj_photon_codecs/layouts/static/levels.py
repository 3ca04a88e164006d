"""The class of each frame and the level of each pixel: what their brightness is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.static.noise import KNOTS, Noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Levels", "find_levels"]

# These are measured by benchmarks/constants.py.
STEP = 2.8  # standard deviations of the mean of a pixel, from a level to the next
MOST_LEVELS = 1024  # of a family
FINE = 1 / 8  # of the step from a level to the next, between sums that count as one
MOST_ENTRIES = 1 << 16  # of a table of sums
SAMPLE = 1 << 16, 32  # numbers from which the noise is measured, at least, and their share
SEGMENT = 32  # neighbouring pixels in it
SAME = 0.008  # variance of the brightness of frames, relative to the noise, that is left alone
CLASS_STEP = 0.15  # standard deviations from a class to the next, else
CLASS_NUMBERS = 1 << 16  # numbers in a chunk for each class of frames
MOST_CLASSES = 32
MOST_ROWS = 1 << 12
FEWEST_FRAMES = 16  # from where on pixels are sorted into families
EXCESS = 1, 3, 10  # variance relative to the noise, from where on a pixel is in the next family
WORTH = 2  # bits that families save, for each that their map takes
DOUBT = 3.5  # standard deviations of that ratio that are no excess
SKEWNESS = 24.0  # of a ratio, in units of one over the photons of a pixel in these frames, likewise
MEASURED = 24  # frames, at least, in which the variance of a pixel is measured
SMOOTHED = 16  # frames, up to which pixels may be smoothed over their neighbours


class Levels(NamedTuple):
    """How bright the pixels and the frames of a chunk are.

    Attributes
    ----------
    frame_class : ndarray of uint8, shape (frames,)
        The class of each frame.
    brightness, family : ndarray of uint16, shape (pixels,)
        Of each pixel; the level is ``family * number + brightness``.
    number : int
        How many brightnesses there are.
    families : int
        How many families there are, 1 to 4.
    noise : Noise
        Of the pixels.
    step : float
        Standard deviations of the noise from a brightness to the next.
    """

    frame_class: NDArray[np.uint8]
    brightness: NDArray[np.uint16]
    family: NDArray[np.uint16]
    number: int
    families: int
    noise: Noise
    step: float

    @property
    def level(self) -> NDArray[np.uint16]:
        """The level of each pixel."""
        if self.families == 1:
            return self.brightness
        return self.family * np.uint16(self.number) + self.brightness


def find_levels(
    numbers: NDArray[Any],
    sums: NDArray[np.uint32],
    squares: NDArray[np.uint64],
    *,
    width: int,
) -> Levels:
    """Return how bright pixels and frames are.

    Parameters
    ----------
    numbers : ndarray of uint8 or uint16, shape (frames, pixels)
        At least two frames.
    sums, squares : ndarray of uint32 and of uint64, shape (pixels,)
        Of the numbers of each pixel over all frames, and of their squares.
    width : int
        Of a frame, in pixels.
    """
    frames = len(numbers)
    segments = _segments(*numbers.shape)
    knots, totals, unsteady = np.empty((3, KNOTS)), np.empty(frames, np.uint64), np.empty(1)
    found = kernel().measure_noise(numbers, sums, *segments, knots, totals, unsteady)
    noise = Noise(*knots[:, :found])
    steady = unsteady[0] < SAME
    smooth, scale = _smoothed(sums, noise, frames, width)
    bright = float(noise.depth[-2:][0])  # as are the brightest but for a few
    step = max(STEP / frames**0.5, 2 * bright / MOST_LEVELS)
    brightness = _brightness(smooth, noise, scale=scale, step=step)
    number = int(brightness.max()) + 1
    family = np.zeros(1, np.uint16)
    if frames >= FEWEST_FRAMES:
        expected = noise.variance_at(noise.mean_at(np.arange(number) * step))
        variance = _in_time(sums, squares, frames) if steady else _changes(numbers)
        measured = frames if steady else min(frames, MEASURED)
        family = _families(variance, brightness, expected, measured)
        if (others := np.flatnonzero(family)).size:
            ratio = variance[others] / expected[brightness[others]]
            family *= _are_worth(ratio, frames, sums.size, width)
    families = int(family.max()) + 1
    frame_class = np.zeros(frames, np.uint8)
    if not steady:
        most = MOST_CLASSES, numbers.size // CLASS_NUMBERS, MOST_ROWS // (number * families)
        depth = noise.depth_at(totals / math.prod(segments))
        frame_class = _frame_classes(depth, most=min(most))
    return Levels(frame_class, brightness, family, number, families, noise, step)


def _segments(frames: int, pixels: int) -> tuple[int, int]:
    """Return how many segments of neighbours, spread over the frame, are looked at, and of what."""
    wanted = max(SAMPLE[0], frames * pixels // SAMPLE[1]) // frames
    segments = min(wanted, pixels // 2) // SEGMENT
    return (1, min(wanted + 2, pixels)) if segments < 2 else (segments, SEGMENT)


def _frame_classes(depth: NDArray[np.float64], *, most: int) -> NDArray[np.uint8]:
    """Return the class of each frame by its brightness, in standard deviations of the noise."""
    step = max(CLASS_STEP, float(np.ptp(depth)) / max(most - 1, 0.5))
    _, found = np.unique(np.rint((depth - depth.min()) / step), return_inverse=True)
    return found.astype(np.uint8)


def _smoothed(
    sums: NDArray[np.uint32], noise: Noise, frames: int, width: int
) -> tuple[NDArray[np.uint32], int]:
    """Return numbers in proportion to the means of pixels, and the factor between them.

    If frames are few, and neighbours differ by no more than their noise, each is better known from
    all of them.
    """
    if frames > SMOOTHED or sums.size == width or width < 3:
        return sums, frames
    picture = sums.reshape(-1, width)
    if 16 * int(sums.max()) < 1 << 16:
        picture = picture.astype(np.uint16)  # twice as fast
    sample = picture[:: len(picture) // 16 | 1].astype(np.float32) / frames
    change = np.diff(sample, axis=1)
    if (change * change).mean() / 2 > 2 * noise.variance_at(sample).mean() / frames:
        return sums, frames
    for axis in (0, 1):
        edges = [(int(axis == 0),) * 2, (int(axis == 1),) * 2]
        wide = np.moveaxis(np.pad(picture, edges, mode="edge"), axis, 0)
        picture = np.moveaxis(wide[:-2] + 2 * wide[1:-1] + wide[2:], 0, axis)
    return np.ascontiguousarray(picture).reshape(-1), 16 * frames


def _brightness(sums: NDArray[Any], noise: Noise, *, scale: int, step: float) -> NDArray[np.uint16]:
    """Return the brightness of each sum, by a table of all sums where that is shorter.

    Sums that are much closer to each other than levels share an entry of the table.
    """

    def brightness(of: NDArray[Any]) -> NDArray[np.uint16]:
        levels = np.rint(noise.depth_at(of / scale) / step)
        return np.minimum(levels, MOST_LEVELS - 1).astype(np.uint16)

    narrowest = scale * step * float(noise.variance.min()) ** 0.5
    shift = max(0, int(np.log2(max(narrowest * FINE, 1))))
    entries = min(int(sums.max()) >> shift, MOST_ENTRIES)
    if entries >= sums.size:
        return brightness(sums)
    found = np.take(brightness(np.arange(entries + 1) << shift), sums >> shift, mode="clip")
    if entries == MOST_ENTRIES:
        above = np.flatnonzero(sums >> shift > entries)
        found[above] = brightness(sums[above])
    return found


def _in_time(
    sums: NDArray[np.uint32], squares: NDArray[np.uint64], frames: int
) -> NDArray[np.float64]:
    """Return the variance of each pixel over all frames, without arrays that are not needed."""
    found = sums / frames
    found *= sums
    np.subtract(squares, found, out=found)
    found /= frames - 1
    return found


def _changes(numbers: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Return the variance of each pixel from one frame to the next, from some of the frames."""
    chosen = range(0, len(numbers) - 1, max(1, len(numbers) // MEASURED))
    total, change = np.zeros((2, numbers.shape[1]), np.float32)
    for frame in chosen:
        np.subtract(numbers[frame], numbers[frame + 1], out=change, dtype=np.float32)
        change *= change
        total += change
    return total * np.float32(0.5 / len(chosen))


def _families(
    variance: NDArray[np.floating[Any]],
    brightness: NDArray[np.uint16],
    expected: NDArray[np.float64],
    number: int,
) -> NDArray[np.uint16]:
    """Return the family of each pixel, by its variance, in so many frames, over that expected."""
    # the variance of a variance of Poisson numbers, and their skewness where they are few
    doubt = DOUBT * np.sqrt((2 + 1 / expected) / number) + SKEWNESS / (expected * number)
    family = np.zeros(brightness.size, np.uint16)
    limit = (expected * (1 + doubt)).astype(np.float32)
    above = np.flatnonzero(variance > EXCESS[0] * np.take(limit, brightness))
    ratio = variance[above] / limit[brightness[above]]
    family[above] = np.searchsorted(EXCESS, np.maximum(ratio, EXCESS[0]), "right")
    return family


def _are_worth(ratio: NDArray[np.floating[Any]], frames: int, pixels: int, width: int) -> np.bool_:
    """Return whether families save more than their map takes, from ratios of variances.

    At most a bit for each number is saved: what a Gaussian distribution takes more with the
    variance of another one.
    """
    saved = np.minimum((ratio - 1 - np.log(ratio)) / np.log(4), 1).sum() * frames
    bits = np.log2(pixels / max(ratio.size, 1)) + 2
    return saved > WORTH * (bits * ratio.size + 32 * (pixels // width))
