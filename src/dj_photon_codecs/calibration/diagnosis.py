"""What speaks against a photon transfer curve: reasons to refuse it, and reasons to doubt it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dj_photon_codecs.calibration.curve_shape import curvature, unevenness
from dj_photon_codecs.calibration.noise_correlation import CORRELATED
from dj_photon_codecs.calibration.pixel_motion import FEWEST
from dj_photon_codecs.calibration.transfer_line import binned, expect_variance, motion_variance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dj_photon_codecs.calibration.noise_correlation import Correlation
    from dj_photon_codecs.calibration.temporal_noise import NoiseMaps
    from dj_photon_codecs.calibration.transfer_line import TransferLine
    from dj_photon_codecs.photons.calibration import Points

__all__ = ["accept", "curve_points", "doubts"]


IMPRECISE = 0.1  # relative standard error of the gain
SMOOTHED = 0.6  # both ways: a detector that is too slow correlates along its lines only
TREND = 0.17  # noise of consecutive frames; fast changes of the light reach .15
AVERAGED = 0.25  # a running mean of two frames reaches .5, one of more .33
BENT = 0.1  # relative distance of a point from the line, beyond three standard errors
CROOKED = 0.5
MOVING = 1.1  # pixels rms; below, motion leaves the gain right to 3 % if details are larger
FINE = 0.018  # pixels, times the share of variance that only single pixels showed to be motion
CURVED = 0.05  # change of the slope; a camera is linear to 1 %
UNEVEN = 0.25  # of variances; detectors reach .21
UNCHECKED = 0.3  # pixels rms, in movies too short to look at single pixels
AT_FLOOR = 0.05  # share of samples whose clipping could matter
BURIED = 0.5  # share of samples whose clipping leaves too little to correct it reliably

ADVICE = (
    "Record 100 frames or more of a scene with dark and bright areas, as the camera delivers "
    "them: with an offset that keeps the noise above the lowest value, not saturated, not "
    "averaged, filtered, registered or normalised"
)
CURE = "Calibrate the camera's own values"


def accept(maps: NoiseMaps, line: TransferLine | None) -> TransferLine:
    """Return a line that tells the gain, or refuse with the reason.

    Parameters
    ----------
    maps : NoiseMaps
        What was measured.
    line : TransferLine, optional
        What was drawn.

    Returns
    -------
    TransferLine
        `line`, with a positive gain and a standard error of at most 10 %.

    Raises
    ------
    ValueError
        If there is no such line; the message says why, and what to record instead.
    """
    if not maps.variance.any():
        raise ValueError(f"movie does not change in time: it has no noise to measure. {ADVICE}")
    if line is None:
        raise ValueError(
            "movie has too few pixels that change in time and stay below its highest value "
            f"({maps.ceiling:g}). {ADVICE}"
        )
    if line.gain <= 2 * line.gain_stderr:
        raise ValueError(
            "the noise of the movie does not grow with brightness (its slope is "
            f"{line.gain:.3g} +- {line.gain_stderr:.2g} ADU per photon, over {_brightness(maps)}): "
            f"the scene is flat, or what is seen is read noise, not light. {ADVICE}"
        )
    if line.gain_stderr > IMPRECISE * line.gain:
        raise ValueError(
            f"the gain is uncertain by {line.gain_stderr / line.gain:.0%} "
            f"({line.gain:.3g} +- {line.gain_stderr:.2g} ADU per photon, from {maps.frames} frames "
            f"over {_brightness(maps)}); at most {IMPRECISE:.0%} is accepted. {ADVICE}"
        )
    return line


def doubts(
    maps: NoiseMaps, line: TransferLine, *, correlation: Correlation, curve: Points
) -> Iterator[str]:
    """Say what makes the gain doubtful, or refuse it where nothing is left of it.

    Parameters
    ----------
    maps : NoiseMaps
        What was measured.
    line : TransferLine
        What was drawn.
    correlation : Correlation
        What `correlate_noise` found.
    curve : tuple of tuple
        What `curve_points` found.

    Yields
    ------
    str
        A sentence or two for each doubt.

    Raises
    ------
    ValueError
        If the movie was smoothed, averaged or sharpened, or the curve is nothing like a line.
    """
    yield from _correlation_doubts(correlation)
    if not line.clipped:
        yield from _shape_doubts(maps, line, bend=_bend(line, maps.origin, curve))
    yield from _motion_doubts(maps, line)
    yield from _floor_doubts(maps, line)


def curve_points(maps: NoiseMaps, line: TransferLine, *, kept: bool) -> Points:
    """Average pixels of like brightness into points of the curve.

    Parameters
    ----------
    maps : NoiseMaps
        Mean and variance of every pixel.
    line : TransferLine
        Which pixels were kept.
    kept : bool
        Whether to average them, less what motion adds to them, or the others, as they are.

    Returns
    -------
    tuple of tuple
        Mean (ADU), variance and its standard error (ADU squared), with six digits.
    """
    chosen = line.kept if kept else ~line.kept & (maps.runs > 0)
    if not chosen.any():
        return ()
    still = maps.variance.astype(np.float64) - (motion_variance(line) if kept else 0.0)
    count, (mean, variance, square) = binned(maps, chosen, maps.mean, still, still**2)
    stderr = np.sqrt(np.maximum(square - variance**2, 0) / count)
    # Six digits, so that a stored calibration is short; of the means, six behind the largest.
    digits = 6 - math.ceil(math.log10(np.abs(maps.mean).max()))
    means = (mean + maps.origin).round(digits).tolist()
    rows = zip(means, variance.tolist(), stderr.tolist(), strict=True)
    return tuple((m, _rounded(v), _rounded(s)) for m, v, s in rows)


def _correlation_doubts(noise: Correlation) -> Iterator[str]:
    if min(noise.vertical, noise.horizontal) > SMOOTHED or abs(noise.time) > AVERAGED:
        raise ValueError(
            f"the movie was smoothed, averaged or sharpened: the noise of neighbouring pixels "
            f"correlates by {noise.vertical:.2f} (vertical) and {noise.horizontal:.2f} "
            f"(horizontal), that of consecutive frames by {noise.time:.2f}, and its variance no "
            f"longer counts photons. {ADVICE}"
        )
    if noise.vertical > CORRELATED:
        yield (
            f"the noise of neighbouring pixels correlates by {noise.vertical:.2f} (vertical) and "
            f"{noise.horizontal:.2f} (horizontal), as in movies that were smoothed, resampled or "
            "registered, or that move: the gain describes the noise of these values, but not the "
            f"light of one photon. {CURE}"
        )
    elif noise.horizontal > CORRELATED:
        yield (
            f"the noise of neighbouring pixels of a line correlates by {noise.horizontal:.2f}, as "
            "with a detector or amplifier slower than a pixel: the gain describes the noise of "
            "these values, and a photon, spread over several pixels, is worth more than it"
        )
    if noise.time > TREND:
        yield (
            f"the noise of consecutive frames correlates by {noise.time:.2f}, as in movies that "
            "were averaged or interpolated in time, or whose light changes fast: the gain may "
            "be off by as much"
        )


def _motion_doubts(maps: NoiseMaps, line: TransferLine) -> Iterator[str]:
    moves = f"the scene moves by about {maps.motion:.1f} pixels rms"
    cure = "Calibrate a stretch of frames in which it is still"
    if (share := _moved_share(maps, line)) * maps.motion > FINE:
        yield (
            f"{moves}, and has details as fine as that. What was seen to be motion, {share:.0%} of "
            "the noise, was left out, but not all is seen: the gain may be off by as much, or, if "
            f"the details are single pixels, be much too large. {cure}"
        )
    elif maps.motion > MOVING:
        yield f"{moves}, which can make the gain too large by several percent. {cure}"
    elif maps.motion > UNCHECKED and 2 * maps.runs.max() < FEWEST:
        yield (
            f"{moves}, and {maps.frames} frames are too few to tell what that does to the gain. "
            f"{cure}, or more frames"
        )
    elif maps.motion > UNCHECKED and line.clipped:
        yield (
            f"{moves}, and values are clipped at the lowest one, {maps.floor:g}; both together "
            f"make the gain uncertain. {cure}, or record with a higher offset"
        )


def _moved_share(maps: NoiseMaps, line: TransferLine) -> float:
    """Average what motion was seen to add, relative to noise, where all or the slope feels it."""
    expected, weights = expect_variance(maps, line, means=maps.mean, runs=maps.runs)
    mean, weights = maps.mean[line.kept], weights[line.kept]
    share = (maps.moved / expected)[line.kept]
    leverage = weights * (mean - np.average(mean, weights=weights)) ** 2
    return float(max(share.mean(), np.average(share, weights=leverage)))


def _shape_doubts(maps: NoiseMaps, line: TransferLine, *, bend: float) -> Iterator[str]:
    what = f"the photon transfer curve is no straight line: a point lies {bend:.0%} off it"
    if bend > CROOKED:
        raise ValueError(f"{what}. These are not the values of a camera. {ADVICE}")
    if bend > BENT:
        yield (
            f"{what}. The values may be clipped, compressed or processed, or the scene may move. "
            "Look at calibration.plot()"
        )
    elif abs(curved := curvature(maps, line)) > CURVED:
        yield (
            f"the photon transfer curve bends: its slope changes by {curved:+.0%} where most "
            f"pixels lie, as in movies that were compressed by a power or denoised. {CURE}"
        )
    if (uneven := unevenness(maps, line)) > UNEVEN:
        yield (
            f"the noise of equally bright pixels differs by {uneven:.0%}, as in movies that were "
            f"resampled, compressed or denoised, or whose scene moves. {CURE}"
        )


def _floor_doubts(maps: NoiseMaps, line: TransferLine) -> Iterator[str]:
    at_floor = float(maps.at_floor[line.kept].mean())
    if not line.vouched and at_floor > AT_FLOOR and not _counts_photons(maps, line):
        yield (
            f"{at_floor:.0%} of the values are the lowest one, {maps.floor:g}, and no part of the "
            "movie is bright enough to tell whether noise was clipped there. If it was, the gain "
            "is too large. Record with a higher offset"
        )
    if line.clipped and at_floor > BURIED:
        yield (
            f"{at_floor:.0%} of the values are clipped at the lowest one, {maps.floor:g}; the gain "
            "may be off by more than its standard error. Record with a higher offset"
        )


def _bend(line: TransferLine, origin: float, curve: Points) -> float:
    """Return the largest relative distance of a point from the line that is not chance."""
    mean, variance, stderr = np.array(curve).T
    expected = line.intercept + line.gain * (mean - origin)
    distance = (np.abs(variance - expected) - 3 * stderr)[expected > 0] / expected[expected > 0]
    return float(np.max(distance, initial=0.0))


def _counts_photons(maps: NoiseMaps, line: TransferLine) -> bool:
    zero = maps.origin + line.zero()[0]
    return abs(line.gain - 1) < 0.05 and abs(zero) < 0.05 and maps.floor == 0


def _brightness(maps: NoiseMaps) -> str:
    low, high = np.quantile(maps.mean, [0.02, 0.98]) + maps.origin
    return f"pixels whose means lie between {low:.4g} and {high:.4g}"


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
