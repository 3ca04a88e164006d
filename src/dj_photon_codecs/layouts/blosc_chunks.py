"""Buffers of Blosc 1, decompressed after the sizes in their header were checked.

Blosc 1 reads as many bytes as the header says, even beyond the end of a buffer that was truncated,
and numcodecs allocates as many. So both are compared first with the size of the buffer, and with
the size that is expected.

References
----------
The format: README_CHUNK_FORMAT.rst of c-blosc 1.21.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numcodecs import Blosc
from numcodecs.compat import ensure_contiguous_ndarray

from dj_photon_codecs.layouts.layout import DamagedChunk

if TYPE_CHECKING:
    from numcodecs.abc import Codec
    from numpy.typing import NDArray

__all__ = [
    "BLOSC_HEADER",
    "MAX_BYTES",
    "blosc_sizes",
    "decode_compressed",
    "decompress",
    "decompressed_size",
]

MAX_BYTES = 1 << 31  # that Blosc 1 compresses in one buffer
BLOSC_HEADER = 16  # bytes
BLOSC = Blosc()  # decompresses all buffers of Blosc, whatever its parameters


def blosc_sizes(stored: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Return the sizes in the header of a buffer of Blosc, in bytes.

    Parameters
    ----------
    stored : ndarray of uint8
        At least `BLOSC_HEADER` bytes.

    Returns
    -------
    decompressed, block, compressed : int
        The size of what was compressed, of its blocks, and of the buffer.
    """
    decompressed, block, compressed = stored[4:BLOSC_HEADER].view("<u4").tolist()
    return decompressed, block, compressed


def decompressed_size(stored: NDArray[np.uint8], *, least: int, most: int) -> int:
    """Return how many bytes a buffer of Blosc decompresses to.

    Parameters
    ----------
    stored : ndarray of uint8
        The buffer.
    least, most : int
        The smallest and the largest legal number.

    Raises
    ------
    DamagedChunk
        If it is another number, or the buffer was cut.
    """
    if stored.size < BLOSC_HEADER:
        raise DamagedChunk(
            f"damaged chunk: {stored.size} bytes are too few for the header of Blosc"
        )
    decompressed, _, compressed = blosc_sizes(stored)
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


def decompress(stored: NDArray[np.uint8], *, out: NDArray[Any]) -> None:
    """Decompress a buffer of Blosc that decompresses to the size of an array, into that.

    Raises
    ------
    DamagedChunk
        If it does not.
    """
    decompressed_size(stored, least=out.nbytes, most=out.nbytes)
    try:
        BLOSC.decode(stored, out=out)
    except RuntimeError as error:
        raise DamagedChunk(f"damaged chunk: {error}") from error


def decode_compressed(stored: Any, *, compressor: Codec, most: int = MAX_BYTES) -> Any:
    """Decompress a chunk with its compressor.

    Parameters
    ----------
    stored : buffer
        What the compressor returned.
    compressor : numcodecs.abc.Codec
        Any. For numcodecs' Blosc the sizes in the header are checked first; a class of its own
        may have another format.
    most : int
        How many bytes Blosc may decompress to.

    Returns
    -------
    buffer
        What was compressed.

    Raises
    ------
    DamagedChunk
        If a buffer of Blosc is damaged, as far as that shows.
    """
    if type(compressor) is not Blosc:
        return compressor.decode(stored)
    buffer = ensure_contiguous_ndarray(stored).view(np.uint8)
    decompressed_size(buffer, least=0, most=most)
    try:
        return compressor.decode(buffer)
    except RuntimeError as error:
        raise DamagedChunk(f"damaged chunk: {error}") from error
