"""Codes as numbers of at most 16 bits: without the lowest code, a common divisor, and holes."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Numbering", "number_codes"]

MOST = 1 << 16  # numbers
CACHED = 1 << 19  # bytes of a part that stays in the cache of a processor
# These are measured by benchmarks/constants.py.
FEW = 255  # numbers, whose holes are left: they take no symbols
SAMPLED = 1 << 14  # codes in which holes are looked for first
CODES_PER_VALUE = 4  # from where on a missing value is no accident
FILLED = 0.75  # share of the numbers that occur, from where on holes are left


class Numbering(NamedTuple):
    """How numbers become codes: ``lowest + unit * number``, or with ``values[number]``."""

    lowest: int  # the lowest code, which may be negative
    unit: int  # the greatest common divisor of differences of codes that span more than 2**16; or 1
    values: NDArray[np.uint16]  # in ascending order; empty if numbers are not indices
    top: int = MOST - 1  # the highest number, of those that are to be stored

    def apply(self, codes: NDArray[Any], numbers: NDArray[Any] | None = None) -> None:
        """Turn numbers into codes, unsigned; by default, the numbers are in `codes`."""
        numbers = codes if numbers is None else numbers
        if self.values.size:
            np.take(self.values.astype(codes.dtype), numbers, mode="clip", out=codes)
        elif numbers is not codes:
            codes[...] = numbers
        if self.unit > 1:
            codes *= codes.dtype.type(self.unit)
        if self.lowest:
            codes += codes.dtype.type(self.lowest % (1 << 8 * codes.itemsize))


def number_codes(codes: NDArray[Any]) -> tuple[NDArray[Any], Numbering] | None:
    """Return integer codes as numbers of 8 or 16 bits, in their shape, and how these become codes.

    The numbers may be the codes themselves. None if they need more than 16 bits.
    """
    lowest, highest = _bounds(codes)
    word = np.dtype(f"u{codes.itemsize}").type
    unit = 1
    if highest - lowest < MOST:
        short = np.uint8 if highest - lowest < 1 << 8 else np.uint16
        above = codes.view(word).astype(short, copy=False)  # modulo 2**8 or 2**16, as what follows
        low = short(lowest % (1 << 8 * above.itemsize))
        above = above - low if low else above
    else:
        wide = codes.view(word) - word(lowest % (1 << 8 * codes.itemsize))
        unit = _common_divisor(wide, most=(highest - lowest) // (MOST - 1))
        if (highest - lowest) // unit >= MOST:
            return None
        above = (wide // word(unit)).astype(np.uint16)
    values = _values_in_use(above, (highest - lowest) // unit)
    if not values.size:
        return above, Numbering(lowest, unit, values, (highest - lowest) // unit)
    index = np.zeros(MOST, np.uint16)
    index[values] = np.arange(len(values))
    return np.take(index, above, mode="clip"), Numbering(lowest, unit, values, values.size - 1)


def _bounds(codes: NDArray[Any]) -> tuple[int, int]:
    """Return the lowest and the highest code: of parts, which are read from memory once."""
    flat = codes.reshape(-1)
    parts = np.array_split(flat, -(-flat.nbytes // CACHED))
    return min(int(part.min()) for part in parts), max(int(part.max()) for part in parts)


def _common_divisor(numbers: NDArray[Any], *, most: int) -> int:
    """Return the greatest common divisor of all numbers, or 1 if it is not above `most`."""
    divisor = 0
    for part in np.array_split(numbers.reshape(-1), max(1, numbers.size // SAMPLED)):
        divisor = math.gcd(divisor, int(np.gcd.reduce(part)))
        if divisor <= most:
            return 1
    return divisor


def _values_in_use(numbers: NDArray[Any], highest: int) -> NDArray[np.uint16]:
    """Return the numbers that occur, in ascending order, if there are many holes among them."""
    none = np.zeros(0, np.uint16)
    flat = numbers.reshape(-1)
    sample = flat[:: flat.size // SAMPLED | 1]
    if highest < FEW or _is_filled(sample[::4]) or _is_filled(sample):  # the first is faster
        return none
    used = np.zeros(highest + 1, bool)
    used[flat] = True
    values = np.flatnonzero(used)
    enough = flat.size >= CODES_PER_VALUE * values.size
    return values.astype(np.uint16) if enough and values.size < FILLED * used.size else none


def _is_filled(sample: NDArray[Any]) -> bool:
    """Return whether most numbers occur, between the quartiles of a sample."""
    ordered = np.sort(sample)
    middle = ordered[ordered.size // 4 : -(ordered.size // 4) or None]
    span = int(middle[-1]) - int(middle[0]) + 1
    found = 1 + int(np.count_nonzero(np.diff(middle)))
    return middle.size >= CODES_PER_VALUE * span and found >= FILLED * span
