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

from dj_photon_codecs.calibration.transfer_line import binned, motion_variance

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from dj_photon_codecs.calibration.noise_maps import NoiseMaps
    from dj_photon_codecs.calibration.transfer_line import TransferLine

    Floats = NDArray[np.float64]

__all__ = ["clipped_moments", "fit_clipped_curve"]

BRIGHTEST = 60.0  # photons; brighter pixels are not clipped, and a line tells their gain
UNCLIPPED = 120.0  # photons
RATES = 150
VARIANCE_ERROR = 0.003  # relative, of the model: rates vary within a bin, and in time
SHARE_ERROR = 0.01
OFFSETS = (-2.0, -0.5, 0.0, 1.0)  # photons, to start from
NOISES = (0.003, 0.1, 0.3, 1.0, 3.0)  # photons
LEAST = np.array([math.log(0.1), -50.0, math.log(0.002)])  # of gain, offset, read noise
MOST = np.array([math.log(10.0), 50.0, math.log(50.0)])
GOOD_FIT = 3.0  # chi squared per degree of freedom
AS_GOOD, UNDECIDED = 4.0, 20.0  # of chi squared, that a line may be worse by: believed, and kept
STEPS = 40
COARSE = 0.1  # photons; rounding to finer steps than this may be averaged over
NODES = np.linspace(-8, 8, 8001)
NORMAL = np.array([math.erfc(-node / math.sqrt(2)) / 2 for node in NODES])


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
        `line` itself where it explains how often the lowest value occurs, not vouched for if
        clipping explains that somewhat better; None where no clipped distribution does.
    """
    found = _points(maps, line)
    if len(found) < 2 * len(LEAST):
        return None
    rates = np.concatenate([[0.0], np.geomspace(3e-3, 1.3 * found[:, 0].max() + 5, RATES)])
    probabilities, step = _poisson(rates), maps.resolution / line.gain

    def misfit(parameters: Floats) -> Floats:
        mean, variance, share = _model(parameters, probabilities, step)
        at = np.interp(found[:, 0], mean, rates)
        of_variance = (found[:, 1] - np.interp(at, rates, variance)) / found[:, 3]
        of_share = (found[:, 2] - np.interp(at, rates, share)) / found[:, 4]
        return np.concatenate([of_variance, of_share])

    starts = [np.array([0.0, offset, math.log(s)]) for offset, s in product(OFFSETS, NOISES)]
    fits = [_least_squares(misfit, start) for start in starts]
    parameters, covariance, square = min(fits, key=lambda fit: fit[2])
    scatter = square / (2 * len(found) - len(LEAST))
    if scatter > GOOD_FIT:
        return None
    zero, zero_error = line.zero()
    zero = (zero + maps.origin - maps.floor) / line.gain
    limits = np.array([line.gain_stderr, zero_error]) / line.gain

    def misfit_of_line(parameters: Floats) -> Floats:
        intercept, gain = _straight(parameters, step)
        return np.append(
            misfit(parameters), np.array([gain - 1, -intercept / gain - zero]) / limits
        )

    starts = [parameters, *(np.array([0.0, zero + s**2, math.log(s)]) for s in NOISES)]
    worse = min(_least_squares(misfit_of_line, start)[2] for start in starts) - square
    if worse < UNDECIDED * max(scatter, 1.0):
        return line if worse < AS_GOOD else replace(line, vouched=False)
    return _unclipped_line(maps, line, parameters, covariance)


def clipped_moments(values: Floats, *, noise: float, step: float) -> tuple[Floats, Floats, Floats]:
    """Return what remains of noisy values that are rounded, and clipped at zero.

    Parameters
    ----------
    values : numpy.ndarray
        Values without noise, in photons.
    noise : float
        Root mean square of the Gaussian noise that is added, positive, in photons.
    step : float
        The difference between values that can be written, in photons; 0 for no rounding.

    Returns
    -------
    tuple of numpy.ndarray
        The mean of what is written, the mean of its square, and the share of zeros.

    References
    ----------
    A. Foi, "Clipped noisy images: heteroskedastic modeling and practical denoising", Signal
    Processing 89 (2009) 2609-2629, doi:10.1016/j.sigpro.2009.04.035.

    Examples
    --------
    >>> mean, square, zeros = clipped_moments(np.array([0.0, 9.0]), noise=1.0, step=0.0)
    >>> print(mean.round(4), square.round(4), zeros.round(4))
    [0.3989 9.    ] [ 0.5 82. ] [0.5 0. ]
    """
    if step > COARSE:
        steps = np.arange(1, int((values.max() + 6 * noise) / step) + 2)
        reached = _normal((values[:, None] / step - steps + 0.5) * (step / noise))
        mean, square = step * reached.sum(axis=1), step**2 * (reached @ (2.0 * steps - 1))
        return mean, square, 1 - reached[:, 0]
    edge = step / 2
    above = _normal((values - edge) / noise)
    density = noise * np.exp(-(((values - edge) / noise) ** 2) / 2) / math.sqrt(2 * math.pi)
    square = (values**2 + noise**2 + step**2 / 12) * above + (values + edge) * density
    return values * above + density, square, 1 - above


def _normal(x: Floats) -> Floats:
    """Return the normal distribution function, to 1e-6."""
    distribution: Floats = np.interp(x, NODES, NORMAL)
    return distribution


def _model(parameters: Floats, probabilities: Floats, step: float) -> tuple[Floats, Floats, Floats]:
    """Return mean, variance and share of zeros at each rate, in photons by the old gain."""
    gain, offset, noise = math.exp(parameters[0]), parameters[1], math.exp(parameters[2])
    values = offset + gain * np.arange(probabilities.shape[1])
    moments = clipped_moments(values, noise=noise, step=step)
    mean, square, zeros = (probabilities @ moment for moment in moments)
    return mean, square - mean**2, zeros


def _points(maps: NoiseMaps, line: TransferLine) -> Floats:
    """Average pixels: rows of mean, variance, share of the lowest value, and errors of those two.

    In photons, by the gain of the line, above the lowest value.
    """
    still = maps.variance.astype(np.float64) - motion_variance(line)
    quantities = (maps.mean, still, maps.at_floor, still**2, maps.at_floor**2)
    count, (mean, variance, share, square, square_share) = binned(maps, line.kept, *quantities)
    mean, variance = (mean + maps.origin - maps.floor) / line.gain, variance / line.gain**2
    chance = np.maximum(square / line.gain**4 - variance**2, 0) / count
    chance_share = np.maximum(square_share - share**2, 0) / count
    error = np.sqrt(chance + (VARIANCE_ERROR * variance) ** 2)
    error_share = np.sqrt(chance_share + SHARE_ERROR**2)
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
    covariance = np.linalg.pinv(slopes.T @ slopes).astype(np.float64)
    return here, covariance, float(residual @ residual)


def _slopes(
    misfit: Callable[[Floats], Floats], here: Floats, residual: Floats, *, step: float = 1e-4
) -> Floats:
    return np.stack([(misfit(here + one) - residual) / step for one in step * np.eye(3)], axis=1)


def _straight(parameters: Floats, step: float) -> Floats:
    """Follow the model to where nothing is clipped: intercept and gain of the line from there."""
    mean, variance, _ = _model(parameters, _poisson(np.array([UNCLIPPED])), step)
    gain = math.exp(parameters[0])
    return np.array([variance[0] - gain * mean[0], gain])


def _unclipped_line(
    maps: NoiseMaps, line: TransferLine, parameters: Floats, covariance: Floats
) -> TransferLine:
    """Draw the line of the model, from the lowest value to the origin of the maps."""
    step = maps.resolution / line.gain
    to_origin = np.array([[1, (maps.origin - maps.floor) / line.gain], [0, 1]])
    units = np.array([line.gain**2, line.gain])

    def straight(parameters: Floats) -> Floats:
        return units * (to_origin @ _straight(parameters, step))

    found = straight(parameters)
    # So far from the lowest value, the rounding of sums of squares would hide a smaller step.
    slopes = _slopes(straight, parameters, found, step=0.02)
    return replace(
        line,
        gain=float(found[1]),
        intercept=float(found[0]),
        covariance=slopes @ covariance @ slopes.T,
        clipped=True,
    )
