"""A grouped chunk as a sequence of bytes, and back."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.events import EventReader, Events, list_events, mark_counts
from dj_photon_codecs.grouping import Grouping, checked_table
from dj_photon_codecs.planes import (
    Escapes,
    PlaneReader,
    base_of,
    blocks,
    pack_planes,
    planes_size,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["MAX_BYTES", "pack", "unpack"]

MAX_BYTES = 1 << 31  # of the codes of a chunk, as in Blosc
CACHED = 1 << 16  # codes that are unpacked at a time, so that they stay in the cache
ALIGNED = 8  # bytes; sections begin at multiples of it

SECTIONS = (
    "table",  # of CLASS
    "classes",  # of each pixel, less that of the pixel above it
    "planes",
    "escapes",  # in each frame, uint32
    "excess",
    "counts",  # of events in each class that has no bits, uint64
    "events",
    "gaps",
    "jumps",
)
HEADER = np.dtype(
    [("frames", "<u8"), ("pixels", "<u8"), ("width", "<u8"), ("itemsize", "<u8")]
    + [(name, "<u8") for name in SECTIONS]
)


def pack(frames: NDArray[Any], grouping: Grouping, *, width: int = 1) -> NDArray[np.uint8]:
    """Pack the codes of a chunk.

    Parameters
    ----------
    frames : ndarray of integers, shape (frames, pixels)
        Codes; at least one.
    grouping : Grouping
        The classes of the pixels.
    width : int
        Pixels in a row of a frame; a class is stored less that of the pixel above it.

    Returns
    -------
    ndarray of uint8
        Bytes from which `unpack` gets the codes.

    Examples
    --------
    >>> from dj_photon_codecs.grouping import group_pixels
    >>> counts = np.random.default_rng(0).poisson(0.9, (100, 5000)).astype("u2")
    >>> packed = pack(counts, group_pixels(counts))
    >>> bool((unpack(packed) == counts).all()), counts.nbytes // packed.nbytes
    (True, 3)
    """
    codes = frames.view(f"u{frames.itemsize}")
    stored, escapes = pack_planes(codes, grouping)
    sizes, listed = _listed(grouping)
    events = list_events(codes, sizes, order=listed, base=base_of(grouping, codes.dtype)[listed])
    rows = grouping.classes.reshape(-1, width)
    sections = (
        grouping.table,
        np.diff(rows, axis=0, prepend=np.zeros((1, width), np.uint8)),
        stored,
        escapes.counts.astype("<u4"),
        _narrow(escapes.excess),
        events.counts.astype("<u8"),
        events.bytes,
        _narrow(events.gaps),
        _narrow(events.jumps),
    )
    return _join((*codes.shape, width, codes.itemsize), sections)


def unpack(
    packed: NDArray[np.uint8],
    *,
    start: int = 0,
    stop: int | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Unpack the codes of a chunk, or of some of its frames.

    Parameters
    ----------
    packed : ndarray of uint8
        What `pack` returned.
    start, stop : int
        The first frame, and the one after the last; a frame costs little more than its share.
    out : ndarray of unsigned integers, optional
        Where to put the codes, of their dtype, flat, with room for them or for more.

    Returns
    -------
    ndarray of unsigned integers, shape (frames, pixels)
        Codes. Where they were signed, view them so.

    Raises
    ------
    ValueError
        If `packed` is not what `pack` returned, or the codes do not fit into `out`.
    """
    frames, dtype, section = _split(packed)
    grouping = _grouping(section, dtype.itemsize)
    escapes = _escapes(section, frames)
    if section["planes"].size != planes_size(grouping, frames):
        raise ValueError(f"damaged chunk: planes of {section['planes'].size} bytes")
    wanted = range(frames)[start:stop]
    codes = _room((len(wanted), grouping.classes.size), dtype, out=out)
    planes = PlaneReader(section["planes"], grouping, escapes=escapes, dtype=dtype)
    sizes, listed = _listed(grouping)
    listing = _events(section, len(sizes), dtype=dtype)
    events = EventReader(listing, sizes, order=listed, frames=frames)
    for index, block in enumerate(blocks(frames)):
        inside = range(max(block.start, wanted.start), min(block.stop, wanted.stop))
        words = planes.words(index) if inside else []
        for tile in _tiles(inside, codes.shape[1]):
            target = codes[tile.start - wanted.start : tile.stop - wanted.start]
            planes.read(words, tile, place=tile.start - block.start, target=target)
            events.add(tile, target=target)
    return codes


