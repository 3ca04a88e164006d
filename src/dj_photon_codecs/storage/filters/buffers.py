"""The buffers that numcodecs hands to filters, bytes or arrays, as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.compat import ensure_ndarray
from numpy.typing import NDArray

from dj_photon_codecs.layouts.buffers import as_bytes, room_for

__all__ = ["as_codes", "as_float64", "flatten", "room_for_values"]

BYTES = "bBc"  # formats of a buffer that holds bytes of whatever dtype


def flatten(buf: Any) -> NDArray[Any]:
    """Return a buffer as a flat array of its own dtype, in the order in which it lies in memory.

    It is copied only if it is not contiguous; then its order is C. Python objects are refused.
    """
    array = ensure_ndarray(buf)
    if array.dtype.hasobject:
        raise TypeError("an array of Python objects has no bytes to store; give it a number dtype")
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        array = np.ascontiguousarray(array)
    return array.reshape(-1, order="A")


def as_codes(buf: Any, dtype: str, *, apart_from: Any = None) -> NDArray[Any]:
    """Return the bytes of a contiguous buffer as a flat array of a dtype, as `as_bytes` does.

    It is a `ValueError` if they are not a whole number of elements.
    """
    flat = as_bytes(buf, apart_from=apart_from)
    if flat.size % np.dtype(dtype).itemsize:
        raise ValueError(f"a chunk of {flat.size} bytes is not a whole number of {dtype} values")
    return flat.view(dtype)


def as_float64(buf: Any) -> NDArray[np.float64]:
    """Return float64 values, in the shape and the memory order in which they come.

    A buffer that is not a NumPy array holds the bytes of little-endian ones. Those of another dtype
    are a `TypeError`: Zarr takes what a filter decodes for values of its array's own dtype, so that
    an array of integers, or of big-endian floats, would read back as other numbers.
    """
    if not isinstance(buf, np.ndarray) and memoryview(buf).format in BYTES:
        return as_codes(buf, "<f8").view(np.float64)
    values: NDArray[Any] = ensure_ndarray(buf)
    if values.dtype != np.dtype("<f8"):
        raise TypeError(
            f"values are of dtype {values.dtype}; a filter of movies takes float64, and decodes to "
            "it, so that an array of another dtype would read back as other numbers. Create the "
            "array with dtype='<f8'"
        )
    return values.view(np.float64)


def room_for_values(size: int, dtype: str, out: Any) -> NDArray[Any]:
    """Return where to put decoded values, flat: in `out`, an array or bytes, if that is given.

    An `out` of another dtype is a `TypeError`, one of another size, or read-only, a `ValueError`.
    """
    found = np.dtype(dtype) if out is None else ensure_ndarray(out).dtype
    if found.itemsize > 1 and found != np.dtype(dtype):
        raise TypeError(f"out is of dtype {found}; the values are {np.dtype(dtype)}")
    return room_for(size, np.dtype(dtype), out)
