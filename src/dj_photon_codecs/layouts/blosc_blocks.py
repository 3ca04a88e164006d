"""Buffers of Blosc, compressed and decompressed block by block in threads of our own.

Blosc 1 starts threads only for calls from the main thread, and gives each of them a fixed share of
the blocks. But blocks of grouped codes take unequal time, since some are stored uncompressed. Here
a thread takes the next block when it is done with one. Blocks are independent of each other, so
that the buffers of parts of a chunk can be joined to that of the chunk.

References
----------
The format of a buffer: README_CHUNK_FORMAT.rst of c-blosc 1.21. That of a Zstandard frame:
RFC 8878, doi:10.17487/RFC8878.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numcodecs import Blosc, zstd

from dj_photon_codecs.layouts.blosc_chunks import (
    BLOSC_HEADER,
    MAX_BYTES,
    blosc_sizes,
    decode_compressed,
    decompressed_size,
)
from dj_photon_codecs.layouts.layout import DamagedChunk
from dj_photon_codecs.layouts.threads import in_threads, usable_processors

if TYPE_CHECKING:
    from numcodecs.abc import Codec
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

__all__ = ["compress", "decompress_alone"]

# Version of Blosc's format, version of Zstd's, and flags: compressed by Zstd, a block is one
# stream, neither bytes nor bits are shuffled, blocks are compressed.
ZSTD_BLOCKS = [2, 1, 0b100_1_0000]
NOT_COMPRESSED = 0b10  # the flag of a buffer that did not become smaller, and has no blocks
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"  # the first bytes of a Zstandard frame
# With less, threads cost more time than they save.
SMALLEST_CHUNK = 1 << 22  # bytes to decompress
SMALLEST_BLOCK = 1 << 18  # bytes of a block to decompress
SMALLEST_PART = 1 << 20  # bytes to compress in a thread


def compress(values: NDArray[Any], *, compressor: Codec) -> bytes:
    """Compress a chunk, in threads where its blocks allow it.

    Parameters
    ----------
    values : numpy.ndarray
        What to compress, contiguous.
    compressor : numcodecs.abc.Codec
        Any. Threads are used for numcodecs' Blosc with a block size of its own.

    Returns
    -------
    bytes
        What ``compressor.encode`` returns.

    Examples
    --------
    >>> compressor = Blosc("zstd", clevel=1, shuffle=Blosc.BITSHUFFLE, blocksize=1 << 19)
    >>> counts = np.random.default_rng(0).poisson(3, 4_000_000).astype("u2")
    >>> compress(counts, compressor=compressor) == compressor.encode(counts)
    True
    """
    block = compressor.blocksize if type(compressor) is Blosc else 0
    parts = min(usable_processors(), values.nbytes // max(SMALLEST_PART, block)) if block else 1
    if parts < 2 or block % values.itemsize:
        return bytes(compressor.encode(values))
    size = values.nbytes // block // parts * (block // values.itemsize)
    edges = [size * part for part in range(parts)] + [values.size]
    flat = values.reshape(-1)
    compressed = in_threads(compressor.encode, [flat[i:j] for i, j in pairwise(edges)])
    joined = _joined([np.frombuffer(part, np.uint8) for part in compressed])
    return joined or bytes(compressor.encode(values))


def decompress_alone(stored: Bytes, *, compressor: Codec, most: int = MAX_BYTES) -> Any:
    """Decompress a chunk while no other chunk is decompressed, in threads where that is faster.

    Parameters
    ----------
    stored : ndarray of uint8
        What the compressor returned.
    compressor : numcodecs.abc.Codec
        Any. Threads are used for large chunks of numcodecs' Blosc with Zstd and no shuffle.
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

    Examples
    --------
    >>> compressor = Blosc("zstd", clevel=1, shuffle=Blosc.NOSHUFFLE, blocksize=1 << 20)
    >>> counts = np.random.default_rng(0).poisson(3, 10_000_000).astype("u1")
    >>> stored = np.frombuffer(compressor.encode(counts), np.uint8)
    >>> bool((decompress_alone(stored, compressor=compressor) == counts).all())
    True
    """
    if not _has_large_zstd_blocks(stored, compressor) or usable_processors() < 2:
        return decode_compressed(stored, compressor=compressor, most=most)
    values = np.empty(decompressed_size(stored, least=SMALLEST_CHUNK, most=most), np.uint8)
    in_threads(_decompress, _blocks(stored, values=values))
    return values


def _joined(parts: list[Bytes]) -> bytes:
    """Return the buffer of the whole from those of its parts; b"" if one of these has no blocks."""
    if any(part[2] & NOT_COMPRESSED for part in parts):
        return b""
    tables, blocks = zip(*map(_table_and_blocks, parts), strict=True)
    header = parts[0][:BLOSC_HEADER].copy()
    first = BLOSC_HEADER + sum(table.nbytes for table in tables)
    starts = accumulate((block.size for block in blocks[:-1]), initial=first)
    table = np.concatenate([own + start for own, start in zip(tables, starts, strict=True)])
    size = first + sum(block.size for block in blocks)
    whole = sum(blosc_sizes(part)[0] for part in parts)
    header[4:].view("<u4")[:] = whole, blosc_sizes(parts[0])[1], size
    return b"".join(piece.tobytes() for piece in (header, table.astype("<i4"), *blocks))


def _table_and_blocks(part: Bytes) -> tuple[NDArray[np.int32], Bytes]:
    """Return where the blocks of a buffer start, relative to the first, and the blocks."""
    size, block, _ = blosc_sizes(part)
    first = BLOSC_HEADER + 4 * -(-size // block)
    return part[BLOSC_HEADER:first].view("<i4") - first, part[first:]


def _has_large_zstd_blocks(stored: Bytes, compressor: Codec) -> bool:
    # a subclass may have another format
    if type(compressor) is not Blosc or stored.size < BLOSC_HEADER:
        return False
    size, block, _ = blosc_sizes(stored)
    return stored[:3].tolist() == ZSTD_BLOCKS and size >= SMALLEST_CHUNK and block >= SMALLEST_BLOCK


def _blocks(stored: Bytes, *, values: Bytes) -> list[tuple[Bytes, Bytes]]:
    """Return each block as it is stored, and where to decompress it to."""
    block = blosc_sizes(stored)[1]
    number = -(-values.size // block)
    table = stored[BLOSC_HEADER : BLOSC_HEADER + 4 * number]
    if table.size < 4 * number:
        raise DamagedChunk(f"damaged chunk: {stored.size} bytes for a table of {number} blocks")
    starts = np.frombuffer(table.tobytes(), "<i4").tolist()
    return [
        (_block(stored, start), values[begin : begin + block])
        for start, begin in zip(starts, range(0, values.size, block), strict=True)
    ]


def _block(stored: Bytes, start: int) -> Bytes:
    first = start + 4  # after its size
    if not BLOSC_HEADER <= start <= stored.size - 4:
        raise DamagedChunk(f"damaged chunk: a block at {start} of {stored.size} bytes")
    size = int.from_bytes(stored[start:first].tobytes(), "little")
    if size > stored.size - first:
        raise DamagedChunk(f"damaged chunk: {size} bytes of a block at {start} of {stored.size}")
    return stored[first : first + size]


def _decompress(block_and_values: tuple[Bytes, Bytes]) -> None:
    block, values = block_and_values
    if block.size == values.size:  # how Blosc stores a block that does not become smaller
        values[...] = block
        return
    if _frame_size(block) != values.size:  # a shorter frame would leave the rest unset
        raise DamagedChunk(f"damaged chunk: a block of {block.size} bytes for {values.size}")
    try:
        zstd.decompress(block, values)
    except RuntimeError as error:
        raise DamagedChunk(f"damaged chunk: {error}") from error


def _frame_size(frame: Bytes) -> int:
    """Return what a Zstandard frame says it decompresses to, or -1 if it is no frame."""
    head = frame[:14].tobytes().ljust(14, b"\0")
    if head[:4] != ZSTD_MAGIC:
        return -1
    single_segment, width = head[4] >> 5 & 1, head[4] >> 6
    first = 6 - single_segment  # other frames have a byte for the window before it
    size = int.from_bytes(head[first : first + (single_segment, 2, 4, 8)[width]], "little")
    return size + 256 * (width == 1)
