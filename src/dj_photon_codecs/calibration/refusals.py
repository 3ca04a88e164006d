"""Reasons to refuse a photon transfer curve, and what to do instead."""

from __future__ import annotations

import math

import numpy as np

from dj_photon_codecs.calibration.interleaving import Interleaving
from dj_photon_codecs.calibration.noise_correlation import Correlation
from dj_photon_codecs.calibration.noise_maps import NoiseMaps
from dj_photon_codecs.calibration.transfer_line import TransferLine

__all__ = [
    "CURE",
    "TWO_VALUES",
    "accept_line",
    "accept_precision",
    "alternation",
    "refuse_correlated",
    "refuse_interleaved",
]

MEASURED = 0.5  # share of the pixels that do not always change with their neighbours
# benchmarks/constants_calibration.py tries other values of these.
IMPRECISE = 0.1  # relative standard error of the gain
SMOOTHED = 0.6  # both ways: a detector that is too slow correlates along its lines only
AVERAGED = 0.25  # a running mean of two frames reaches .5, one of more .33
MIXED = 0.5  # change from a frame to that one period later, over the change to the next frame
USUAL = 100  # frames; with these most scenes tell the gain to 1 %
SPARE = 1.5  # times as many frames as the formula says
LIKE_COUNTS = 0.1  # by how much the variance of photon counts may differ from their mean

CURE = "Calibrate the camera's own values, before they were processed"
TWO_VALUES = (
    "as from single-photon cameras that store one bit for each pixel. Add up frames to counts "
    "first, such as movie[:1600].reshape(100, 16, height, width).sum(axis=1). Photon counts need "
    "no calibration: insert them as they are"
)


def accept_line(maps: NoiseMaps, line: TransferLine | None) -> TransferLine:
    """Return a line that rises with brightness by more than two standard errors, or refuse."""
    if line is None and np.mean(maps.runs > 0) < MEASURED:
        raise ValueError(
            "movie has no noise of single pixels to measure: what changes in it changes in many "
            f"neighbouring pixels together, as where pixels were enlarged or averaged. {CURE}"
        )
    if _two_valued(maps):
        raise ValueError(
            f"movie holds only the values {maps.floor:g} and {maps.ceiling:g}, {TWO_VALUES}"
        )
    if line is None:
        raise ValueError(
            "movie has too few pixels that change in time and stay below its highest value "
            f"({maps.ceiling:g}). {_scene(maps)}, not saturated.{_counts_hint(maps)}"
        )
    if line.gain <= 2 * line.gain_stderr:
        raise ValueError(
            "the noise of the movie does not grow with brightness (its slope is "
            f"{line.gain:.3g} +- {line.gain_stderr:.2g} ADU per photon, over {_brightness(maps)}): "
            f"the scene is flat, or what is seen is read noise, not light. {_scene(maps)}."
            f"{_counts_hint(maps)}"
        )
    return line


def accept_precision(maps: NoiseMaps, line: TransferLine, *, doubts: list[str]) -> TransferLine:
    """Return a line that tells the gain to 10 %, or refuse, and say how many frames would do.

    Its standard error covers how parts of the movie differ, which `doubts` say.
    """
    error = line.gain_stderr / line.gain
    if error <= IMPRECISE:
        return line
    frames, read = maps.frames, maps.counts.read
    used = f"{frames} frames" if frames == read else f"{frames} of {read} frames"
    needed = _rounded_up(SPARE * frames * (error / IMPRECISE) ** 2)
    advice = ". ".join(doubt[0].upper() + doubt[1:] for doubt in doubts) or (
        f"About {needed} frames of this scene would do, or a scene with darker and brighter areas"
    )
    # Rounded up, so that 10.04 % does not read as the 10 % that is accepted.
    raise ValueError(
        f"the gain is uncertain by {math.ceil(1000 * error) / 10:.1f}% ({line.gain:.3g} +- "
        f"{line.gain_stderr:.2g} ADU per photon, from {used} over {_brightness(maps)}); at most "
        f"{IMPRECISE:.0%} is accepted. {advice}.{_counts_hint(maps)}"
    )


def refuse_interleaved(found: Interleaving) -> None:
    """Refuse channels or planes by turns: a period later frames differ less than half as much."""
    if found.period > 1 and found.likeness < MIXED:
        raise ValueError(
            f"movie comes back to the same picture every {found.period} frames, as where frames "
            f"{alternation(found.period)}"
        )


def alternation(period: int) -> str:
    """Say what makes a movie return after some frames, and what to do."""
    parts = ", ".join(f"movie[{start}::{period}]" for start in range(min(period, 2)))
    more = " and so on" if period > 2 else ""
    return (
        f"come by turns from {period} channels or planes. Calibrate, and store, each of them "
        f"alone: {parts}{more}"
    )


def refuse_correlated(noise: Correlation) -> None:
    """Refuse values whose noise no longer counts photons, since they were averaged.

    Then the noise of neighbours in space or time is too much alike, or too much opposed.
    """
    if min(noise.vertical, noise.horizontal) > max(SMOOTHED, noise.chance):
        raise ValueError(
            f"the movie was smoothed: the noise of neighbouring pixels correlates by "
            f"{noise.vertical:.2f} (vertical) and {noise.horizontal:.2f} (horizontal), and its "
            f"variance no longer counts photons. {CURE}"
        )
    if noise.time > max(AVERAGED, noise.chance):
        raise ValueError(
            f"the movie was averaged or interpolated in time: the noise of consecutive frames "
            f"correlates by {noise.time:.2f}, and its variance no longer counts photons. {CURE}"
        )
    if noise.time < -max(AVERAGED, noise.chance):
        raise ValueError(
            f"the noise of consecutive frames correlates by {noise.time:.2f}, as where frames "
            f"{alternation(2)}; or where the movie was sharpened in time, or frames subtracted "
            f"from each other. {CURE}"
        )


def _two_valued(maps: NoiseMaps) -> bool:
    seen = maps.runs > 0
    return bool(np.mean((maps.at_floor + maps.at_ceiling)[seen]) > 1 - 1e-6)


def _scene(maps: NoiseMaps) -> str:
    frames = f"{USUAL} frames or more of " if maps.counts.read < USUAL else ""
    return f"Record {frames}a scene with dark and bright areas, as the camera delivers it"


def _counts_hint(maps: NoiseMaps) -> str:
    """Say that photon counts need no calibration, of values that look like photon counts."""
    mean = float(maps.mean.mean(dtype=np.float64)) + maps.origin
    if maps.resolution == 0 or maps.floor < 0 or mean <= 0:
        return ""
    ratio = float(maps.variance.mean(dtype=np.float64)) / mean
    if abs(ratio - 1) > LIKE_COUNTS:
        return ""
    return (
        f" The variance of the values is {ratio:.2f} times their mean, as of photon counts: these "
        "need no calibration, insert them as they are"
    )


def _brightness(maps: NoiseMaps) -> str:
    low, high = np.quantile(maps.mean, [0.02, 0.98]) + maps.origin
    return f"pixels whose means lie between {low:.4g} and {high:.4g}"


def _rounded_up(frames: float) -> int:
    """Round up to one digit, or two."""
    unit = 10 ** max(int(math.log10(max(frames, 1))) - 1, 0)
    return math.ceil(frames / unit) * unit
