"""Buffers of Blosc 1, decompressed after the sizes in their header were checked.

Blosc 1 reads as many bytes as the header says, even beyond the end of a buffer that was truncated,
and numcodecs allocates as many. So both are compared first with the size of the buffer, and with
the size that is expected.

References
----------
The format: README_CHUNK_FORMAT.rst of c-blosc 1.21.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numcodecs import Blosc
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray
from numpy.typing import NDArray

from dj_photon_codecs.layouts.layout import DamagedChunk, WholeChunk

__all__ = ["MAX_BYTES", "decode_compressed", "decompress", "decompressed_size", "plain_chunk"]

MAX_BYTES = 1 << 31  # that Blosc 1 compresses in one buffer
BLOSC_HEADER = 16  # bytes
COPIED = 2  # flag in its third byte: of what was not compressed, since it became no smaller
BLOSC = Blosc()  # decompresses all buffers of Blosc, whatever its parameters


def decompressed_size(stored: NDArray[np.uint8], *, least: int, most: int) -> int:
    """Return how many bytes a buffer of Blosc decompresses to.

    Another number than `least` to `most`, or a buffer that was cut, is a `DamagedChunk`.
    """
    if stored.size < BLOSC_HEADER:
        raise DamagedChunk(
            f"damaged chunk: {stored.size} bytes are too few for the header of Blosc"
        )
    decompressed, _, compressed = stored[4:BLOSC_HEADER].view("<u4").tolist()
    if compressed != stored.size:
        raise DamagedChunk(
            f"damaged chunk: {stored.size} bytes of Blosc, whose header says {compressed}"
        )
    if not least <= decompressed <= most:
        raise DamagedChunk(
            f"damaged chunk: Blosc's header says {decompressed} bytes of codes, where {least} to "
            f"{most} are legal"
        )
    return decompressed


def plain_chunk(
    stored: NDArray[np.uint8], shape: tuple[int, int], dtype: np.dtype[Any]
) -> WholeChunk:
    """Open a chunk of codes in the order of frames, which Blosc compressed."""
    size = math.prod(shape) * dtype.itemsize
    decompressed_size(stored, least=size, most=size)
    return WholeChunk(shape, dtype, lambda codes, _start: decompress(stored, out=codes))


def decompress(stored: NDArray[np.uint8], *, out: NDArray[Any]) -> None:
    """Decompress a buffer of Blosc into an array, to whose size it decompresses if undamaged."""
    decompressed_size(stored, least=out.nbytes, most=out.nbytes)
    try:
        BLOSC.decode(stored, out=out)
    except RuntimeError as error:
        raise DamagedChunk(f"damaged chunk: {error}") from error


def decode_compressed(stored: Any, *, compressor: Codec, most: int = MAX_BYTES) -> Any:
    """Decompress a chunk with its compressor, whichever codec that is.

    For numcodecs' Blosc the sizes in the header are checked first, so that at most so many bytes
    are decompressed; a class of its own may have another format.
    """
    if type(compressor) is not Blosc:
        return compressor.decode(stored)
    buffer = ensure_contiguous_ndarray(stored).view(np.uint8)
    size = decompressed_size(buffer, least=0, most=most)
    if buffer[2] & COPIED and buffer.size == BLOSC_HEADER + size:
        return buffer[BLOSC_HEADER:]
    try:
        return compressor.decode(buffer)
    except RuntimeError as error:
        raise DamagedChunk(f"damaged chunk: {error}") from error
