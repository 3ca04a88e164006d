"""The photon transfer curve: which pixels of a movie tell how the noise grows with the light.

The variance of photon-limited values grows by the gain with each unit of their mean, but for
pixels that saturate, and for dark ones whose noise is cut off at the lowest value.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dj_photon_codecs.clipping import fit_clipped_curve
from dj_photon_codecs.noise_correlation import CORRELATED, correlate_noise
from dj_photon_codecs.tiles import Tiles
from dj_photon_codecs.transfer_line import TransferLine, draw_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.temporal_noise import NoiseMaps

    Mask = NDArray[np.bool_]

__all__ = ["fit_transfer_line"]

CLIPPED = 0.002  # share of samples at the end of the scale that lowers a variance by .5 %
TOUCHING = 0.001  # share of pixels at the floor that is worth a second fit
SURE = 0.01  # relative standard error of a gain that needs no model of clipping
PRECISE = 0.1  # relative standard error of a gain that can judge another
ZERO_KNOWN = 0.5  # photons, standard error of the zero level
AGREE = 2.5  # sigma


def fit_transfer_line(maps: NoiseMaps) -> TransferLine | None:
    """Draw the line through the pixels that nothing but photons and read noise disturbs.

    Parameters
    ----------
    maps : NoiseMaps
        Mean and variance of every pixel.

    Returns
    -------
    TransferLine or None
        None where no line can be drawn. Saturated pixels are left out. Pixels that touch the
        lowest value of the movie may be honest zeros (photon counts) or clipped (camera values
        whose noise reaches below zero): they count if a line without them agrees, or else one
        that allows for the clipping.
    """
    if not maps.variance.any():
        return None
    tiles = Tiles(*maps.mean.shape[1:])
    bright = (maps.runs > 0).all(axis=0) & _rarely(maps.at_ceiling, maps, tiles)
    above = bright & _rarely(maps.at_floor, maps, tiles)
    whole = draw_line(maps, bright, tiles=tiles)
    touching = np.count_nonzero(bright & ~above)
    if whole is None or whole.gain <= 0 or touching <= TOUCHING * np.count_nonzero(bright):
        return whole
    reference = _reference(maps, whole, draw_line(maps, above, tiles=tiles))
    if reference is None:
        return replace(whole, vouched=False)
    return whole if _agree(reference, whole) else reference


def _reference(
    maps: NoiseMaps, whole: TransferLine, above: TransferLine | None
) -> TransferLine | None:
    """Choose the line that judges: through the pixels above the floor, or a model of clipping."""
    lines = [above]
    if not _within(SURE, above) and correlate_noise(maps, whole).horizontal < CORRELATED:
        lines.insert(0, fit_clipped_curve(maps, whole))
    return next((line for line in lines if _within(PRECISE, line)), None)


def _rarely(shares: NDArray[np.float32], maps: NoiseMaps, tiles: Tiles) -> Mask:
    """Find pixels that show a value rarely: around them, and themselves in the other fold."""
    around = tiles.spread(tiles.sum(shares.mean(axis=0)) / tiles.pixels)
    one_sample = 2 / maps.frames
    rarely: Mask = (around <= CLIPPED) & (shares[::-1] <= max(CLIPPED, 1.5 * one_sample))
    return rarely


def _within(share: float, line: TransferLine | None) -> bool:
    if line is None or not 0 < line.gain_stderr < share * line.gain:
        return False
    return line.zero()[1] < ZERO_KNOWN * line.gain


def _agree(one: TransferLine, other: TransferLine) -> bool:
    """Compare a line with one through some more pixels; their errors are largely shared."""
    (zero, zero_error), (other_zero, other_error) = one.zero(), other.zero()
    gain_limit = AGREE * _error_of_difference(one.gain_stderr, other.gain_stderr)
    zero_limit = AGREE * _error_of_difference(zero_error, other_error)
    return abs(one.gain - other.gain) <= gain_limit and abs(zero - other_zero) <= zero_limit


def _error_of_difference(error: float, smaller: float) -> float:
    return math.sqrt(max(error**2 - smaller**2, (0.1 * error) ** 2))
