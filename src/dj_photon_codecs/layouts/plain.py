"""Codes in the order of frames, compressed by Blosc, where that is the smaller way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numcodecs import Blosc, get_codec

from dj_photon_codecs.layouts.repeats import Repeats, find_repeats, look_alike, patches_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["compress_below", "compress_plain", "count_varying"]

# Blocks of twice the size that Blosc chooses are compressed faster, and smaller, in movies; in
# blocks of many frames, zstd finds frames that repeat. With few matches, a lower level can be
# smaller than the one above.
COMPRESSORS = (
    Blosc(cname="zstd", clevel=5, shuffle=Blosc.BITSHUFFLE, blocksize=1 << 19),
    Blosc(cname="zstd", clevel=5, shuffle=Blosc.SHUFFLE),
    Blosc(cname="zstd", clevel=3, shuffle=Blosc.NOSHUFFLE, blocksize=1 << 24),
    Blosc(cname="zstd", clevel=2, shuffle=Blosc.NOSHUFFLE, blocksize=1 << 24),
)
FASTEST = Blosc(cname="zstd", clevel=1, shuffle=Blosc.BITSHUFFLE)  # noise is as small
# Multiples of the golden ratio, modulo 1, are spread evenly, and in step with nothing periodic.
GOLDEN = (np.sqrt(5) - 1) / 2
FIRST_AND_ALL = slice(64), slice(None)  # of the codes of a frame: what is compared
OVERHEAD = 43  # bytes that a buffer has however well its sample is compressed
# These are measured by benchmarks/constants.py.
STRETCH = 1 << 10  # bytes that a sample takes from one place
SMALL = 1 << 16  # bytes of a chunk of which no sample is taken
SPARSE = 256  # times smaller, from where on all of a chunk is compressed as fast as a sample
# Of each sample: bytes, at least, and the share that it is of a chunk; and the size of the chunk
# without compression, relative to that of the sample, up to which no more is looked at.
PROBE = 1 << 12, 256
ROUNDS = (1 << 14, 128, 0.92), (1 << 17, 16, 0.97)
WHOLE = 4  # times the least of a sample, up to which a chunk is compressed whole instead
INDEPENDENT, DEPENDENT = 0.93, 0.6  # the same, of the probe
FEW = 1 << 19, 8  # bytes of a sample, and share, where there is nothing to compare with
LONGEST = 12  # frames in which they are
CORRELATED = 0.3  # of neighbouring pixels, from where on they are not independent


def compress_plain(chunk: NDArray[Any]) -> NDArray[np.uint8]:
    """Compress the codes of a chunk in the order of frames.

    Parameters
    ----------
    chunk : numpy.ndarray, shape (frames, ...)
        Codes, in C order.

    Returns
    -------
    ndarray of uint8
        The buffer of the compressor that makes a sample the smallest, or all where frames repeat.
    """
    patches = patches_of(chunk := np.atleast_1d(chunk))
    repeating = patches is None or len(patches) < 2 or look_alike(patches, chunk)
    sample = chunk.reshape(-1) if repeating else _stretches(chunk, *FEW)
    return _compressed(chunk, _best(sample)[0])


def compress_below(
    chunk: NDArray[Any], limit: int, repeats: Repeats | None = None
) -> NDArray[np.uint8] | None:
    """Compress the codes of a chunk in the order of frames if that takes fewer bytes than a limit.

    Where a sample shows that it will not, nothing is compressed. The sample is larger where frames
    repeat, or pixels depend on their neighbours, so that another compressor may be much smaller
    than the usual one.

    Parameters
    ----------
    chunk : numpy.ndarray, shape (frames, ...)
        Codes, in C order.
    limit : int
        In bytes.
    repeats : Repeats, optional
        What repeats in the chunk, if that is known. Columns that do are taken for one of larger
        codes, whose bytes are shuffled.

    Returns
    -------
    ndarray of uint8, or None
        A buffer of Blosc; None if it is not smaller than the limit.
    """
    patches = patches_of(chunk := np.atleast_1d(chunk))
    repeats = repeats or find_repeats(chunk)
    repeating = patches is None or len(patches) < 2 or limit < chunk.nbytes // SPARSE
    repeating = repeating or repeats.are_many or repeats.alike
    if repeats.columns > 1:
        chunk = chunk.reshape(-1).view(f"V{repeats.columns * chunk.itemsize}")
    varying = chunk if repeating else chunk[: count_varying(chunk)]  # the others take no space
    if patches is not None and not repeating and chunk.nbytes > SMALL:
        probe = _stretches(varying, *PROBE)
        size = (len(FASTEST.encode(probe)) - OVERHEAD) / probe.nbytes * varying.nbytes
        if limit < size * (INDEPENDENT if _are_independent(patches) else DEPENDENT):
            return None
    for least, share, clear in ROUNDS:
        if repeating or chunk.nbytes <= WHOLE * least:
            varying = chunk
            sample = chunk.reshape(-1)
        else:
            sample = _stretches(varying, least, share)
        compressor, size = _best(sample)
        if limit < clear * size * varying.nbytes:
            return None
        if repeating:
            break
    compressed = _compressed(chunk, compressor)
    return compressed if compressed.size < limit else None


def count_varying(frames: NDArray[Any]) -> int:
    """Count the frames before those at the end whose codes all equal the last one, bit for bit.

    Parameters
    ----------
    frames : numpy.ndarray
        Codes, shape (frames, ...).

    Examples
    --------
    >>> count_varying(np.array([[1, 1], [2, 1], [0, 0], [0, 0]]))
    2
    """
    if not frames.size:
        return 0
    number, bits = len(frames), frames.view(f"u{frames.itemsize}").reshape(len(frames), -1)
    while number and all((bits[number - 1, of] == bits[-1, -1]).all() for of in FIRST_AND_ALL):
        number -= 1
    return number


def _are_independent(patches: NDArray[Any]) -> bool:
    """Return whether neighbouring pixels are, in what changes from frame to frame: their noise.

    The median of the patches counts: some may hold what becomes brighter as one, such as cells.
    """
    values = patches[:LONGEST].astype(np.float32)
    change = values[1:] - values[:-1]
    related = np.einsum("ijk,ijk->j", change[:, :, 1:], change[:, :, :-1])
    energy = np.einsum("ijk,ijk->j", change, change)
    ratios = np.abs(related[energy > 0]) / energy[energy > 0]
    return bool(ratios.size and np.median(ratios) < CORRELATED)


def _best(sample: NDArray[Any]) -> tuple[Blosc, float]:
    """Return the compressor that makes a sample the smallest, and its size relative to before."""
    sizes = [_compressed(sample, compressor).size for compressor in COMPRESSORS]
    return COMPRESSORS[int(np.argmin(sizes))], (min(sizes) - OVERHEAD) / sample.nbytes


def _stretches(chunk: NDArray[Any], least: int, share: int) -> NDArray[Any]:
    """Return stretches of the codes of a chunk, spread over it, or all of them."""
    length = STRETCH // chunk.itemsize
    flat = chunk.reshape(-1)
    number = max(least, flat.nbytes // share) // STRETCH
    whole = flat[: flat.size // length * length].reshape(-1, length)
    if number >= len(whole) // 3:  # so that none is taken twice
        return flat
    places = np.arange(number) * GOLDEN % 1 * len(whole)
    return whole[np.sort(places.astype(int))]


def _compressed(chunk: NDArray[Any], compressor: Blosc) -> NDArray[np.uint8]:
    """Compress a chunk, in blocks that fit it.

    Blosc does not shuffle the bits of a block whose codes are no multiple of 8, as the last one may
    be. Then blocks are chosen longer, so that only a few codes are left for the last one.
    """
    unit, size = 8 * chunk.itemsize, chunk.nbytes
    if compressor.shuffle == Blosc.BITSHUFFLE and size % unit and size > unit:
        length = size // -(-size // compressor.blocksize) // unit * unit
        compressor = get_codec(compressor.get_config() | {"blocksize": length})
    return np.frombuffer(compressor.encode(chunk), np.uint8)
