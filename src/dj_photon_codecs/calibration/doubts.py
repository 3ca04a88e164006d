"""What makes the gain of a movie doubtful, by its likely cause."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from dj_photon_codecs.calibration.curve_shape import bend, curvature, dark_excess, unevenness
from dj_photon_codecs.calibration.frame_faults import FrameCounts
from dj_photon_codecs.calibration.noise_correlation import CORRELATED, Correlation
from dj_photon_codecs.calibration.noise_maps import NoiseMaps
from dj_photon_codecs.calibration.part_gains import PartGains
from dj_photon_codecs.calibration.pixel_motion import FEWEST
from dj_photon_codecs.calibration.refusals import CURE, alternation
from dj_photon_codecs.calibration.transfer_line import TransferLine, expect_variance
from dj_photon_codecs.photons.calibration import Points

__all__ = ["doubts", "part_doubts"]

# benchmarks/constants_calibration.py tries other values of these.
OFTEN = 0.4  # share of repeated frames that is no accident
TREND = 0.17  # correlation of consecutive frames; fast changes of the light reach .15
BENT = 0.1  # relative distance of a point from the line, beyond three standard errors
CROOKED = 0.5
MOVING = 1.1  # pixels rms; below, motion leaves the gain right to 3 % if details are larger
FINE = 0.018  # pixels, times the share of variance that only single pixels showed to be motion
CURVED = 0.05  # change of the slope; a camera is linear to 1 %
UNEVEN = 0.25  # of variances; detectors reach .21
UNCHECKED = 0.3  # pixels rms, in movies too short to look at single pixels
AT_FLOOR = 0.05  # share of samples whose clipping could matter
BURIED = 0.5  # share of samples whose clipping leaves too little to correct it reliably
SURE = 3.5  # standard errors, by which the halves of a recording differ
UNLIKE_IN_TIME, UNLIKE_IN_SPACE = 0.03, 0.06  # relative; smaller differences hardly matter
UNUSABLE = 0.2  # relative; a gain that is so far off for a part of the movie is no calibration
ALIKE = 0.05  # by which gain and zero level of photon counts may differ from 1 and 0
UNLIKELY = 25.0  # chi squared of four parts; by chance 1 in 60 000


def doubts(
    maps: NoiseMaps, line: TransferLine, *, correlation: Correlation, curve: Points
) -> Iterator[str]:
    """Yield a sentence or two for all that makes the gain doubtful.

    A curve that is nothing like a line, so that nothing is left of the gain, is refused.
    """
    yield from _frame_doubts(maps)
    yield from _correlation_doubts(correlation)
    if maps.offsets_differ:
        yield (
            "the pixels differ in their offset, as those of an sCMOS camera: the gain was found by "
            "the brightness of each pixel's neighbours, and the zero level is an average, from "
            "which single pixels deviate. Subtract the mean of dark frames, pixel by pixel, and "
            "calibrate what is left"
        )
    yield from _shape_doubts(maps, line, farthest=bend(maps, line, curve))
    yield from _motion_doubts(maps, line)
    yield from _floor_doubts(maps, line)


def part_doubts(in_time: PartGains, in_space: PartGains, *, clipped: bool) -> list[str]:
    """Say how the quarters of a recording, and the quadrants of its frame, differ in gain.

    A sentence or two for each difference that is beyond their errors; where dark values are
    `clipped`, quadrants differ by what share of them is dark, and are not compared. A quarter that
    differs by more than a fifth is refused.
    """
    found = []
    if _halves_differ(in_time):
        what = (
            "the gain changes in time: in the quarters of the recording it differs from the mean "
            f"by {_differences(in_time)}. The detector may have been set anew, or what disturbs "
            "the movie changes. Calibrate a part of it in which nothing changes, such as movie[:n]"
        )
        if np.nanmax(np.abs(in_time.gain - in_time.mean)) > UNUSABLE * in_time.mean:
            raise ValueError(what)
        found.append(what)
    if not clipped and _differ(in_space, UNLIKE_IN_SPACE):
        found.append(
            f"the gain differs across the frame: in its quadrants (upper left, upper right, lower "
            f"left, lower right) from the mean by {_differences(in_space)}, as with several "
            "amplifiers, after a flat-field correction, where the curve bends, or where parts "
            "of the frame are clipped or move"
        )
    return found


def _halves_differ(parts: PartGains) -> bool:
    if _differ(parts, UNLIKE_IN_TIME):
        return True
    if not np.isfinite(parts.gain).all():
        return False
    weights = 1 / parts.stderr.reshape(2, 2) ** 2
    first, second = (weights * parts.gain.reshape(2, 2)).sum(axis=1) / weights.sum(axis=1)
    error = math.sqrt((1 / weights.sum(axis=1)).sum())
    return bool(abs(first - second) > max(SURE * error, UNLIKE_IN_TIME * parts.mean))


def _differ(parts: PartGains, least: float) -> bool:
    if parts.freedom == 0 or parts.chi_squared < UNLIKELY:
        return False
    return bool(np.nanmax(np.abs(parts.gain - parts.mean)) > least * parts.mean)


def _differences(parts: PartGains) -> str:
    return (
        ", ".join(
            "(unknown)" if math.isnan(gain) else f"{gain / parts.mean - 1:+.0%}"
            for gain in parts.gain
        )
        + f" (+- {np.nanmedian(parts.stderr) / parts.mean:.1%})"
    )


def _frame_doubts(maps: NoiseMaps) -> Iterator[str]:
    counts, found = maps.counts, maps.interleaving
    if counts.left_out:
        yield f"{counts}; these were left out{_habit(counts)}"
    if found.period > 1:
        yield (
            f"frames are more like those {found.period} frames later than like the next, as where "
            f"they {alternation(found.period)}. Otherwise, the scene moves in step with the frames"
        )


def _habit(counts: FrameCounts) -> str:
    if counts.repeated > OFTEN * counts.read:
        return ", as where an acquisition program writes each frame more than once"
    return ""


def _correlation_doubts(noise: Correlation) -> Iterator[str]:
    # What may be chance is no correlation.
    vertical, horizontal, time = (
        value if value > noise.chance else 0.0
        for value in (noise.vertical, noise.horizontal, noise.time)
    )
    if vertical > CORRELATED:
        yield (
            f"the noise of neighbouring pixels correlates by {noise.vertical:.2f} (vertical) and "
            f"{noise.horizontal:.2f} (horizontal), as in movies that were smoothed, resampled or "
            "registered, or that move: the gain describes the noise of these values, but not the "
            f"light of one photon. {CURE}"
        )
    elif horizontal > CORRELATED:
        yield (
            f"the noise of neighbouring pixels of a line correlates by {noise.horizontal:.2f}, as "
            "with a detector or amplifier slower than a pixel: the gain describes the noise of "
            "these values, and a photon, spread over several pixels, is worth more than it"
        )
    if time > TREND:
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


def _shape_doubts(maps: NoiseMaps, line: TransferLine, *, farthest: float) -> Iterator[str]:
    what = f"the photon transfer curve is no straight line: a point lies {farthest:.0%} off it"
    if farthest > CROOKED:
        raise ValueError(f"{what}. These are not the values of a camera. {CURE}")
    if farthest > BENT:
        yield (
            f"{what}. The values may be clipped, compressed or processed, or the scene may move. "
            "Look at calibration.plot()"
        )
    elif abs(curved := curvature(maps, line)) > CURVED:
        yield (
            f"the photon transfer curve bends: its slope changes by {curved:+.0%} where most "
            f"pixels lie, as in movies that were compressed by a power or denoised. {CURE}"
        )
    if not line.clipped and dark_excess(maps, line) > BENT:
        yield (
            f"the dark pixels, which touch the lowest value, {maps.floor:g}, are noisier than the "
            "line through the bright ones says, while clipping makes them less noisy: the "
            f"curve bends, and gain and zero level hold for bright pixels only. {CURE}"
        )
    if not line.clipped and (uneven := unevenness(maps, line)) > UNEVEN:
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


def _counts_photons(maps: NoiseMaps, line: TransferLine) -> bool:
    zero, zero_error = line.zero()
    gain_limit = max(ALIKE, 3 * line.gain_stderr)
    zero_limit = max(ALIKE, 3 * zero_error)
    is_one = abs(line.gain - 1) < gain_limit and abs(maps.origin + zero) < zero_limit
    return is_one and maps.floor == 0
