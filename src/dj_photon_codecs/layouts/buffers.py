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
    """Return a buffer as an array of codes in C order.

    Parameters
    ----------
    buf : buffer
        Codes, of any shape. An array in F order is taken for its transpose, which is what lies in
        memory: Zarr expects a decoded buffer in the memory order of what was encoded. Dates and
        time differences are taken for the 64-bit integers that they are.

    Raises
    ------
    TypeError
        If the codes are not real numbers of at most 8 bytes.
    ValueError
        If they take 2 GiB or more.
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
    """Return whether codes are integers of 1 byte, or little-endian on a little-endian machine.

    Examples
    --------
    >>> [is_little_endian_integer(np.dtype(name)) for name in ("|u1", "<i4", ">u2", "<f4", "|b1")]
    [True, True, False, False, False]
    """
    return dtype.kind in "iu" and dtype.isnative and not dtype.str.startswith(">")


def as_bytes(buf: Any, *, apart_from: Any = None) -> NDArray[np.uint8]:
    """Return the bytes of a contiguous buffer.

    Parameters
    ----------
    buf : buffer
        Such as a stored chunk.
    apart_from : buffer, optional
        What will be written while the bytes are read. They are copied if they may lie in it, else
        they are not.

    Raises
    ------
    TypeError, ValueError
        If `buf` is an array of Python objects, or not contiguous.
    """
    stored: NDArray[np.uint8] = np.asarray(ensure_contiguous_ndarray(buf)).view(np.uint8)
    if apart_from is not None and np.may_share_memory(stored, ensure_ndarray(apart_from)):
        return stored.copy()
    return stored


def room_for(size: int, dtype: np.dtype[Any], out: Any) -> NDArray[Any]:
    """Return an array to decode the codes of a chunk into, flat.

    Parameters
    ----------
    size : int
        The number of codes.
    dtype : numpy.dtype
        Their dtype.
    out : writeable buffer or None
        Where to put them, in the order of its memory; None for a new array.

    Raises
    ------
    TypeError
        If `out` is an array of objects.
    ValueError
        If `out` is of another size, or read-only, or not contiguous.
    """
    if out is None:
        return np.empty(size, dtype)
    room: NDArray[Any] = ensure_contiguous_ndarray(out).view(np.uint8)
    if room.size != size * dtype.itemsize:
        raise ValueError(f"out holds {room.size} bytes; the chunk has {size * dtype.itemsize}")
    if not room.flags.writeable:
        raise ValueError("out is read-only; pass a buffer that can be written")
    return room.view(dtype)
