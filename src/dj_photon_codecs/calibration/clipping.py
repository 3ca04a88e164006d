"""The photon transfer curve of values that are clipped at the lowest one.

A camera whose offset is too small writes its lowest value, usually 0, wherever noise would take
the value below it. That raises the mean and lowers the variance of dark pixels, so that they do
not lie on a straight line. The share of the lowest value in each pixel tells how much was cut
off. A model with three parameters (gain, offset and read noise of Poisson counts with Gaussian
noise, clipped) predicts mean, variance and that share; it is fitted to pixels binned by
brightness, and the line that unclipped values would follow is computed from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.calibration.noise_maps import NoiseMaps
from dj_photon_codecs.calibration.transfer_line import TransferLine, binned, motion_variance

__all__ = ["clipped_moments", "fit_clipped_curve"]

Floats = NDArray[np.float64]

# benchmarks/constants_calibration.py tries other values of these.
BRIGHTEST = 60.0  # photons; brighter pixels are not clipped, and are left to the straight line
UNCLIPPED = 120.0  # photons; the model's variance is a straight line from here on
RATES = 150  # at which the model is computed; between them it is interpolated
VARIANCE_ERROR = 0.003  # relative error of the model's variance: rates differ within a bin
SHARE_ERROR = 0.01  # error of the model's share of the lowest value, for the same reason
OFFSETS = (-2.0, -0.5, 0.0, 1.0)  # photons; the fit starts from each of them
NOISES = (0.003, 0.1, 0.3, 1.0, 3.0)  # photons rms; likewise
LEAST = np.array([math.log(0.1), -50.0, math.log(0.002)])  # of log gain, offset, log read noise
MOST = np.array([math.log(10.0), 50.0, math.log(50.0)])
GOOD_FIT = 3.0  # chi squared per degree of freedom up to which the model describes the movie
AS_GOOD = 4.0  # of chi squared: a line that fits worse by less is as good as the model
UNDECIDED = 20.0  # of chi squared: a line that fits worse by less is kept, but not vouched for
STEPS = 40  # of the least-squares fit, at most
COARSE = 0.1  # photons; the rounding to larger steps than this is computed value by value
NODES = np.linspace(-8, 8, 8001)
NORMAL = np.array([math.erfc(-node / math.sqrt(2)) / 2 for node in NODES])


def fit_clipped_curve(maps: NoiseMaps, line: TransferLine) -> TransferLine | None:
    """Find the line that the pixels would follow if their values were not clipped.

    The straight `line` through all pixels gives a rough gain, and the pixels to use. It is returned
    itself if unclipped values or photon counts explain how often the lowest value occurs, with
    ``vouched=False`` if clipping explains it somewhat better. Otherwise the line of the clipped
    model is returned; None if that does not fit either.
    """
    points = _points(maps, line)
    if len(points) < 2 * len(LEAST):
        return None
    rates = np.concatenate([[0.0], np.geomspace(3e-3, 1.3 * points[:, 0].max() + 5, RATES)])
    probabilities, step = _poisson(rates), maps.resolution / line.gain

    def misfit(parameters: Floats) -> Floats:
        mean, variance, share = _model(parameters, probabilities, step)
        at = np.interp(points[:, 0], mean, rates)
        of_variance = (points[:, 1] - np.interp(at, rates, variance)) / points[:, 3]
        of_share = (points[:, 2] - np.interp(at, rates, share)) / points[:, 4]
        return np.concatenate([of_variance, of_share])

    starts = [np.array([0.0, offset, math.log(s)]) for offset, s in product(OFFSETS, NOISES)]
    fits = [_least_squares(misfit, start) for start in starts]
    parameters, covariance, square = min(fits, key=lambda fit: fit[2])
    scatter = square / (2 * len(points) - len(LEAST))
    if scatter > GOOD_FIT:
        return None
    if step > COARSE:  # photon counts have a gain of one step, and honest zeros
        of_counts = misfit(np.array([math.log(step), 0.0, LEAST[2]]))
        if of_counts @ of_counts - square < UNDECIDED * max(scatter, 1.0):
            return line
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
    """Return mean, mean square and share of zeros of noisy values, rounded, and clipped at 0.

    All in photons: `values` without noise, the standard deviation of the Gaussian `noise`,
    positive, and the `step` between adjacent values of the camera, 0 for no rounding.

    References
    ----------
    A. Foi, "Clipped noisy images: heteroskedastic modeling and practical denoising", Signal
    Processing 89 (2009) 2609-2629, doi:10.1016/j.sigpro.2009.04.035.
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
    """Return mean, variance and share of zeros at each rate, in photons by the gain of the line.

    The parameters are the logarithm of the gain, the offset, and the logarithm of the read noise.
    """
    gain, offset, noise = math.exp(parameters[0]), parameters[1], math.exp(parameters[2])
    values = offset + gain * np.arange(probabilities.shape[1])
    moments = clipped_moments(values, noise=noise, step=step)
    mean, square, zeros = (probabilities @ moment for moment in moments)
    return mean, square - mean**2, zeros


def _points(maps: NoiseMaps, line: TransferLine) -> Floats:
    """Average pixels of like brightness.

    Returns rows of mean, variance, share of the lowest value, and the standard errors of the last
    two: in photons by the gain of the line, with the lowest value as zero.
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
    """Minimise a sum of squares by the method of Levenberg and Marquardt.

    Returns the parameters, their covariance, and the sum of squares.
    """
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
    """Return intercept and gain of the model's line, from where nothing is clipped."""
    mean, variance, _ = _model(parameters, _poisson(np.array([UNCLIPPED])), step)
    gain = math.exp(parameters[0])
    return np.array([variance[0] - gain * mean[0], gain])


def _unclipped_line(
    maps: NoiseMaps, line: TransferLine, parameters: Floats, covariance: Floats
) -> TransferLine:
    """Return the line of the model in ADU, with its intercept at the origin of the maps."""
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
