"""The order in which codes are stored: pixels of like brightness together, where that is smaller.

`GroupedLayout` is a filter that stands before a compressor such as `COMPRESSOR`: it puts the codes
of a chunk into an order, and packs them, so that the compressor's tables fit their statistics.
"""

from __future__ import annotations

import math
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

# In blocks longer than Blosc's own zstd looks for longer matches only: in noise the short ones
# are accidents, and cost more than they save.
COMPRESSOR = Blosc(cname="zstd", clevel=1, shuffle=Blosc.NOSHUFFLE, blocksize=1 << 20)
# In blocks twice as long as Blosc's own zstd is faster, and smaller, on codes of movies.
PLAIN_COMPRESSOR = Blosc(cname="zstd", clevel=5, shuffle=Blosc.BITSHUFFLE, blocksize=1 << 19)

FEWEST_FRAMES = 8  # in fewer, the classes of the pixels would cost more than they save
STRETCH = 1 << 12  # bytes, of which some are compressed to see which layout is smaller
SAMPLE = 1 << 19  # about so many codes, or bytes of grouped ones, are compressed for that
PLAIN_SHARE = 5  # at most, one in so many stretches of codes in plain order
ROUGH = 1 << 16  # bytes in plain order, about so many of which are compressed for a first look
ROUGH_SHARE = 32  # but at least one in so many
TRIAL = 1 << 18  # codes that are packed to see whether all are worth it, where that is in doubt
FEWEST_TRIALS = 16  # times as many codes are in a chunk for which that pays
DOUBTFUL = 0.95  # of the size of plain codes, from where on the entropy of noise makes it so
FUTILE = 1.03  # times the size of plain codes, of those that were packed to see
FEW_PIXELS = 1000  # of a frame, by which frames that repeat are known
FEWEST_STRETCHES = 16  # of a sample; fewer could miss what frames differ in
# Grouped codes over plain ones, on samples: those of grouped codes hold fewer like pixels, and are
# 5 % too small to 11 % too large. What is between is compressed in full, grouped codes first.
CLEAR = 0.95, 1.12
CERTAIN = 0.92  # of a first look, which is 8 % too small to 23 % too large in 98 of 100 cases
SURE = 0.96  # of a sample of plain codes, which is up to 4 % too large


