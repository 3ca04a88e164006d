"""Frames that are no exposures of their own: repeated, uniform and interpolated ones.

Acquisition programs write the last frame again where one was lost, a frame of one value where
there was none, or the average of the neighbours. Such frames have no noise of their own, and lower
the variance, and with it the gain, by their share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FrameCounts", "judge_frames", "too_few_frames"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# benchmarks/constants_calibration.py tries other values of these.
LOOKED_AT = 1 << 14  # pixels of a frame that are compared first
TELLING = 25  # pixels; frames that differ in fewer may be equal by chance
ROUNDING = 2.0  # ADU in a second difference: of two steps between frames, and of the frame itself
SMALL = 0.3  # mean square of a second difference over that of the change; 3 for noise


@dataclass
class FrameCounts:
    """How many frames were read, and how many of them were left out.

    As equal to the frame before, bit by bit; as of one value in all pixels; as half-way between the
    frame before and the frame after, in every pixel.
    """

    read: int = 0
    repeated: int = 0
    uniform: int = 0
    interpolated: int = 0

    @property
    def left_out(self) -> int:
        """How many frames are not used."""
        return self.repeated + self.uniform + self.interpolated

    def __str__(self) -> str:
        """Say how many frames were left out, and why."""
        causes = {
            "repeat the frame before": self.repeated,
            "hold one value only": self.uniform,
            "are the average of the frames before and after": self.interpolated,
        }
        parts = [f"{number} {cause}" for cause, number in causes.items() if number]
        return f"of {self.read} frames, " + ", ".join(parts) if parts else f"{self.read} frames"


def judge_frames(frames: NDArray[Any], judged: Mask, *, counts: FrameCounts, more: bool) -> Mask:
    """Tell which of consecutive frames, (n, height, width), are exposures of their own; count them.

    `judged` is what was found of the first of them in an earlier call, but for the last of these,
    which is judged now that a frame follows it. If `more` frames follow the last one, its judgement
    waits, and the last element of the result means nothing. Frames so dark that they differ from
    each other in a few pixels only are all believed: they may be equal, or empty, by chance.
    """
    known = max(len(judged) - 1, 0)
    pixels = frames.reshape(len(frames), -1)
    sample = pixels[:, :: -(-pixels.shape[1] // LOOKED_AT)].astype(np.float64)
    uniform, repeated = _uniform(pixels, sample), _repeated(pixels, sample)
    interpolated = _interpolated(pixels, sample) & ~uniform & ~repeated
    repeated &= ~uniform
    last = len(frames) - more
    counts.read += max(last - known, 0)
    counts.uniform += int(np.count_nonzero(uniform[known:last]))
    counts.repeated += int(np.count_nonzero(repeated[known:last]))
    counts.interpolated += int(np.count_nonzero(interpolated[known:last]))
    sound = ~(uniform | repeated | interpolated)
    sound[:known] = judged[:known]
    return sound


def too_few_frames(counts: FrameCounts) -> str:
    """Say why a movie has too few frames to measure noise in."""
    if counts.read - counts.left_out <= 1:
        return (
            f"movie does not change in time ({counts}): it has no noise to measure. Give "
            "consecutive frames of one recording"
        )
    return (
        f"movie has too few frames with noise of their own: {counts}. It takes 8; record 100 or "
        "more, and save each once"
    )


def _uniform(pixels: NDArray[Any], sample: Floats) -> Mask:
    """Find the frames of one value, where the others show it in few of their pixels."""
    found = (sample == sample[:, :1]).all(axis=1)
    for number in np.flatnonzero(found):
        value = pixels[number, 0]
        found[number] = bool((pixels[number] == value).all())
    if not found.any() or found.all():
        return found
    scale = pixels.shape[1] / sample.shape[1]
    for number in np.flatnonzero(found):
        differing = np.median((sample[~found] != sample[number, 0]).sum(axis=1)) * scale
        found[number] = differing >= TELLING
    return found


def _repeated(pixels: NDArray[Any], sample: Floats) -> Mask:
    """Find the frames that are equal to the one before, where that is no chance."""
    differing = (sample[1:] != sample[:-1]).sum(axis=1) * (pixels.shape[1] / sample.shape[1])
    found = np.zeros(len(pixels), bool)
    found[1:] = differing == 0
    for number in np.flatnonzero(found):
        found[number] = np.array_equal(pixels[number], pixels[number - 1])
    if differing.any() and np.median(differing[differing > 0]) < TELLING:
        found[:] = False
    return found


def _interpolated(pixels: NDArray[Any], sample: Floats) -> Mask:
    """Find the frames that are the average of their neighbours, but for rounding."""
    found = np.zeros(len(pixels), bool)
    if len(pixels) < 3:
        return found
    found[1:-1] = _between(sample[:-2], sample[1:-1], sample[2:], pixels.dtype)
    for number in np.flatnonzero(found):
        before, here, after = pixels[number - 1 : number + 2, np.newaxis].astype(np.float64)
        found[number] = bool(_between(before, here, after, pixels.dtype)[0])
    return found


def _between(before: Floats, here: Floats, after: Floats, dtype: np.dtype[Any]) -> Mask:
    with np.errstate(invalid="ignore"):  # values that are not finite are refused later
        second, change = np.abs(2 * here - before - after), after - before
    rounding: Any = ROUNDING
    if dtype.kind == "f":
        rounding = 8 * np.finfo(dtype).eps * (np.abs(before) + np.abs(after))
    small = (second**2).sum(axis=1) < SMALL * (change**2).sum(axis=1)
    found: Mask = (second <= rounding).all(axis=1) & small
    return found
