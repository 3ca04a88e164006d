"""Codes of transformed values, quantised in steps of the noise: ``round(y / step)``."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.photons.table_lookup import look_up
from dj_photon_codecs.photons.transform import generalized_anscombe

__all__ = ["check_step", "quantize", "stepped_codes", "stepped_dtype"]

Floats = NDArray[np.float64]

INTEGERS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")


def check_step(step: Any) -> float:
    """Return a quantisation step, ``0 < step <= 1`` standard deviation of the noise."""
    if isinstance(step, (bool, np.bool_)) or not isinstance(step, Real):
        raise TypeError(f"step is {step!r}; it must be a number, 0 < step <= 1, or None for exact")
    exact: Any = step  # an integer may be beyond float64
    if not 0 < exact <= 1:
        raise ValueError(
            f"step is {step}; it must be 0 < step <= 1 standard deviation of the noise. Half a "
            "standard deviation adds 1.04 % to the noise, 1 adds 4.1 %; from 2 on no decoding "
            "is unbiased. None stores the values exactly"
        )
    return float(step)


def quantize(y: ArrayLike, step: float, *, dtype: DTypeLike) -> NDArray[Any]:
    """Return the codes of transformed values, ``round(y / step)``, half to even.

    So ``abs(step * code - y) <= step / 2``, but for the rounding of y itself. The dtype is of
    integers, such as `stepped_dtype` returns; codes never wrap: where one does not fit, or a value
    is not finite, it is a `ValueError`.
    """
    codes = np.asarray(np.true_divide(y, check_step(step), dtype=np.float64))
    np.rint(codes, out=codes)
    if codes.size and not _holds(dtype, codes.min(), codes.max()):
        raise ValueError(
            f"codes from {codes.min():.17g} to {codes.max():.17g} do not fit into "
            f"{np.dtype(dtype)}; take the dtype from stepped_dtype, and finite values"
        )
    return codes.astype(dtype)


def stepped_codes(
    values: NDArray[Any], calibration: Calibration, *, step: float, dtype: DTypeLike
) -> NDArray[Any]:
    """Return the codes of camera values: those that `quantize` gives to their transforms.

    Integers are faster than floats where their range holds fewer numbers than there are values:
    every number is then transformed once only. The dtype is what `stepped_dtype` returned. It is a
    `ValueError` as there, and where something writes to integers meanwhile.
    """
    possible = _possible(values)
    codes = quantize(_transform(possible, calibration), step, dtype=dtype)
    return codes if possible is values else _from_table(codes, values, first=possible[0])


def stepped_dtype(
    lowest: float, highest: float, calibration: Calibration, *, step: float
) -> np.dtype[Any]:
    """Return the smallest dtype for the codes of all values in a range, ADU.

    It is of little-endian integers, unsigned where possible. Since the transform never falls, every
    value between `lowest` and `highest` has a code that fits. A limit that is not finite, or whose
    code would need more than 64 bits, is a `ValueError`.
    """
    limits = np.array([lowest, highest], np.float64)
    codes = np.rint(_transform(limits, calibration) / check_step(step))
    for name in INTEGERS:
        if _holds(name, codes.min(), codes.max()):
            return np.dtype(name).newbyteorder("<")
    raise ValueError(
        f"values from {lowest} to {highest} have no 64-bit codes in steps of {step}; they must be "
        "finite. Replace such values, or store the movie exactly, with step=None"
    )


def _possible(values: NDArray[Any]) -> NDArray[Any]:
    """Return all numbers from the lowest integer to the highest, or `values` if that is fewer."""
    if values.dtype.kind not in "iu" or not values.size:
        return values
    lowest, highest = values.min(), values.max()
    number = int(highest) - int(lowest) + 1
    if number >= values.size:
        return values
    unsigned = f"u{values.itemsize}"  # sums and differences of signed numbers wrap into it
    return (np.arange(number, dtype=unsigned) + lowest.view(unsigned)).view(lowest.dtype)


def _from_table(table: NDArray[Any], values: NDArray[Any], *, first: Any) -> NDArray[Any]:
    """Look values up in a table whose first entry belongs to the value `first`."""
    numbers = (values - first).view(f"u{values.itemsize}").reshape(-1)
    if numbers.max() >= table.size:
        raise ValueError(
            "movie has changed while it was coded. Let nothing write to it until that is over"
        )
    found = np.empty(values.shape, table.dtype)
    look_up(table, numbers, out=found.reshape(-1))
    return found


def _transform(x: NDArray[Any], parameters: Calibration) -> Floats:
    y = generalized_anscombe(x, parameters.gain, parameters.offset, parameters.variance)
    return np.asarray(y, np.float64)


def _holds(dtype: DTypeLike, lowest: float, highest: float) -> bool:
    """Say whether whole numbers fit; those beyond 2**53 are compared as they are, not rounded."""
    limits = np.iinfo(dtype)
    return float(limits.min) <= lowest and highest < float(limits.max // 2 + 1) * 2
