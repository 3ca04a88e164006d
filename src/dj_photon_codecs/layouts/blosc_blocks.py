"""One chunk that Blosc compresses, on all processors, and decompressed so.

Blosc shares the blocks of a chunk out before it starts, the first half to one thread and the rest
to another, and only if the main thread asks. Of codes grouped by their noise the blocks differ:
some are noise, and stored as they are, in others each byte is decoded. So here each thread takes
the next block when it is done with one. Compressed blocks do not know of each other: those of parts
of a chunk, put together, are those of the chunk.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numcodecs import Blosc, zstd

from dj_photon_codecs.layouts.chunks import BLOSC_HEADER, MAX_BYTES, decompressed_size
from dj_photon_codecs.layouts.threads import usable_processors

if TYPE_CHECKING:
    from numcodecs.abc import Codec
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

__all__ = ["compress", "decompress_alone"]

# The format of the chunk, that of Zstd in it, and the flags: Zstd, blocks not split by the bytes
# of a number, neither shuffled nor all of them stored as they are.
# After them, and the size of a number, come the sizes of all codes, of a block, of the chunk.
KNOWN = [2, 1, 0b100_1_0000]
SMALLEST = 1 << 22  # bytes, below which a thread, on a busy machine, starts later than all is done
SHORTEST = 1 << 18  # bytes of a block, below which finding it takes too much of the time
PART = 1 << 20  # bytes, at least, that a thread is started for to compress them
AS_IT_IS = 0b10  # the flag of a chunk that did not become smaller, and has no blocks
ZSTD = b"\x28\xb5\x2f\xfd"  # how a frame of Zstd begins


def compress(values: NDArray[Any], *, compressor: Codec) -> bytes:
    """Compress a chunk, on all processors.

    Parameters
    ----------
    values : numpy.ndarray
        What to compress, contiguous.
    compressor : numcodecs.abc.Codec
        Any. Large chunks for Blosc, with a size of blocks of its own, are compressed in parts.

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
    length = compressor.blocksize if type(compressor) is Blosc else 0
    number = min(usable_processors(), values.nbytes // max(PART, length)) if length else 1
    if number < 2 or length % values.itemsize:
        return bytes(compressor.encode(values))
    size = values.nbytes // length // number * (length // values.itemsize)
    edges = [size * each for each in range(number)] + [values.size]
    flat = values.reshape(-1)
    with ThreadPoolExecutor(number, thread_name_prefix="photon") as pool:
        parts = pool.map(compressor.encode, [flat[i:j] for i, j in pairwise(edges)])
        stored = [np.frombuffer(part, np.uint8) for part in parts]
    return _joined(stored) or bytes(compressor.encode(values))


def _joined(parts: list[Bytes]) -> bytes:
    """Return the chunk of which these are the parts; nothing if one of them has no blocks."""
    if any(part[2] & AS_IT_IS for part in parts):
        return b""
    tables, blocks = zip(*map(_table_and_blocks, parts), strict=True)
    header = parts[0][:BLOSC_HEADER].copy()
    first = BLOSC_HEADER + sum(table.nbytes for table in tables)
    starts = accumulate((block.size for block in blocks[:-1]), initial=first)
    table = np.concatenate([each + start for each, start in zip(tables, starts, strict=True)])
    size = first + sum(block.size for block in blocks)
    whole = sum(_sizes(part)[0] for part in parts)
    header[4:].view("<u4")[:] = whole, _sizes(parts[0])[1], size
    return b"".join(each.tobytes() for each in (header, table.astype("<i4"), *blocks))


def _table_and_blocks(part: Bytes) -> tuple[NDArray[np.int32], Bytes]:
    """Return where the blocks of a chunk start, and these blocks, from the first one on."""
    size, length, _ = _sizes(part)
    first = BLOSC_HEADER + 4 * -(-size // length)
    return part[BLOSC_HEADER:first].view("<i4") - first, part[first:]


def _sizes(stored: Bytes) -> list[int]:
    """Return the sizes of what was compressed, of a block, and of the chunk."""
    return [int(each) for each in stored[4:BLOSC_HEADER].view("<u4")]


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
