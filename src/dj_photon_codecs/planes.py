"""Bits of the codes of like pixels, packed so that a byte holds 4 to 7 bits of information.

Each code is taken relative to the base of its pixel's class. The 2, 4 or 8 bits in which the
classes of a plane differ from it are packed along time: 4, 2 or 1 frames of a pixel in a byte,
eight frames in a machine word, which is moved as one to its place among its class. 128 kB of a
class lie together, as much as zstd codes with one table. Codes that do not fit are stored as the
largest number of these bits, the mark, and listed apart with what they exceed it by.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dj_photon_codecs.grouping import Grouping

__all__ = ["Escapes", "PlaneReader", "base_of", "blocks", "pack_planes", "planes_size"]

BLOCK = 8  # frames
STRETCH = 1 << 17  # bytes
SPARSE = 0.25  # of the pixels of a frame


class Escapes(NamedTuple):
    """Codes that do not fit, in the order of the frames and their pixels.

    Attributes
    ----------
    counts : ndarray of integers, shape (frames,)
        How many there are in each frame.
    excess : ndarray of unsigned integers
        How far each is above the mark, low bits aside.
    """

    counts: NDArray[Any]
    excess: NDArray[Any]


class Block(NamedTuple):
    """Consecutive frames, and where their words lie among the bytes of a pixel."""

    start: int
    stop: int
    byte: int
    word: np.dtype[Any]


@dataclass(frozen=True)
class _Plane:
    """`bits` of the codes of some pixels, above the lowest `shift` bits."""

    bits: int
    shift: int
    top: bool  # these bits mark codes that do not fit
    pixels: NDArray[np.intp]
    frame: int  # how many pixels
    blocks: tuple[Block, ...]
    stored: NDArray[np.uint8]

    @property
    def mask(self) -> int:
        return (1 << self.bits) - 1

    def put(self, block: Block, words: NDArray[Any]) -> None:
        """Store the words of a block."""
        whole, rest = self._stretches(block)
        whole[...] = words[: whole.size].reshape(whole.shape)
        rest[...] = words[whole.size :]

    def get(self, block: Block) -> NDArray[Any]:
        """Read the words of a block: of all pixels of the frame, unless those here are few."""
        words = np.empty(len(self.pixels), block.word)
        whole, rest = self._stretches(block)
        words[: whole.size].reshape(whole.shape)[...] = whole
        words[whole.size :] = rest
        if self.is_sparse():
            return words
        image = np.zeros(self.frame, block.word)
        image[self.pixels] = words
        return image

    def add(self, words: NDArray[Any], places: range, *, codes: NDArray[Any], first: bool) -> None:
        """Add these bits to the codes of the frames at some places of a block."""
        sparse = self.is_sparse()
        alone = first and not sparse
        bits = codes if alone else np.empty((len(places), words.size), codes.dtype)
        shifts = np.array(places, words.dtype)[:, np.newaxis] * self.bits
        np.right_shift(words, shifts, out=bits, casting="unsafe")
        bits &= self.mask
        if self.shift:
            bits <<= self.shift
        if sparse:
            codes[:, self.pixels] |= bits
        elif not alone:
            codes |= bits

    def is_sparse(self) -> bool:
        """Whether so few pixels are here that it is quicker to address each."""
        return len(self.pixels) < SPARSE * self.frame

    def _stretches(self, block: Block) -> tuple[NDArray[Any], NDArray[Any]]:
        """The words of a block in each whole stretch of pixels, and those of the pixels left."""
        row = _row(self.blocks)
        length = max(BLOCK, STRETCH // row // BLOCK * BLOCK)
        whole, rest = divmod(len(self.pixels), length)
        split = whole * length * row
        first, last = block.byte, block.byte + block.word.itemsize
        stretches = self.stored[:split].reshape(whole, length * row)
        end = self.stored[split + first * rest : split + last * rest]
        return stretches[:, first * length : last * length].view(block.word), end.view(block.word)


def base_of(grouping: Grouping, codes: np.dtype[Any]) -> NDArray[Any]:
    """Return the base of each pixel, in the unsigned dtype of the codes."""
    return grouping.table["base"].astype(codes)[grouping.classes]


def planes_size(grouping: Grouping, frames: int) -> int:
    """Return the number of bytes that `pack_planes` fills."""
    layers = _layers(grouping)
    return sum(len(pixels) * _row(blocks(frames, bits=bits)) for bits, _, _, pixels in layers)


def pack_planes(codes: NDArray[Any], grouping: Grouping) -> tuple[NDArray[np.uint8], Escapes]:
    """Pack the codes of all classes that have bits.

    Parameters
    ----------
    codes : ndarray of unsigned integers, shape (frames, pixels)
        At least one frame.
    grouping : Grouping
        The classes of the pixels.

    Returns
    -------
    stored : ndarray of uint8
        The planes.
    escapes : Escapes
        The codes that do not fit.
    """
    stored = np.empty(planes_size(grouping, len(codes)), np.uint8)
    planes = _planes(grouping, len(codes), stored=stored)
    base, limit = base_of(grouping, codes.dtype), _limit_of(grouping, codes.dtype)
    escapes = []
    for index, (start, stop, *_) in enumerate(blocks(len(codes))):
        relative = [frame - base for frame in codes[start:stop]]
        escapes += [_find_escapes(frame, limit, grouping=grouping) for frame in relative]
        for plane in planes:
            block = plane.blocks[index]
            plane.put(block, _words(relative, plane, word=block.word))
    counts = np.array([len(excess) for excess in escapes])
    return stored, Escapes(counts, np.concatenate(escapes))


class PlaneReader:
    """Planes, to be unpacked block by block.

    Parameters
    ----------
    stored, grouping, escapes
        As in `pack_planes`.
    dtype : numpy.dtype
        The unsigned dtype of the codes.
    """

    def __init__(
        self,
        stored: NDArray[np.uint8],
        grouping: Grouping,
        *,
        escapes: Escapes,
        dtype: np.dtype[Any],
    ) -> None:
        planes = _planes(grouping, len(escapes.counts), stored=stored)
        self._planes = sorted(planes, key=_Plane.is_sparse)
        self._grouping, self._limit = grouping, _limit_of(grouping, dtype)
        self._base = base_of(grouping, dtype)
        self._before = np.append(0, np.cumsum(escapes.counts))
        self._excess = escapes.excess.astype(dtype)

    def words(self, block: int) -> list[NDArray[Any]]:
        """Return the words of a block in each plane: of all pixels, unless they are few."""
        return [plane.get(plane.blocks[block]) for plane in self._planes]

    def read(
        self, words: list[NDArray[Any]], frames: range, *, place: int, target: NDArray[Any]
    ) -> None:
        """Unpack frames; the pixels of classes without bits get their base.

        Parameters
        ----------
        words : list of ndarray
            Of the block in which the frames are.
        frames : range
            Consecutive frames.
        place : int
            How many frames of the block are before them.
        target : ndarray of unsigned integers, shape (frames, pixels)
            Where to put the codes.

        Raises
        ------
        ValueError
            If the codes that do not fit are not those that are listed.
        """
        if not self._planes or self._planes[0].is_sparse():
            target[...] = 0
        for number, (plane, image) in enumerate(zip(self._planes, words, strict=True)):
            places = range(place, place + len(frames))
            plane.add(image, places, codes=target, first=number == 0)
        self._mend(target, self._excess[self._before[frames.start] : self._before[frames.stop]])
        target += self._base

    def _mend(self, codes: NDArray[Any], excess: NDArray[Any]) -> None:
        """Add to the codes that do not fit what they exceed the mark by."""
        if not excess.size:
            return
        found = np.flatnonzero(codes > self._limit)
        if found.size != excess.size:
            raise ValueError(f"damaged chunk: {excess.size} codes escape, {found.size} are marked")
        low = self._grouping.table["low"][self._grouping.classes[found % self._limit.size]]
        codes.reshape(-1)[found] += excess << low.astype(excess.dtype)


def _limit_of(grouping: Grouping, codes: np.dtype[Any]) -> NDArray[Any]:
    """The largest code of each pixel, relative to its base, that is not an escape."""
    bits, low = (grouping.table[name].astype("u8") for name in ("bits", "low"))
    marks = ((np.uint64(1) << bits) - np.uint64(1)) << low
    limit = np.where(bits > 0, marks - np.uint64(1), np.iinfo(codes).max)
    return limit.astype(codes)[grouping.classes]


@cache
def blocks(frames: int, *, bits: int = 8) -> tuple[Block, ...]:
    """Divide frames into blocks of eight, and what is left into ever smaller ones."""
    spans, start, byte = [], 0, 0
    while start < frames:
        length = min(BLOCK, 1 << ((frames - start).bit_length() - 1))
        word = np.dtype(f"<u{max(1, length * bits // 8)}")
        spans.append(Block(start, start + length, byte, word))
        start, byte = start + length, byte + word.itemsize
    return tuple(spans)


def _row(spans: tuple[Block, ...]) -> int:
    """How many bytes of a plane belong to one pixel."""
    return spans[-1].byte + spans[-1].word.itemsize


def _layers(grouping: Grouping) -> Iterator[tuple[int, int, bool, NDArray[np.intp]]]:
    """The bits, shift, top and pixels of each plane."""
    stops = np.append(0, np.cumsum(grouping.sizes))
    kinds = grouping.table["bits"].astype(int) * 256 + grouping.table["low"]
    for kind in np.unique(kinds[grouping.table["bits"] > 0]).tolist():
        first, last = np.searchsorted(kinds, [kind, kind + 1])
        pixels = grouping.order[stops[first] : stops[last]]
        bits, low = divmod(kind, 256)
        yield bits, low, True, pixels
        for shift in range(0, low, 8):
            yield min(8, low - shift), shift, False, pixels


def _planes(grouping: Grouping, frames: int, *, stored: NDArray[np.uint8]) -> list[_Plane]:
    planes, end = [], 0
    for bits, shift, top, pixels in _layers(grouping):
        spans = blocks(frames, bits=bits)
        begin, end = end, end + len(pixels) * _row(spans)
        place = pixels, grouping.classes.size, spans, stored[begin:end]
        planes.append(_Plane(bits, shift, top, *place))
    return planes


def _words(relative: list[NDArray[Any]], plane: _Plane, *, word: np.dtype[Any]) -> NDArray[Any]:
    """The bits of a plane, of all frames of a block, in one word a pixel."""
    sparse = plane.is_sparse()
    words = np.zeros(len(plane.pixels) if sparse else plane.frame, word)
    for place, frame in enumerate(relative):
        codes = np.take(frame, plane.pixels) if sparse else frame
        bits = codes >> plane.shift if plane.shift else codes
        bits = np.minimum(bits, plane.mask) if plane.top else bits & plane.mask
        words |= bits.astype(word) << (plane.bits * place)
    return words if sparse else words[plane.pixels]


def _find_escapes(
    relative: NDArray[Any], limit: NDArray[Any], *, grouping: Grouping
) -> NDArray[Any]:
    pixel = np.flatnonzero(relative > limit)
    excess = relative[pixel] - limit[pixel] - relative.dtype.type(1)
    return excess >> grouping.table["low"][grouping.classes[pixel]].astype(excess.dtype)
