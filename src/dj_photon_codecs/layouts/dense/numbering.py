"""Codes as small numbers: without the lowest code, a common divisor, and holes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.dense.renumbering import renumber, values_in_use

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Numbering", "number_codes"]

CODES_PER_VALUE = 16  # codes for each possible value, from where on a missing value is no accident


class Numbering(NamedTuple):
    """How numbers become codes: ``lowest + unit * number``, or ``lowest + unit * values[number]``.

    Attributes
    ----------
    lowest : int
        The lowest code, which may be negative.
    unit : int
        The greatest common divisor of all differences of codes; at least 1.
    values : ndarray of unsigned integers
        In ascending order; empty if numbers are not indices.
    """

    lowest: int
    unit: int
    values: NDArray[Any]

    def apply(self, codes: NDArray[Any]) -> None:
        """Turn numbers into codes, in place.

        Parameters
        ----------
        codes : ndarray of unsigned integers
            Numbers, in an array of the size of the codes.
        """
        if self.values.size:
            codes[...] = np.take(self.values.astype(codes.dtype), codes, mode="clip")
        if self.unit > 1:
            codes *= codes.dtype.type(self.unit)
        if self.lowest:
            codes += codes.dtype.type(self.lowest % (1 << 8 * codes.itemsize))


def number_codes(codes: NDArray[Any], *, most: int) -> tuple[NDArray[Any], Numbering] | None:
    """Return codes as small numbers.

    Parameters
    ----------
    codes : ndarray of integers, shape (frames, height, width)
        At least one.
    most : int
        The limit of the numbers, exclusive.

    Returns
    -------
    numbers : ndarray of unsigned integers, shape (frames, height, width)
        In the smallest dtype that holds them.
    numbering : Numbering
        How they become codes. None instead of both if the numbers would reach `most`.

    Examples
    --------
    >>> numbers, numbering = number_codes(np.array([[[-48, -16, -32, 0]]], "i2"), most=100)
    >>> numbers.tolist(), numbering.lowest, numbering.unit
    ([[[0, 2, 1, 3]]], -48, 16)
    """
    lowest, highest = int(codes.min()), int(codes.max())
    word = np.dtype(f"u{codes.itemsize}").type
    above = (
        codes.view(word) - word(lowest % (1 << 8 * codes.itemsize)) if lowest else codes.view(word)
    )
    unit = _common_divisor(above)
    if (highest - lowest) // unit >= most:
        return None
    if unit > 1:
        above = above // word(unit)
    above = above.astype(np.min_scalar_type((highest - lowest) // unit), copy=False)
    enough = codes.size >= CODES_PER_VALUE * ((highest - lowest) // unit)
    values = values_in_use(above.reshape(len(above), -1)) if enough else None
    if values is None:
        return above, Numbering(lowest, unit, np.zeros(0, above.dtype))
    return renumber(above, values), Numbering(lowest, unit, values)


def _common_divisor(above: NDArray[Any]) -> int:
    divisor = 0
    for frame in above:
        divisor = math.gcd(divisor, int(np.gcd.reduce(frame.ravel())))
        if divisor == 1:
            break
    return max(divisor, 1)
