"""A line through points whose abscissae are measured with errors that the ordinates share."""

import numpy as np
import pytest

from dj_photon_codecs.calibration.instrumental_regression import instrumental_regression

SHAPE = (2, 64, 64)


def points(seed):
    """Two measurements of an abscissa; an ordinate, 5 + 2 x, that shares the error of the first."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(-1, 1, SHAPE)
    error = rng.normal(size=SHAPE)
    return 5 + 2 * true + 3 * error, true + error, true + rng.normal(size=SHAPE)


def regress(seed=0, weights=None):
    response, measured, again = points(seed)
    ones = np.ones(SHAPE)
    return instrumental_regression(
        response,
        [ones, measured],
        [ones, again],
        weights=ones if weights is None else weights,
    )


def test_shared_errors_do_not_bias_the_slope():
    (intercept, slope), covariance = regress()
    assert intercept == pytest.approx(5, abs=4 * np.sqrt(covariance[0, 0]))
    assert slope == pytest.approx(2, abs=4 * np.sqrt(covariance[1, 1]))


def test_the_standard_error_is_that_of_repetitions():
    found = [regress(seed) for seed in range(60)]
    slopes = [coefficients[1] for coefficients, _ in found]
    told = np.mean([np.sqrt(covariance[1, 1]) for _, covariance in found])
    assert told == pytest.approx(np.std(slopes), rel=0.3)


def test_weights_choose():
    weights = np.zeros(SHAPE)
    weights[0] = 1
    response, measured, again = points(0)
    response[1] = 1e6
    ones = np.ones(SHAPE)
    solution = instrumental_regression(response, [ones, measured], [ones, again], weights=weights)
    assert solution is not None
    assert solution[0][1] == pytest.approx(2, abs=1)


def test_points_above_each_other_have_no_slope():
    flat = np.ones(SHAPE)
    assert instrumental_regression(flat, [flat, 0 * flat], [flat, 0 * flat], weights=flat) is None
