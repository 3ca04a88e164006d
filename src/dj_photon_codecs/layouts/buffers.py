"""Buffers of codes as numcodecs and Zarr hand them over: checked, and of the right size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.compat import ensure_contiguous_ndarray, ensure_ndarray
from numpy.typing import NDArray

from dj_photon_codecs.layouts.blosc_chunks import MAX_BYTES

__all__ = ["DTYPES", "as_bytes", "check_codes", "is_little_endian_integer", "room_for"]

# Booleans, integers and floating-point numbers of up to 8 bytes, in either byte order, by the name
# that the header of a chunk has for them.
DTYPES = {
    dtype.str.encode(): dtype
    for code in "?bhilqBHILQefd"
    for dtype in (np.dtype(code), np.dtype(code).newbyteorder())
}


def check_codes(buf: Any) -> NDArray[Any]:
    """Return a buffer as an array of codes in C order, of any shape.

    An array in F order is taken for its transpose, which is what lies in memory: Zarr expects a
    decoded buffer in the memory order of what was encoded. Dates and time differences are taken for
    the 64-bit integers that they are. What are no real numbers of at most 8 bytes is a `TypeError`,
    2 GiB of codes or more a `ValueError`.
    """
    codes = ensure_ndarray(buf)
    if codes.dtype.kind in "mM":
        codes = codes.view(codes.dtype.str.replace(codes.dtype.str[1:], "i8"))
    if codes.dtype.str.encode() not in DTYPES:
        raise TypeError(f"codes are of dtype {codes.dtype}; they must be numbers of 1 to 8 bytes")
    if codes.nbytes >= MAX_BYTES:
        raise ValueError(
            f"a chunk of {codes.nbytes} bytes is too large, the limit is {MAX_BYTES - 1}: "
            "put fewer frames in a chunk"
        )
    in_f_order = codes.flags.f_contiguous and not codes.flags.c_contiguous
    return np.ascontiguousarray(codes.T if in_f_order else codes)


def is_little_endian_integer(dtype: np.dtype[Any]) -> bool:
    """Return whether codes are integers of 1 byte, or little-endian where the machine is so."""
    return dtype.kind in "iu" and dtype.isnative and not dtype.str.startswith(">")


def as_bytes(buf: Any, *, apart_from: Any = None) -> NDArray[np.uint8]:
    """Return the bytes of a contiguous buffer, such as a stored chunk.

    They are copied if they may lie in `apart_from`, which will be written while they are read. An
    array of Python objects, or one that is not contiguous, is a `TypeError` or a `ValueError`.
    """
    if type(buf) is np.ndarray and buf.dtype == np.uint8 and buf.flags.c_contiguous:
        stored: NDArray[np.uint8] = buf.reshape(-1)  # soon, as most buffers are
    else:
        stored = np.asarray(ensure_contiguous_ndarray(buf)).view(np.uint8)
    if apart_from is not None and np.may_share_memory(stored, ensure_ndarray(apart_from)):
        return stored.copy()
    return stored


def room_for(size: int, dtype: np.dtype[Any], out: Any) -> NDArray[Any]:
    """Return a flat array to decode so many codes of a chunk into: a new one, or in `out`.

    A buffer of another size, or that is read-only or not contiguous, is a `ValueError`, an array of
    objects a `TypeError`.
    """
    if out is None:
        return np.empty(size, dtype)
    room: NDArray[Any] = ensure_contiguous_ndarray(out).view(np.uint8)
    if room.size != size * dtype.itemsize:
        raise ValueError(f"out holds {room.size} bytes; the chunk has {size * dtype.itemsize}")
    if not room.flags.writeable:
        raise ValueError("out is read-only; pass a buffer that can be written")
    return room.view(dtype)