def _tiles(frames: range, pixels: int) -> Iterator[range]:
    step = max(1, CACHED // pixels)
    for start in frames[::step]:
        yield range(start, min(start + step, frames.stop))


def _room(
    shape: tuple[int, int], dtype: np.dtype[Any], *, out: NDArray[Any] | None
) -> NDArray[Any]:
    if out is None:
        return np.empty(shape, dtype)
    if out.dtype != dtype or out.size < shape[0] * shape[1]:
        raise ValueError(f"damaged chunk: {shape} codes of {dtype}, for {out.size} of {out.dtype}")
    return out[: shape[0] * shape[1]].reshape(shape)


def _listed(grouping: Grouping) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Sizes and pixels of the classes without bits, which come first."""
    sizes = grouping.sizes[grouping.table["bits"] == 0]
    return sizes, grouping.order[: sizes.sum()]


def _join(shape: tuple[int, ...], sections: tuple[NDArray[Any], ...]) -> NDArray[np.uint8]:
    flat = [np.ascontiguousarray(section).reshape(-1).view(np.uint8) for section in sections]
    header = np.array([(*shape, *(section.size for section in flat))], HEADER).view(np.uint8)
    padded = np.zeros(len(header) + sum(_padded(section.size) for section in flat), np.uint8)
    padded[: len(header)], start = header, len(header)
    for section in flat:
        padded[start : start + section.size] = section
        start += _padded(section.size)
    return padded


def _split(packed: NDArray[np.uint8]) -> tuple[int, np.dtype[Any], dict[str, NDArray[np.uint8]]]:
    """The number of frames, the dtype of the codes, and the bytes of each section."""
    if packed.size < HEADER.itemsize:
        raise ValueError(f"damaged chunk: {packed.size} bytes are too few for its header")
    head = packed[: HEADER.itemsize]
    header = head.view(HEADER)[0]
    frames, pixels, width, itemsize = header.tolist()[:4]
    if itemsize not in (1, 2, 4, 8) or not 0 < frames * pixels * itemsize <= MAX_BYTES:
        raise ValueError(f"damaged chunk: {frames} x {pixels} codes of {itemsize} bytes")
    ends = list(accumulate((_padded(int(header[name])) for name in SECTIONS), initial=len(head)))
    if width == 0 or pixels % width or ends[-1] != packed.size:
        raise ValueError(f"damaged chunk: {packed.size} bytes, rows of {width} pixels")
    section = {
        name: packed[end : end + int(header[name])]
        for name, end in zip(SECTIONS, ends, strict=False)
    }
    if section["classes"].size != pixels:
        raise ValueError(f"damaged chunk: {section['classes'].size} classes, {pixels} pixels")
    section["classes"] = section["classes"].reshape(-1, width)
    return frames, np.dtype(f"u{itemsize}"), section


def _grouping(section: dict[str, NDArray[np.uint8]], itemsize: int) -> Grouping:
    classes = np.add.accumulate(section["classes"], axis=0, dtype=np.uint8).reshape(-1)
    return Grouping(classes, checked_table(section["table"], classes, bits=8 * itemsize))


def _escapes(section: dict[str, NDArray[np.uint8]], frames: int) -> Escapes:
    counts = _exactly(section, "escapes", dtype="<u4", count=frames).astype(np.intp)
    return Escapes(counts, _widen(section, "excess", count=int(counts.sum())))


def _events(section: dict[str, NDArray[np.uint8]], classes: int, *, dtype: np.dtype[Any]) -> Events:
    counts = _exactly(section, "counts", dtype="<u8", count=classes)
    symbols = section["events"]
    if sum(counts.tolist()) != symbols.size:
        raise ValueError(f"damaged chunk: {symbols.size} events, counted as {counts.tolist()}")
    long, jumps = mark_counts(symbols)
    return Events(
        counts.astype(np.intp),
        symbols,
        _widen(section, "gaps", count=long),
        _widen(section, "jumps", count=jumps).astype(dtype),
    )


def _narrow(values: NDArray[Any]) -> NDArray[np.uint8]:
    """The lowest byte of all values, then the next byte of all, as far as there are any."""
    size = np.min_scalar_type(values.max(initial=0)).itemsize
    return values.astype(f"<u{size}").view(np.uint8).reshape(-1, size).T


def _widen(section: dict[str, NDArray[np.uint8]], name: str, *, count: int) -> NDArray[Any]:
    size = section[name].size // max(count, 1)
    if size * count != section[name].size or size not in ((1, 2, 4, 8) if count else (0,)):
        raise ValueError(f"damaged chunk: {section[name].size} bytes for {count} {name}")
    if not count:
        return np.zeros(0, np.uint8)
    return np.ascontiguousarray(section[name].reshape(size, count).T).view(f"<u{size}")[:, 0]


def _exactly(
    section: dict[str, NDArray[np.uint8]], name: str, *, dtype: str, count: int
) -> NDArray[Any]:
    if section[name].size != np.dtype(dtype).itemsize * count:
        raise ValueError(f"damaged chunk: {section[name].size} bytes for {count} {name}")
    return section[name].view(dtype)


def _padded(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED
