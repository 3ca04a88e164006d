"""The gain estimator of the package anscombe-transform, with its refusals in words."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

__all__ = ["estimate_gain"]


def estimate_gain(movie: Any) -> tuple[float, float]:
    """Call ``anscombe_transform.estimate.compute_conversion_gain`` with a movie of whole numbers.

    All of it is read into memory, and negative values count as 0 in that package. Returns the gain
    in ADU per photon, and the value at which the variance is zero, in ADU.

    Raises
    ------
    ValueError
        If the movie holds fractions, or the package finds no gain.
    """
    from anscombe_transform.estimate import compute_conversion_gain  # noqa: PLC0415

    values = np.asarray(movie[:])
    if values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
        raise ValueError(
            f"movie holds fractions ({values.dtype}), or values that are not finite, which "
            "method 'anscombe-transform' would cut off. Use method='folds'"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # what is not a number is refused below
            found = compute_conversion_gain(values)
    except (AssertionError, ValueError) as error:
        raise ValueError(
            f"method 'anscombe-transform' found no gain: {error} It needs more than 100 adjoining "
            "camera values, all of them frequent, which photon counts and small gains do not "
            "have. Use method='folds'"
        ) from error
    gain, zero = float(found["conversion_gain"]), float(found["zero_level"])
    if not (np.isfinite(zero) and gain > 0):
        raise ValueError(
            f"method 'anscombe-transform' found a gain of {gain:g} and a zero level of {zero:g}, "
            "which no camera has. Use method='folds'"
        )
    return gain, zero
