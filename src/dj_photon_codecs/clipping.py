"""The photon transfer curve of values that are clipped at the lowest one.

A camera without enough offset writes its lowest value, usually 0, for all noise that reaches
below. That raises the mean and lowers the variance of dark pixels, and no line fits them. But how
often a pixel shows the lowest value tells what was cut off: the Poisson distribution with
Gaussian read noise, clipped, predicts mean, variance and that share from three numbers.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from dj_photon_codecs.transfer_line import binned, motion_variance

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from dj_photon_codecs.temporal_noise import NoiseMaps
    from dj_photon_codecs.transfer_line import TransferLine

    Floats = NDArray[np.float64]

__all__ = ["clipped_moments", "fit_clipped_curve"]

BRIGHTEST = 60.0  # photons; nothing is clipped there
RATES = 150
MODEL_ERROR = 0.003  # of relative variance and of shares: rates vary in a bin, and in time
STARTS = (-2.0, -0.5, 0.0, 1.0), (0.003, 0.1, 0.3, 1.0, 3.0)  # offsets, read noises; photons
LEAST = np.array([math.log(0.1), -50.0, math.log(0.002)])  # of gain, offset, read noise
MOST = np.array([math.log(10.0), 50.0, math.log(50.0)])
GOOD_FIT = 3.0  # chi squared per degree of freedom
STEPS = 40
erf = np.vectorize(math.erf, otypes=[np.float64])


def fit_clipped_curve(maps: NoiseMaps, line: TransferLine) -> TransferLine | None:
    """Find the line that the pixels would follow if the lowest value had not clipped them.

    Parameters
    ----------
    maps : NoiseMaps
        Mean, variance and share of the lowest value, of every pixel.
    line : TransferLine
        The line through all pixels, for a rough gain and for the pixels to use.

    Returns
    -------
    TransferLine or None
        None where the clipped Poisson and Gaussian distribution does not describe the movie.
    """
    found = _points(maps, line)
    if len(found) < 2 * len(LEAST):
        return None
    rates = np.concatenate([[0.0], np.geomspace(3e-3, 1.3 * found[:, 0].max() + 5, RATES)])
    probabilities = _poisson(rates)
    edge = maps.resolution / 2 / line.gain

    def misfit(parameters: Floats) -> Floats:
        gain, offset, noise = math.exp(parameters[0]), parameters[1], math.exp(parameters[2])
        photons = offset + gain * np.arange(probabilities.shape[1])
        mean, variance, share = clipped_moments(probabilities, photons, noise=noise, edge=edge)
        at = np.interp(found[:, 0], mean, rates)
        of_variance = (found[:, 1] - np.interp(at, rates, variance)) / found[:, 3]
        of_share = (found[:, 2] - np.interp(at, rates, share)) / found[:, 4]
        return np.concatenate([of_variance, of_share])

    starts = (np.array([0.0, offset, math.log(noise)]) for offset, noise in product(*STARTS))
    fits = [_least_squares(misfit, start) for start in starts]
    parameters, covariance, square = min(fits, key=lambda fit: fit[2])
    if square > GOOD_FIT * (2 * len(found) - len(LEAST)):
        return None
    return _unclipped_line(maps, line, parameters, covariance)


def clipped_moments(
    probabilities: Floats, values: Floats, *, noise: float, edge: float
) -> tuple[Floats, Floats, Floats]:
    """Return what clipping at zero leaves of mean and variance, and how often it happens.

    Parameters
    ----------
    probabilities : numpy.ndarray
        (rates, counts). Of each count, at each rate.
    values : numpy.ndarray
        (counts,). The value that each count stands for, without noise.
    noise : float
        Root mean square of the Gaussian noise, positive, in the same units.
    edge : float
        The highest value that is still written as zero.

    Returns
    -------
    tuple of numpy.ndarray
        Mean, variance, and share of zeros, at each rate.

    References
    ----------
    A. Foi, "Clipped noisy images: heteroskedastic modeling and practical denoising", Signal
    Processing 89 (2009) 2609-2629, doi:10.1016/j.sigpro.2009.04.035.

    Examples
    --------
    >>> mean, variance, share = clipped_moments(np.eye(1), np.zeros(1), noise=1.0, edge=0.0)
    >>> print(mean.round(4), variance.round(4), share)
    [0.3989] [0.3408] [0.5]
    """
    ratio = values / noise
    density = np.exp(-(ratio**2) / 2) / math.sqrt(2 * math.pi)
    above = (1 + erf(ratio / math.sqrt(2))) / 2
    first = values * above + noise * density
    second = (values**2 + noise**2) * above + values * noise * density
    zeros = (1 + erf((edge - values) / noise / math.sqrt(2))) / 2
    mean = probabilities @ first
    return mean, probabilities @ second - mean**2, probabilities @ zeros


def _points(maps: NoiseMaps, line: TransferLine) -> Floats:
    """Average pixels: rows of mean, variance, share of the lowest value, and errors of those two.

    In photons, by the gain of the line, above the lowest value.
    """
    shares = maps.at_floor / (maps.frames / 2)
    still = maps.variance.astype(np.float64) - motion_variance(line)
    quantities = (maps.mean, still, shares, still**2, shares**2)
    count, (mean, variance, share, square, square_share) = binned(maps, line.kept, *quantities)
    mean, variance = (mean + maps.origin - maps.floor) / line.gain, variance / line.gain**2
    chance = np.maximum(square / line.gain**4 - variance**2, 0) / count
    chance_share = np.maximum(square_share - share**2, 0) / count
    error = np.sqrt(chance + (MODEL_ERROR * variance) ** 2)
    error_share = np.sqrt(chance_share + MODEL_ERROR**2)
    rows = np.stack([mean, variance, share, error, error_share], axis=1)
    return rows[(mean < BRIGHTEST) & (error > 0)]


def _poisson(rates: Floats) -> Floats:
    counts = np.arange(int(rates[-1] + 8 * math.sqrt(rates[-1])) + 10)
    logarithms = np.cumsum(np.log(np.maximum(counts, 1)))
    with np.errstate(divide="ignore", invalid="ignore"):
        exponents = counts * np.log(rates[:, None]) - rates[:, None] - logarithms
    exponents[rates == 0] = np.where(counts == 0, 0, -np.inf)
    probabilities: Floats = np.exp(exponents)
    return probabilities


def _least_squares(
    misfit: Callable[[Floats], Floats], start: Floats
) -> tuple[Floats, Floats, float]:
    """Minimise by the method of Levenberg and Marquardt: parameters, covariance, sum of squares."""
    here, residual, damping = start, misfit(start), 0.01
    slopes = _slopes(misfit, here, residual)
    for _ in range(STEPS):
        curvature = slopes.T @ slopes
        damped = curvature + damping * np.diag(np.diag(curvature) + 1e-9)
        step = np.clip(np.linalg.solve(damped, -slopes.T @ residual), -0.7, 0.7)
        there = np.clip(here + step, LEAST, MOST)
        tried = misfit(there)
        gained = residual @ residual - tried @ tried
        if gained <= 0:
            damping *= 6
            continue
        here, residual, damping = there, tried, damping / 5
        slopes = _slopes(misfit, here, residual)
        if gained < 1e-4 * (residual @ residual):
            break
    covariance: Floats = np.linalg.pinv(slopes.T @ slopes)
    return here, covariance, float(residual @ residual)


def _slopes(misfit: Callable[[Floats], Floats], here: Floats, residual: Floats) -> Floats:
    step = 1e-4
    return np.stack([(misfit(here + one) - residual) / step for one in step * np.eye(3)], axis=1)


def _unclipped_line(
    maps: NoiseMaps, line: TransferLine, parameters: Floats, covariance: Floats
) -> TransferLine:
    """Turn gain, offset and read noise, in photons of the old line, into a line in ADU."""
    gain, noise = line.gain * math.exp(parameters[0]), line.gain * math.exp(parameters[2])
    distance = maps.origin - maps.floor - line.gain * parameters[1]
    by_parameter = np.array([[gain * distance, -gain * line.gain, 2 * noise**2], [gain, 0, 0]])
    return replace(
        line,
        gain=gain,
        intercept=noise**2 + gain * distance,
        covariance=by_parameter @ covariance @ by_parameter.T,
        clipped=True,
    )
