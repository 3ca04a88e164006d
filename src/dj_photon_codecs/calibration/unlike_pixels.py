"""Pixels that differ in offset or in read noise, as those of sCMOS cameras do."""

from __future__ import annotations

import math
from dataclasses import replace

from dj_photon_codecs.calibration.noise_maps import NoiseMaps
from dj_photon_codecs.calibration.photon_transfer import fit_transfer_line
from dj_photon_codecs.calibration.transfer_line import TransferLine

__all__ = ["allow_for_offsets", "cut_factor"]

# benchmarks/constants_calibration.py tries other values of these.
BEYOND = 2.0  # standard errors; benchmarks/calibration_accuracy.py reaches 1 with equal offsets
LOOSE = 7.0  # sigma, of outliers; the usual cut also takes pixels of merely high read noise
UNSEEN = 1.5  # times the change from cut to cut; the error of sCMOS in benchmarks/detectors.py


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