class GroupedLayout(Codec):  # type: ignore[misc]
    """Numcodecs filter between codes in the order of frames and codes grouped by their noise.

    A chunk that would be smaller in plain order is left in it, compressed by Blosc (Zstd, level
    5, bit shuffle). The choice is made for each chunk, from a sample of it unless it is close.
    The stored bytes say all that decoding needs; there are no parameters.

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
        """Return the codes of a chunk, in the layout that compresses best.

        Parameters
        ----------
        buf : array_like, shape (frames, ...)
            Codes: numbers of at most 8 bytes. Integers are grouped if there are at least
            `FEWEST_FRAMES` frames of them. Frames at the end that all hold one and the same
            value, such as Zarr pads the last chunk with, take no space.

        Returns
        -------
        ndarray of uint8
            Bytes, flat, for a compressor such as `COMPRESSOR`.

        Raises
        ------
        ValueError
            If the codes are not numbers of at most 8 bytes, or are 2 GiB or more.
        """
        chunk = np.atleast_1d(check_codes(buf))
        frames = chunk[: count_varying(chunk)]
        if not len(frames):
            return join_chunk(Form.CONSTANT, chunk)
        if not groupable(frames):
            return join_chunk(Form.PLAIN, chunk, body=[_compressed(chunk)])
        share = _first_share(chunk)
        plain = _expected_plain_size(chunk, share=share)
        if _is_futile(frames, plain):
            return join_chunk(Form.PLAIN, chunk, body=[_compressed(chunk)])
        grouped = join_chunk(Form.GROUPED, chunk, body=_packed(frames))
        return _smaller(grouped, chunk, plain=plain, share=share)

    def decode(self, buf: Any, out: Any = None) -> NDArray[Any]:
        """Return the codes of a chunk.

        Parameters
        ----------
        buf : buffer
            What `encode` returned.
        out : writeable buffer, optional
            Where to put the codes: of their size.

        Returns
        -------
        numpy.ndarray
            Codes in the order of frames, flat; they lie in `out` if that was given.

        Raises
        ------
        ValueError
            If `buf` is not what `encode` returned, or `out` is of another size.
        """
        chunk = GroupedChunk(as_bytes(buf, apart_from=out))
        codes = room_for(chunk.shape[0] * chunk.shape[1], chunk.dtype, out)
        return chunk.frames(0, chunk.shape[0], out=codes.reshape(chunk.shape)).reshape(-1)

    def open(self, buf: Any) -> GroupedChunk:
        """Return a chunk of which single frames are to be decoded.

        Parameters
        ----------
        buf : buffer
            What `encode` returned; the chunk refers to it.

        Raises
        ------
        ValueError
            If `buf` is not what `encode` returned.
        """
        return GroupedChunk(buf)


def groupable(frames: NDArray[Any]) -> bool:
    """Return whether codes, shape (frames, ...), are such that their pixels can be grouped."""
    many = len(frames) >= FEWEST_FRAMES and frames.ndim > 1
    return many and is_little_endian_integer(frames.dtype)


def _packed(frames: NDArray[Any]) -> list[NDArray[np.uint8]]:
    pixels = frames.reshape(len(frames), -1)
    codes = pixels.view(f"u{frames.itemsize}")
    # read as unsigned numbers, negative codes would be far from the others
    values = None if pixels.min() < 0 else values_in_use(codes)
    if values is None:
        return pack(codes, group_pixels(pixels))
    numbers = renumber(codes, values)
    return pack(numbers, group_pixels(numbers), values=values)


def _is_futile(frames: NDArray[Any], plain: float) -> bool:
    """Whether grouped codes would be larger than those in plain order, which take so many bytes.

    Where that may be, by the entropy of the noise, a part of the pixels is compressed to see.
    """
    if frames.size < FEWEST_TRIALS * TRIAL:
        return False
    sample = sample_patches(frames, TRIAL // 2, columns=16)
    if noise_entropy(sample) * frames.size / 8 < DOUBTFUL * plain:
        return False
    part = np.ascontiguousarray(sample_patches(frames, TRIAL, columns=64))
    grouped = join_chunk(Form.GROUPED, part, body=_packed(part))
    return len(COMPRESSOR.encode(grouped)) > FUTILE * _compressed(part).size


def _smaller(
    grouped: NDArray[np.uint8], chunk: NDArray[Any], *, plain: float, share: int
) -> NDArray[np.uint8]:
    """Return a chunk in the layout in which it compresses better, given the grouped one.

    And given about how many bytes the plain one takes, from so large a share of its stretches.
    """
    expected = _expected_grouped_size(grouped)
    if expected < CERTAIN * plain:
        return grouped
    if share > PLAIN_SHARE:
        plain = _expected_plain_size(chunk, share=PLAIN_SHARE)
    if expected < CLEAR[0] * plain:
        return grouped
    size = math.inf if expected > CLEAR[1] * plain else len(COMPRESSOR.encode(grouped))
    if size < SURE * plain:
        return grouped
    stored = _compressed(chunk)
    return grouped if size < stored.size else join_chunk(Form.PLAIN, chunk, body=[stored])


def _first_share(chunk: NDArray[Any]) -> int:
    """One in how many stretches in plain order to look at first; all, where a sample misleads."""
    pixels = chunk.reshape(len(chunk), -1)
    few = chunk.nbytes < FEWEST_STRETCHES * PLAIN_SHARE * STRETCH
    if few or frames_repeat(pixels[:, :: pixels.shape[1] // FEW_PIXELS | 1]):
        return 1
    share = min(chunk.nbytes // ROUGH, ROUGH_SHARE)
    return share if share > 2 * PLAIN_SHARE else PLAIN_SHARE


def _expected_plain_size(chunk: NDArray[Any], *, share: int) -> float:
    if share == 1:
        return _compressed(chunk).size
    return _sampled_size(chunk, PLAIN_COMPRESSOR, share=share)


def _expected_grouped_size(grouped: NDArray[np.uint8]) -> float:
    if grouped.nbytes < FEWEST_STRETCHES * STRETCH:
        return len(COMPRESSOR.encode(grouped))
    return _sampled_size(grouped, COMPRESSOR)


def _sampled_size(values: NDArray[Any], compressor: Blosc, *, share: int = 1) -> float:
    """The compressed size of an array, from some stretches that are spread over it."""
    length = STRETCH // values.itemsize
    flat = values.reshape(-1)
    whole = flat[: flat.size // length * length].reshape(-1, length)
    share = max(share, flat.size // SAMPLE)
    if share > 1:
        places = np.arange(len(whole) // share) * GOLDEN % 1
        whole = whole[np.unique((places * len(whole)).astype(int))]
    return len(compressor.encode(whole)) / whole.nbytes * flat.nbytes


def _compressed(chunk: NDArray[Any]) -> NDArray[np.uint8]:
    """Compress a chunk in plain order.

    Blosc shuffles no bit of a block that is not of a multiple of 8 codes. The last one may be such:
    then all but a few codes are shared out among the others.
    """
    unit, compressor = 8 * chunk.itemsize, PLAIN_COMPRESSOR
    if chunk.nbytes % unit and chunk.nbytes > unit:
        length = chunk.nbytes // -(-chunk.nbytes // compressor.blocksize) // unit * unit
        compressor = get_codec(compressor.get_config() | {"blocksize": length})
    return np.frombuffer(compress(chunk, compressor=compressor), np.uint8)
