"""One chunk that Blosc compressed, decompressed on all processors.

Blosc shares the blocks of a chunk out before it starts, the first half to one thread and the rest
to another, and only if the main thread asks. Of codes grouped by their noise the blocks differ:
some are noise, and stored as they are, in others each byte is decoded. So here each thread takes
the next block when it is done with one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numcodecs import Blosc, zstd

from dj_photon_codecs.chunks import BLOSC_HEADER, MAX_BYTES, decompressed_size
from dj_photon_codecs.processors import usable_processors

if TYPE_CHECKING:
    from numcodecs.abc import Codec
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

__all__ = ["decompress_alone"]

# The format of the chunk, that of Zstd in it, and the flags: Zstd, blocks not split by the bytes
# of a number, neither shuffled nor all of them stored as they are.
# After them, and the size of a number, come the sizes of all codes, of a block, of the chunk.
KNOWN = [2, 1, 0b100_1_0000]
SMALLEST = 1 << 23  # bytes, below which a thread, on a busy machine, starts later than all is done
SHORTEST = 1 << 18  # bytes of a block, below which finding it takes too much of the time
ZSTD = b"\x28\xb5\x2f\xfd"  # how a frame of Zstd begins


def decompress_alone(stored: Bytes, *, compressor: Codec) -> Any:
    """Decompress a chunk, on all processors where nothing else is decompressed meanwhile.

    Parameters
    ----------
    stored : ndarray of uint8
        What the compressor returned.
    compressor : numcodecs.abc.Codec
        Any. Large chunks of Blosc's, of Zstd without a shuffle, are decompressed block by block,
        all others as `compressor.decode` does it.

    Returns
    -------
    buffer
        What was compressed.

    Raises
    ------
    ValueError
        If such a chunk of Blosc's is damaged, as far as that shows.

    References
    ----------
    The format of a chunk: README_CHUNK_FORMAT.rst of c-blosc 1.21. That of a frame: RFC 8878,
    doi:10.17487/RFC8878.

    Examples
    --------
    >>> compressor = Blosc("zstd", clevel=1, shuffle=Blosc.NOSHUFFLE, blocksize=1 << 20)
    >>> counts = np.random.default_rng(0).poisson(3, 10_000_000).astype("u1")
    >>> stored = np.frombuffer(compressor.encode(counts), np.uint8)
    >>> bool((decompress_alone(stored, compressor=compressor) == counts).all())
    True
    """
    if not _is_known(stored, compressor) or usable_processors() < 2:
        return compressor.decode(stored)
    size = decompressed_size(stored, least=SMALLEST, most=MAX_BYTES - 1)
    values = np.empty(size, np.uint8)
    _decompress_all(_blocks(stored, values=values))
    return values


def _is_known(stored: Bytes, compressor: Codec) -> bool:
    if (
        type(compressor) is not Blosc or stored.size < BLOSC_HEADER
    ):  # another class decodes as it likes
        return False
    size, length = stored[4:12].view("<u4").tolist()
    return stored[:3].tolist() == KNOWN and size >= SMALLEST and length >= SHORTEST


def _blocks(stored: Bytes, *, values: Bytes) -> list[tuple[Bytes, Bytes]]:
    """Return each block as it is stored, and where to decompress it to."""
    length = int(stored[8:12].view("<u4")[0])
    number = -(-values.size // length)
    table = stored[BLOSC_HEADER : BLOSC_HEADER + 4 * number]
    if table.size < 4 * number:
        raise ValueError(f"damaged chunk: {stored.size} bytes for a table of {number} blocks")
    starts = np.frombuffer(table.tobytes(), "<i4").tolist()
    return [
        (_block(stored, start), values[begin : begin + length])
        for start, begin in zip(starts, range(0, values.size, length), strict=True)
    ]


def _block(stored: Bytes, start: int) -> Bytes:
    first = start + 4  # after its size
    if not BLOSC_HEADER <= start <= stored.size - 4:
        raise ValueError(f"damaged chunk: a block at {start} of {stored.size} bytes")
    size = int.from_bytes(stored[start:first].tobytes(), "little")
    if size > stored.size - first:
        raise ValueError(f"damaged chunk: {size} bytes of a block at {start} of {stored.size}")
    return stored[first : first + size]


def _decompress_all(blocks: list[tuple[Bytes, Bytes]]) -> None:
    """Decompress blocks on all processors; this thread is one of those that do it."""
    left = iter(blocks)  # that threads may share

    def work() -> None:
        for block, values in left:
            _decompress(block, values=values)

    others = min(usable_processors(), len(blocks)) - 1
    with ThreadPoolExecutor(max(1, others), thread_name_prefix="photon") as pool:
        started = [pool.submit(work) for _ in range(others)]
        work()
        for each in started:
            each.result()


def _decompress(block: Bytes, *, values: Bytes) -> None:
    if block.size == values.size:  # so Blosc marks a block that would not become smaller
        values[...] = block
        return
    if _frame_size(block) != values.size:  # of which Zstd would leave the rest as it is
        raise ValueError(f"damaged chunk: a block of {block.size} bytes for {values.size}")
    try:
        zstd.decompress(block, values)
    except RuntimeError as error:
        raise ValueError(f"damaged chunk: {error}") from error


def _frame_size(frame: Bytes) -> int:
    """Return what a frame of Zstd says it decompresses to, or -1 if that is no frame."""
    head = frame[:14].tobytes().ljust(14, b"\0")
    if head[:4] != ZSTD:
        return -1
    single, width = head[4] >> 5 & 1, head[4] >> 6
    first = 6 - single  # a frame that is not a single segment has a byte for its window
    size = int.from_bytes(head[first : first + (single, 2, 4, 8)[width]], "little")
    return size + 256 * (width == 1)
