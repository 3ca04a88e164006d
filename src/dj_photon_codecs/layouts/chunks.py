"""Chunks of codes, whatever their layout: which there may be, and those that Blosc compressed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numcodecs.compat import ensure_contiguous_ndarray, ensure_ndarray

from dj_photon_codecs.layouts.blosc_chunks import MAX_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "DTYPES",
    "GOLDEN",
    "MAX_BYTES",
    "check_chunk",
    "count_varying",
    "frames_repeat",
    "room_for",
    "sample_patches",
]

DTYPES = {
    dtype.str.encode(): dtype
    for code in "?bhilqBHILQefd"
    for dtype in (np.dtype(code), np.dtype(code).newbyteorder())
}
GOLDEN = (math.sqrt(5) - 1) / 2  # steps of so much of a length are in step with no period in it
PATCHES = 8  # of a sample, or more where a patch would be narrower than it may be
ROWS = 4  # of a patch


def check_chunk(buf: Any) -> NDArray[Any]:
    """Return a buffer as a contiguous array of codes.

    Parameters
    ----------
    buf : array_like
        Codes, of any shape.

    Raises
    ------
    ValueError
        If the codes are not numbers of at most 8 bytes, or are 2 GiB or more.
    """
    chunk = np.ascontiguousarray(ensure_ndarray(buf))
    if chunk.dtype.str.encode() not in DTYPES:
        raise ValueError(f"codes are of dtype {chunk.dtype}; they must be numbers of 1 to 8 bytes")
    if chunk.nbytes >= MAX_BYTES:
        raise ValueError(
            f"a chunk of {chunk.nbytes} bytes is too large, the limit is {MAX_BYTES - 1}: "
            "put fewer frames in a chunk"
        )
    return chunk


def count_varying(frames: NDArray[Any]) -> int:
    """Count the frames before those that are of one value, bit for bit the same in all.

    Parameters
    ----------
    frames : numpy.ndarray
        Codes, shape (frames, ...).

    Examples
    --------
    >>> count_varying(np.array([[1, 1], [2, 1], [0, 0], [0, 0]]))
    2
    """
    bits = frames.view(f"u{frames.itemsize}")
    number = len(frames) if frames.size else 0
    while number and (bits[number - 1] == bits.flat[-1]).all():
        number -= 1
    return number


def frames_repeat(frames: NDArray[Any]) -> bool:
    """Return whether any frames are the same, apart from those that are of one value.

    Parameters
    ----------
    frames : numpy.ndarray
        Codes, shape (frames, ...), or those of some pixels.

    Examples
    --------
    >>> frames_repeat(np.array([[1, 2], [0, 0], [0, 0], [2, 1]]))
    False
    >>> frames_repeat(np.array([[1, 2], [0, 0], [1, 2]]))
    True
    """
    flat = frames.reshape(len(frames), -1)
    varying = flat[(flat != flat[:, :1]).any(axis=1)]
    return len({frame.tobytes() for frame in varying}) < len(varying)


def sample_patches(values: NDArray[Any], size: int, *, columns: int) -> NDArray[Any]:
    """Take patches of pixels, spread over the frame, in all frames.

    Parameters
    ----------
    values : numpy.ndarray
        Values or codes, shape (frames, ..., columns).
    size : int
        About how many of them to take; all if there are not many more.
    columns : int
        Of a patch, at least, if a frame has as many.

    Returns
    -------
    numpy.ndarray
        Shape (frames, patches, pixels); of all values, that of the frames.

    Examples
    --------
    >>> sample_patches(np.zeros((100, 128, 128), "u1"), 1 << 15, columns=16).shape
    (100, 6, 64)
    """
    frames = values.reshape(len(values), -1, values.shape[-1])
    height = min(ROWS, frames.shape[1])
    width = min(max(columns, size // (PATCHES * len(frames) * height)), frames.shape[2])
    number = -(-size // (len(frames) * height * width))
    if number * len(frames) * height * width * 2 > values.size:
        return frames
    tops = ((np.arange(number) + 0.5) / number * (frames.shape[1] - height)).astype(int)
    lefts = ((np.arange(number) + 0.5) * GOLDEN % 1 * (frames.shape[2] - width)).astype(int)
    patches = [
        frames[:, top : top + height, left : left + width].reshape(len(frames), -1)
        for top, left in zip(tops.tolist(), lefts.tolist(), strict=True)
    ]
    return np.stack(patches, axis=1)


def room_for(size: int, dtype: np.dtype[Any], out: Any) -> NDArray[Any]:
    """Return where to put the codes of a chunk, flat.

    Parameters
    ----------
    size : int
        The number of codes.
    dtype : numpy.dtype
        Their dtype.
    out : writeable buffer or None
        Where they shall be put, if anywhere.

    Raises
    ------
    ValueError
        If `out` is of another size.
    """
    if out is None:
        return np.empty(size, dtype)
    room: NDArray[Any] = ensure_contiguous_ndarray(out).view(np.uint8)
    if room.size != size * dtype.itemsize:
        raise ValueError(f"out holds {room.size} bytes; the chunk has {size * dtype.itemsize}")
    return room.view(dtype)
