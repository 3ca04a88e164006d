"""Codes as small numbers, without what all of them have in common."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.grouped.renumbering import renumber, values_in_use

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Numbering", "number_codes"]


CODES_PER_VALUE = 16  # at least, where holes among the values are looked for


class Numbering(NamedTuple):
    """What numbers stand for: the lowest code, plus so many units, or one of some values.

    Attributes
    ----------
    lowest : int
        The lowest code, below zero or not.
    unit : int
        What the difference of any two codes is a multiple of; at least 1.
    values : ndarray of unsigned integers
        If there are any: how many units are above the lowest code, for each number.
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
    """Number codes.

    Parameters
    ----------
    codes : ndarray of integers, shape (frames, height, width)
        At least one.
    most : int
        The numbers must be below it.

    Returns
    -------
    numbers : ndarray of unsigned integers, shape (frames, height, width)
        In the smallest dtype that holds them.
    numbering : Numbering
        What they stand for. Instead of both None, if there are too many.

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
    # of few codes in a wide range, some are missing by chance
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
