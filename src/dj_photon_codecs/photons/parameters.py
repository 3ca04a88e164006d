"""Checks of the numbers that describe a camera: gain, offset and variance."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

__all__ = ["check_parameters", "finite"]

SMALLEST, LARGEST = 1e-30, 1e30  # gain, between which no value of any dtype overflows
FARTHEST = 2.0**50  # photons from zero
LOST = "or float64 could not tell one photon from the next"


def finite(name: str, value: Any) -> float:
    """Return a real, finite number as a float; `name` says what it is, in the message.

    Anything else is a `TypeError`, or a `ValueError` if it is not finite.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is {value!r}; it must be a real number")
    try:
        number = float(value)
    except OverflowError:  # of an integer beyond 1.8e308
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} is {number!r}; it must be finite")
    return number


def check_parameters(gain: float, offset: float, variance: float) -> None:
    """Refuse parameters with which the transform cannot work, with a `ValueError`.

    A gain beyond 1e-30 to 1e30 ADU per photon, an offset farther than 2**50 photons from zero, a
    variance beyond 0 to 2**50 photons squared.
    """
    for name, value in (("gain", gain), ("offset", offset), ("variance", variance)):
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value!r}; it must be finite")
    if gain <= 0:
        raise ValueError(f"gain is {gain!r}; it must be positive, in ADU per photon")
    if variance < 0:
        raise ValueError(f"variance is {variance!r}; it must be >= 0, in ADU squared")
    if not SMALLEST <= gain <= LARGEST:
        raise ValueError(
            f"gain is {gain!r}; it must be between {SMALLEST:g} and {LARGEST:g} ADU per photon"
        )
    if abs(offset) > FARTHEST * gain:
        raise ValueError(
            f"offset is {offset!r}; with a gain of {gain!r} it must be at most "
            f"{FARTHEST * gain:.4g} ADU from zero, {LOST}"
        )
    if variance > FARTHEST * gain * gain:
        raise ValueError(
            f"variance is {variance!r}; with a gain of {gain!r} it must be at most "
            f"{FARTHEST * gain * gain:.4g} ADU squared, {LOST}"
        )
