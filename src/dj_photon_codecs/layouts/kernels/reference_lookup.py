"""Many small numbers looked up in a table: of codes, their values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.layouts.kernels.reference_rans import refuse

__all__ = ["look_up"]


def look_up(table: NDArray[Any], numbers: NDArray[np.unsignedinteger], values: NDArray[Any]) -> int:
    """Put the entry of each number, and return how many there are.

    Parameters
    ----------
    table : ndarray of 4 or 8 bytes an entry
        In C order, as are all arrays.
    numbers : ndarray of uint8 or uint16
        If one is beyond the table, 0 is returned, and any values may be put.
    values : ndarray of the dtype of the table, of the size of `numbers`
    """
    refuse(numbers.size != values.size or numbers.itemsize > 2)
    refuse(table.itemsize != values.itemsize or table.itemsize not in (4, 8))
    if numbers.max(initial=0) >= table.size:
        return 0
    np.take(table.reshape(-1), numbers.reshape(-1), out=values.reshape(-1), mode="clip")
    return numbers.size
