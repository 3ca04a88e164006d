"""The buffers that numcodecs hands to filters, bytes or arrays, as NumPy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numcodecs.compat import ensure_contiguous_ndarray, ensure_ndarray

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["as_bytes", "as_codes", "as_float64", "flatten", "room_for_values"]

BYTES = "bBc"  # formats of a buffer that holds bytes of whatever dtype


def flatten(buf: Any) -> NDArray[Any]:
    """Return a buffer as a flat array of its own dtype, in the order in which it lies in memory.

    Parameters
    ----------
    buf : buffer or numpy.ndarray
        It is copied only if it is not contiguous; then its order is C.

    Raises
    ------
    TypeError
        If it is an array of Python objects.
    """
    array = ensure_ndarray(buf)
    if array.dtype.hasobject:
        raise TypeError("an array of Python objects has no bytes to store; give it a number dtype")
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        array = np.ascontiguousarray(array)
    return array.reshape(-1, order="A")


def as_bytes(buf: Any) -> NDArray[np.uint8]:
    """Return the bytes of a contiguous buffer, without a copy.

    Raises
    ------
    TypeError, ValueError
        If it is an array of Python objects, or not contiguous.
    """
    return np.asarray(ensure_contiguous_ndarray(buf)).view(np.uint8)


def as_codes(buf: Any, dtype: str) -> NDArray[Any]:
    """Return the bytes of a contiguous buffer as a flat array of a dtype, without a copy.

    Raises
    ------
    TypeError, ValueError
        If it is an array of Python objects, not contiguous, or not a whole number of elements.
    """
    flat = as_bytes(buf)
    if flat.size % np.dtype(dtype).itemsize:
        raise ValueError(f"a chunk of {flat.size} bytes is not a whole number of {dtype} values")
    return flat.view(dtype)


def as_float64(buf: Any) -> NDArray[np.float64]:
    """Return float64 values, in the shape and the memory order in which they come.

    Parameters
    ----------
    buf : numpy.ndarray or buffer
        Real numbers of any dtype that float64 holds exactly. A buffer of bytes that is not a NumPy
        array holds the bytes of float64 values.

    Raises
    ------
    TypeError
        If they are not real numbers.
    ValueError
        If float64 does not hold one of them exactly, or the bytes are not a whole number of values.
    """
    if not isinstance(buf, np.ndarray) and memoryview(buf).format in BYTES:
        return as_codes(buf, "<f8").view(np.float64)
    values = ensure_ndarray(buf)
    if values.dtype == np.float64:
        return values
    if values.dtype.kind not in "buif":
        raise TypeError(f"values are of dtype {values.dtype}; a filter of movies takes float64")
    with np.errstate(over="ignore"):
        converted = values.astype(np.float64)
    _refuse_rounded(values, converted)
    return converted


def _refuse_rounded(values: NDArray[Any], converted: NDArray[np.float64]) -> None:
    if values.dtype.kind not in "iu" or values.itemsize < 8:
        with np.errstate(over="ignore"):
            exact = np.array_equal(converted.astype(values.dtype), values, equal_nan=True)
    else:  # 2.0**63 and 2.0**64 do not fit into the integers they were rounded from
        inside = converted < float(np.iinfo(values.dtype).max)
        exact = bool(inside.all()) and np.array_equal(converted.astype(values.dtype), values)
    if not exact:
        raise ValueError(
            f"float64 does not hold all of these {values.dtype} values exactly; convert them first"
        )


def room_for_values(size: int, dtype: str, out: Any) -> NDArray[Any]:
    """Return where to put decoded values, flat.

    Parameters
    ----------
    size : int
        The number of values.
    dtype : str
        Their dtype.
    out : writeable buffer or None
        Where they are wanted, if anywhere: an array of `dtype`, or bytes.

    Raises
    ------
    TypeError
        If `out` is an array of another dtype.
    ValueError
        If `out` has room for another number of values.
    """
    if out is None:
        return np.empty(size, dtype)
    given = ensure_ndarray(out).dtype
    if given.itemsize > 1 and given != np.dtype(dtype):
        raise TypeError(f"out is of dtype {given}; the values are {np.dtype(dtype)}")
    room = as_codes(out, dtype)
    if room.size != size:
        raise ValueError(f"out holds {room.size} values; the chunk has {size}")
    return room
