"""Elementwise functions of arrays of any size, block by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["apply_blockwise"]

Floats = NDArray[np.float64]

BLOCK = 1 << 15  # elements, which stay in the cache (benchmarks/constants_reading.py)


def apply_blockwise(
    function: Callable[[Floats], NDArray[Any]], values: ArrayLike, dtype: DTypeLike = np.float64
) -> Any:
    """Apply a function of float64 blocks to values of any real dtype, shape and layout."""
    values = np.asarray(values)
    if values.dtype.kind not in "buif":
        raise TypeError(f"values have dtype {values.dtype}; they must be bool, integers or floats")
    with np.nditer(
        [values, None],
        flags=["buffered", "external_loop", "zerosize_ok"],
        op_flags=[["readonly"], ["writeonly", "allocate", "no_broadcast"]],
        op_dtypes=[np.dtype(np.float64), np.dtype(dtype)],
        casting="same_kind",
        buffersize=BLOCK,
    ) as blocks:
        for block, out in blocks:
            out[...] = function(block)
        return blocks.operands[1][()]
