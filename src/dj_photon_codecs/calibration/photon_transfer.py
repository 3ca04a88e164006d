"""The photon transfer curve: which pixels of a movie tell how the noise grows with the light.

The variance of photon-limited values grows by the gain with each unit of their mean, but for
pixels that saturate, and for dark ones whose noise is cut off at the lowest value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.calibration.clipping import fit_clipped_curve
from dj_photon_codecs.calibration.noise_correlation import CORRELATED, correlate_noise
from dj_photon_codecs.calibration.noise_maps import NoiseMaps
from dj_photon_codecs.calibration.tiles import Tiles
from dj_photon_codecs.calibration.transfer_line import OUTLIER, TransferLine, draw_line

__all__ = ["allow_for_offsets", "cut_factor", "fit_transfer_line"]

Mask = NDArray[np.bool_]

# benchmarks/constants_calibration.py tries other values of these.
CLIPPED = 0.002  # share of samples at the end of the scale that lowers a variance by .5 %
LITTLE = 0.02  # share of samples that lowers it by some percent
ALIKE = 32  # pixels to either side, in the order of brightness
CHANCE = 3.0  # sigma, of the share of a value in a tile
TOUCHING = 0.001  # share of pixels at the floor that is worth a second fit
SURE = 0.01  # relative standard error of a gain that needs no model of clipping
PRECISE = 0.1  # relative standard error of a gain that can judge another
ZERO_KNOWN = 0.5  # photons, standard error of the zero level
AGREE = 2.5  # sigma
BEYOND = 2.0  # standard errors; benchmarks/calibration_accuracy.py reaches 1 with equal offsets
LOOSE = 7.0  # sigma, of outliers; the usual cut also takes pixels of merely high read noise
UNSEEN = 1.5  # times the change from cut to cut; the error of sCMOS in benchmarks/detectors.py


def fit_transfer_line(maps: NoiseMaps, *, outlier: float = OUTLIER) -> TransferLine | None:
    """Draw the line through the pixels that nothing but photons and read noise disturbs.

    None where no line can be drawn. Saturated pixels are left out, and those farther off the line
    than `outlier` standard deviations. Pixels that touch the lowest value of the movie may be
    honest zeros (photon counts) or clipped (camera values whose noise reaches below zero): they
    count if a line without them agrees, or else one that allows for the clipping.
    """
    if not maps.variance.any():
        return None
    bright = (maps.runs > 0).all(axis=0) & _rarely(_saturated(maps), maps, CLIPPED)
    whole = draw_line(maps, bright, outlier=outlier)
    touching = np.count_nonzero(bright & ~_rarely(maps.at_floor, maps, CLIPPED))
    if whole is None or whole.gain <= 0 or touching <= TOUCHING * np.count_nonzero(bright):
        return whole
    judge = next((line for line in _judges(maps, bright, whole) if line is not None), None)
    if judge is None:
        return replace(whole, vouched=False)
    return replace(whole, vouched=judge.vouched) if _agree(judge, whole) else judge


def allow_for_offsets(maps: NoiseMaps, line: TransferLine) -> tuple[NoiseMaps, TransferLine]:
    """Draw the line by the brightness of each pixel's neighbours if its own makes it flatter.

    The offset of a pixel is part of its mean in both folds, but not of its noise; its neighbours'
    means tell of the light only. If the gain was too small by more than two standard errors, the
    maps that are returned say that offsets differ, and the line was drawn by neighbours.
    """
    unlike = replace(maps, offsets_differ=True)
    around = None if line.clipped else fit_transfer_line(unlike)
    if around is None or around.clipped:
        return maps, line
    if around.gain - line.gain <= BEYOND * max(around.gain_stderr, line.gain_stderr):
        return maps, line
    return unlike, around


def cut_factor(maps: NoiseMaps, line: TransferLine) -> float:
    """Return the factor, 1 or more, that makes the gain's error cover what leaving out pixels does.

    Where pixels differ in read noise, the noisiest are told apart in dark places, but not in
    bright ones, which makes the line too steep; with fewer left out it is less so.
    """
    loose = None if line.clipped else fit_transfer_line(maps, outlier=LOOSE)
    if loose is None or loose.clipped:
        return 1.0
    return math.hypot(1, UNSEEN * (loose.gain - line.gain) / line.gain_stderr)


def _judges(maps: NoiseMaps, bright: Mask, whole: TransferLine) -> Iterator[TransferLine | None]:
    """Draw lines that the lowest value does not disturb: the most trusted first, None if too poor.

    Through the pixels that it does not touch; with a model of clipping, which holds for a camera
    that reads every pixel by itself; through the pixels that it touches little.
    """
    untouched = bright & _rarely(maps.at_floor, maps, CLIPPED)
    yield _if_within(SURE, draw_line(maps, untouched))
    if correlate_noise(maps, whole).horizontal < CORRELATED:
        yield _if_within(PRECISE, fit_clipped_curve(maps, whole))
    little = bright & _rarely(maps.at_floor, maps, LITTLE)
    yield _if_within(PRECISE, draw_line(maps, little))


def _saturated(maps: NoiseMaps) -> NDArray[np.float32]:
    """Estimate what share of each pixel's samples would lie above the highest value.

    Where the highest value is rarer than the integer below it, values run out rather than pile
    up, and those above would be rarer by that factor again.
    """
    if maps.resolution == 0:
        return maps.at_ceiling
    saturated: NDArray[np.float32] = maps.at_ceiling / max(maps.below_ceiling, 1.0)
    return saturated


def _rarely(shares: NDArray[np.float32], maps: NoiseMaps, at_most: float) -> Mask:
    """Find pixels that show a value rarely: themselves in the other fold, and those like them.

    Like them are their neighbours; or pixels as bright as they are, unless the neighbours show
    the value more often than their brightness explains, as where the light changes.
    """
    tiles, share = Tiles(*shares.shape[1:]), shares.mean(axis=0, dtype=np.float64)
    expected = np.stack([_among_alike(share, mean) for mean in maps.mean[::-1]])
    around = tiles.sum(share) / tiles.pixels
    excess = around - tiles.sum(expected.mean(axis=0)) / tiles.pixels
    chance = CHANCE * np.sqrt(around / (tiles.pixels * maps.frames))
    steady = tiles.spread(excess <= at_most + chance)
    alone = shares[::-1] <= max(at_most, 1.5 * 2 / maps.frames)  # one sample is no share yet
    rarely: Mask = alone & (tiles.spread(around <= at_most) | steady & (expected <= at_most))
    return rarely


def _among_alike(share: NDArray[np.float64], mean: NDArray[np.float32]) -> NDArray[np.float64]:
    """Average a share over each pixel and those next to it in the order of brightness."""
    order = np.argsort(mean, axis=None)
    total = np.concatenate([[0.0], np.cumsum(share.ravel()[order])])
    place = np.arange(order.size)
    first, last = np.maximum(place - ALIKE, 0), np.minimum(place + ALIKE + 1, order.size)
    average = np.empty(share.shape)
    average.flat[order] = (total[last] - total[first]) / (last - first)
    return average


def _if_within(share: float, line: TransferLine | None) -> TransferLine | None:
    if line is None or not 0 < line.gain_stderr < share * line.gain:
        return None
    return line if line.zero()[1] < ZERO_KNOWN * line.gain else None


def _agree(one: TransferLine, other: TransferLine) -> bool:
    """Compare a line with one through some more pixels; their errors are largely shared."""
    (zero, zero_error), (other_zero, other_error) = one.zero(), other.zero()
    gain_limit = AGREE * _error_of_difference(one.gain_stderr, other.gain_stderr)
    zero_limit = AGREE * _error_of_difference(zero_error, other_error)
    return abs(one.gain - other.gain) <= gain_limit and abs(zero - other_zero) <= zero_limit


def _error_of_difference(error: float, smaller: float) -> float:
    return math.sqrt(max(error**2 - smaller**2, (0.1 * error) ** 2))
