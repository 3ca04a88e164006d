"""`GroupedLayout`, the filter that groups the pixels of a chunk where that makes it smaller."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numcodecs import Blosc, get_codec
from numcodecs.abc import Codec
from numpy.typing import NDArray

from dj_photon_codecs.layouts.blosc_blocks import compress
from dj_photon_codecs.layouts.buffers import (
    as_bytes,
    check_codes,
    is_little_endian_integer,
    room_for,
)
from dj_photon_codecs.layouts.grouped.chunk import Form, GroupedChunk, join_chunk
from dj_photon_codecs.layouts.grouped.entropy import noise_entropy
from dj_photon_codecs.layouts.grouped.grouping import group_pixels
from dj_photon_codecs.layouts.grouped.packing import pack
from dj_photon_codecs.layouts.grouped.renumbering import renumber, values_in_use
from dj_photon_codecs.layouts.sampling import (
    GOLDEN,
    count_varying,
    frames_repeat,
    sample_patches,
)

__all__ = ["COMPRESSOR", "PLAIN_COMPRESSOR", "GroupedLayout", "groupable"]

# With blocks above its own size, zstd looks for longer matches only. In noise, short matches are
# accidents, and cost more than they save.
COMPRESSOR = Blosc(cname="zstd", clevel=1, shuffle=Blosc.NOSHUFFLE, blocksize=1 << 20)
# Blocks of twice the size that Blosc chooses are compressed faster, and smaller, in movies.
PLAIN_COMPRESSOR = Blosc(cname="zstd", clevel=5, shuffle=Blosc.BITSHUFFLE, blocksize=1 << 19)

# All of these are measured by benchmarks/constants.py.
FEWEST_FRAMES = 8  # in a chunk with groups; with fewer, the table of classes costs what it saves
STRETCH = 1 << 12  # bytes that a sample takes from one place
FEWEST_STRETCHES = 16  # in a sample; a smaller one is replaced by all codes
SAMPLE = 1 << 19  # codes, or bytes of grouped codes: the largest sample
PLAIN_SHARE = 5  # a sample of codes in the order of frames has at most one fifth of the stretches
TRIAL = 1 << 18  # codes of a part that is grouped first, where a chunk has 16 times as many
FEW_PIXELS = 1000  # per frame, in which frames that repeat are found
CLEAR = 0.95  # grouped codes relative to plain ones, in samples, from where on both are compressed


class GroupedLayout(Codec):  # type: ignore[misc]
    """Numcodecs filter between codes in the order of frames and grouped codes.

    A chunk that is smaller in the order of frames stays in it, compressed by Blosc (Zstd, level 5,
    bit shuffle). The choice is made for each chunk, from samples unless they are close. The stored
    bytes say all that decoding needs; there are no parameters.

    Examples
    --------
    >>> layout = GroupedLayout()
    >>> counts = np.random.default_rng(0).poisson(3, (100, 64, 64)).astype("u2")
    >>> stored = layout.encode(counts)
    >>> bool((layout.decode(stored) == counts.ravel()).all())
    True
    >>> len(COMPRESSOR.encode(stored)) < 0.92 * len(PLAIN_COMPRESSOR.encode(counts))
    True
    >>> layout.get_config()
    {'id': 'photon.grouped'}
    """

    codec_id: ClassVar[str] = "photon.grouped"

    def encode(self, buf: Any) -> NDArray[np.uint8]:
        """Return a chunk, grouped or plain, whichever compresses better.

        Parameters
        ----------
        buf : array_like, shape (frames, ...)
            Codes: numbers of at most 8 bytes. Only integers are grouped, and at least
            `FEWEST_FRAMES` frames. Frames at the end in which all codes are the same, such as
            those with which Zarr fills the last chunk, take no space.
        """
        chunk = np.atleast_1d(check_codes(buf))
        frames = chunk[: count_varying(chunk)]
        if not len(frames):
            return join_chunk(Form.CONSTANT, chunk)
        if not groupable(frames):
            return join_chunk(Form.PLAIN, chunk, body=[_compressed(chunk)])
        plain_size = _sampled_plain_size(chunk)
        if _is_larger_in_part(frames, plain_size):
            return join_chunk(Form.PLAIN, chunk, body=[_compressed(chunk)])
        grouped = join_chunk(Form.GROUPED, chunk, body=_packed(frames))
        return _smaller(grouped, chunk, plain_size=plain_size)

    def decode(self, buf: Any, out: Any = None) -> NDArray[Any]:
        """Return the codes of a chunk; see `Layout`."""
        chunk = GroupedChunk(as_bytes(buf, apart_from=out))
        codes = room_for(chunk.shape[0] * chunk.shape[1], chunk.dtype, out)
        return chunk.frames(0, chunk.shape[0], out=codes.reshape(chunk.shape)).reshape(-1)

    def open(self, buf: Any) -> GroupedChunk:
        """Return a chunk whose header was read; see `Layout`."""
        return GroupedChunk(buf)


def groupable(frames: NDArray[Any]) -> bool:
    """Return whether the pixels of codes, shape (frames, ...), can be grouped."""
    enough = len(frames) >= FEWEST_FRAMES and frames.ndim > 1
    return enough and is_little_endian_integer(frames.dtype)


def _packed(frames: NDArray[Any]) -> list[NDArray[np.uint8]]:
    pixels = frames.reshape(len(frames), -1)
    codes = pixels.view(f"u{frames.itemsize}")
    # negative codes, read as unsigned, would be far from the others
    values = None if pixels.min() < 0 else values_in_use(codes)
    if values is None:
        return pack(codes, group_pixels(pixels))
    numbers = renumber(codes, values)
    return pack(numbers, group_pixels(numbers), values=values)


def _is_larger_in_part(frames: NDArray[Any], plain_size: float) -> bool:
    """Return whether a part of a large chunk is larger grouped than plain.

    Where the entropy of the noise shows that grouping saves much, no part is looked at.
    """
    if frames.size < 16 * TRIAL:
        return False
    sample = sample_patches(frames, TRIAL // 2, columns=16)
    if noise_entropy(sample) * frames.size / 8 < plain_size:
        return False
    part = np.ascontiguousarray(sample_patches(frames, TRIAL, columns=64))
    grouped = join_chunk(Form.GROUPED, part, body=_packed(part))
    return len(COMPRESSOR.encode(grouped)) > _compressed(part).size


def _smaller(
    grouped: NDArray[np.uint8], chunk: NDArray[Any], *, plain_size: float
) -> NDArray[np.uint8]:
    """Return a chunk grouped or plain, whichever compresses better.

    A sample of a grouped chunk has fewer pixels of each class, and is 5 % too small to 11 % too
    large. So both are compressed in full, unless the grouped one is clearly smaller.
    """
    if _sampled_size(grouped, COMPRESSOR) < CLEAR * plain_size:
        return grouped
    plain = _compressed(chunk)
    if len(COMPRESSOR.encode(grouped)) < plain.size:
        return grouped
    return join_chunk(Form.PLAIN, chunk, body=[plain])


def _sampled_plain_size(chunk: NDArray[Any]) -> float:
    pixels = chunk.reshape(len(chunk), -1)
    if frames_repeat(pixels[:, :: pixels.shape[1] // FEW_PIXELS | 1]):  # a sample would miss that
        return _compressed(chunk).size
    return _sampled_size(chunk, PLAIN_COMPRESSOR, share=PLAIN_SHARE)


def _sampled_size(values: NDArray[Any], compressor: Blosc, *, share: int = 1) -> float:
    """Estimate the compressed size of an array from one of `share` stretches, or fewer."""
    length = STRETCH // values.itemsize
    flat = values.reshape(-1)
    stretches = flat[: flat.size // length * length].reshape(-1, length)
    share = max(share, flat.size // SAMPLE)
    number = len(stretches) // share
    if number < FEWEST_STRETCHES:
        return len(compressor.encode(flat))
    if share > 1:
        places = np.arange(number) * GOLDEN % 1
        stretches = stretches[np.unique((places * len(stretches)).astype(int))]
    return len(compressor.encode(stretches)) / stretches.nbytes * flat.nbytes


def _compressed(chunk: NDArray[Any]) -> NDArray[np.uint8]:
    """Compress a chunk in the order of frames.

    Blosc does not shuffle the bits of a block whose codes are no multiple of 8, as the last one may
    be. Then blocks are chosen longer, so that only a few codes are left for the last one.
    """
    unit, compressor = 8 * chunk.itemsize, PLAIN_COMPRESSOR
    if chunk.nbytes % unit and chunk.nbytes > unit:
        length = chunk.nbytes // -(-chunk.nbytes // compressor.blocksize) // unit * unit
        compressor = get_codec(compressor.get_config() | {"blocksize": length})
    return np.frombuffer(compress(chunk, compressor=compressor), np.uint8)
