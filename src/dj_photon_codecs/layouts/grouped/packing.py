"""The sections of a grouped chunk: classes, planes and events as bytes, and back to codes."""

from __future__ import annotations

from itertools import accumulate, pairwise, repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.blosc_chunks import MAX_BYTES
from dj_photon_codecs.layouts.grouped.events import EventReader, Events, find_events
from dj_photon_codecs.layouts.grouped.grouping import CLASS, Grouping
from dj_photon_codecs.layouts.grouped.planes import planes_of, planes_size, whole_rows
from dj_photon_codecs.layouts.layout import DamagedChunk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dj_photon_codecs.layouts.grouped.grouping import Kind
    from dj_photon_codecs.layouts.grouped.planes import Plane

__all__ = ["PackedChunk", "pack"]

# With fewer bytes, NumPy's calls are so short that threads wait for each other; more do not stay in
# the cache (benchmarks/constants.py).
TILE = 1 << 21  # bytes of codes that are packed, or unpacked, at a time
ALIGNED = 8  # bytes; sections begin at multiples of it

SECTIONS = (
    "table",  # of the classes, CLASS
    "classes",  # of each group, uint8
    "offsets",  # of each pixel, int8
    "values",  # if there are any, codes are indices into them
    "counts",  # of the events of each kind in each frame, uint32
    "planes",
    "gaps",  # of all events
    "excess",  # of all events
)
PACKED_HEADER = np.dtype(
    [("frames", "<u8"), ("pixels", "<u8"), ("itemsize", "<u8")]
    + [(name, "<u8") for name in SECTIONS]
)


def pack(
    codes: NDArray[Any], grouping: Grouping, *, values: NDArray[Any] | None = None
) -> list[NDArray[np.uint8]]:
    """Pack the codes of a chunk.

    Parameters
    ----------
    codes : ndarray of unsigned integers, shape (frames, pixels)
        Codes; at least one.
    grouping : Grouping
        The classes of the pixels.
    values : ndarray of the dtype of the codes, optional
        If given, the codes are indices into it.

    Returns
    -------
    list of ndarrays of uint8
        Bytes that, joined, `PackedChunk` reads.

    Examples
    --------
    >>> from dj_photon_codecs.layouts.grouped.grouping import group_pixels
    >>> counts = np.random.default_rng(0).poisson(0.9, (100, 5000)).astype("u2")
    >>> packed = np.concatenate(pack(counts, group_pixels(counts)))
    >>> bool((PackedChunk(packed).read(0, 100) == counts).all()), counts.nbytes // packed.nbytes
    (True, 6)
    """
    size = sum(planes_size(kind, len(codes)) for kind in grouping.kinds)
    stored = np.empty(size, np.uint8)
    events = _pack_planes(codes, grouping, stored=stored)
    counts, gaps, excess = (np.concatenate(parts) for parts in zip(*events, strict=True))
    sections = (
        grouping.table,
        grouping.classes,
        grouping.offsets,
        np.zeros(0, codes.dtype) if values is None else values.astype(f"<u{codes.itemsize}"),
        counts.astype("<u4"),
        stored,
        _split_bytes(gaps),
        _split_bytes(excess),
    )
    return list(_pieces((*codes.shape, codes.itemsize), sections))


class PackedChunk:
    """A packed chunk, of which single frames or pixels can be unpacked.

    Parameters
    ----------
    packed : ndarray of uint8
        What `pack` returned, joined.

    Attributes
    ----------
    shape : tuple of int
        Frames and pixels.
    dtype : numpy.dtype
        Of the codes, unsigned.

    Raises
    ------
    ValueError
        If `packed` is not what `pack` returned.
    """

    def __init__(self, packed: NDArray[np.uint8]) -> None:
        self.shape, self.dtype, section = _split(packed)
        grouping = _grouping(section, self.shape[1], itemsize=self.dtype.itemsize)
        self._inverse, self._base = grouping.inverse, grouping.base(self.dtype)
        self._values = _values(section, self.dtype)
        kinds = grouping.kinds
        self._parts = _parts(section["planes"], kinds, frames=self.shape[0])
        events = _events(section, len(kinds), frames=self.shape[0])
        self._events = EventReader(events, kinds, pixels=self.shape[1], dtype=self.dtype)

    def read(self, start: int, stop: int, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the codes of consecutive frames.

        Parameters
        ----------
        start, stop : int
            The first frame, and the one after the last.
        out : ndarray of the dtype of the codes, shape (frames, pixels), optional
            Where to put the codes, contiguous.

        Returns
        -------
        ndarray of unsigned integers, shape (frames, pixels)
            Codes; signed ones are to be viewed so.
        """
        codes = np.empty((stop - start, self.shape[1]), self.dtype) if out is None else out
        step = whole_rows(TILE, frame=self.shape[1] * self.dtype.itemsize)
        room = np.empty((min(step, stop - start), self.shape[1]), self.dtype)
        bits = [self._bits(*part, range(start, stop)) for part in self._parts]
        for first in range(start, stop, step):
            frames = range(first, min(first + step, stop))
            by_class = self._by_class(frames, bits, room=room[: len(frames)])
            target = codes[frames.start - start : frames.stop - start]
            _regroup(by_class, self._inverse, target=target)
        return codes

    def read_pixels(self, pixels: NDArray[np.intp], frames: range) -> NDArray[Any]:
        """Return the codes of single pixels; only their bits are unpacked.

        Parameters
        ----------
        pixels : ndarray of intp, shape (pixels,)
            Which pixels of a frame; each once.
        frames : range
            Consecutive frames; at least one.

        Returns
        -------
        ndarray of unsigned integers, shape (frames, pixels)
            Codes.
        """
        size = self.shape[1] // self._inverse.size  # of a group
        group, within = np.divmod(pixels, size)
        places = self._inverse[group] * size + within  # in the order of the classes
        codes = np.zeros((len(frames), pixels.size), self.dtype)
        for kind, planes in self._parts:
            of_kind = np.flatnonzero((kind.start <= places) & (places < kind.stop))
            for plane in planes:
                bits = plane.pick(places[of_kind] - kind.start, frames).astype(self.dtype)
                codes[:, of_kind] |= bits << self.dtype.type(plane.shift)
        codes += self._base[places]
        self._events.add_to_pixels(places, frames, target=codes)
        return codes if self._values is None else np.take(self._values, codes, mode="clip")

    def _by_class(
        self, frames: range, bits: list[Iterator[Any]], *, room: NDArray[Any]
    ) -> NDArray[Any]:
        """Return the codes of a tile of frames in the order of the classes, from their planes."""
        for (kind, _), unpacked in zip(self._parts, bits, strict=True):
            part = slice(kind.start, kind.stop)
            np.add(next(unpacked), self._base[part], out=room[:, part], casting="unsafe")
        self._events.add(frames, target=room)
        return room if self._values is None else np.take(self._values, room, mode="clip")

    def _bits(self, kind: Kind, planes: list[Plane], frames: range) -> Iterator[Any]:
        """Unpack the planes of a kind, and yield them for one tile of frames after the other."""
        step = whole_rows(TILE, frame=self.shape[1] * self.dtype.itemsize)
        pixels = kind.stop - kind.start
        if not planes:
            yield from repeat(0)
        ahead = step * max(1, TILE // max(step * pixels, 1))
        dtype = np.uint8 if kind.bits + kind.low <= 8 else self.dtype
        room = np.empty((min(ahead, len(frames)), pixels), dtype)
        for start in range(frames.start, frames.stop, ahead):
            stop = min(start + ahead, frames.stop)
            bits = room[: stop - start]
            for plane in planes:
                plane.unpack(start, stop, target=bits, first=plane is planes[0])
            yield from (bits[tile : tile + step] for tile in range(0, len(bits), step))


def _pack_planes(
    codes: NDArray[Any], grouping: Grouping, *, stored: NDArray[np.uint8]
) -> list[Events]:
    """Store the planes of all kinds, and return the events of each kind."""
    base, step = grouping.base(codes.dtype), whole_rows(TILE, frame=codes[0].nbytes)
    parts = _parts(stored, grouping.kinds, frames=len(codes))
    found: list[list[Any]] = [[] for _ in parts]
    room = np.empty((min(step, len(codes)), codes.shape[1]), codes.dtype)
    for start in range(0, len(codes), step):
        tile = codes[start : start + step]
        by_class = room[: len(tile)]
        _regroup(tile, grouping.order, target=by_class)
        by_class -= base
        for (kind, planes), events in zip(parts, found, strict=True):
            part = by_class[:, kind.start : kind.stop]
            before = start * (kind.stop - kind.start)
            events.append(find_events(part, bits=kind.bits + kind.low, before=before))
            for plane in planes:
                plane.pack(part, start=start)
    return [
        _joined_events(events, len(codes), pixels=kind.stop - kind.start)
        for (kind, _), events in zip(parts, found, strict=True)
    ]


def _joined_events(found: list[Any], frames: int, *, pixels: int) -> Events:
    places, excess = (np.concatenate(parts) for parts in zip(*found, strict=True))
    counts = np.bincount(places // max(pixels, 1), minlength=frames)
    return Events(counts, np.diff(places, prepend=-1) - 1, excess)


def _parts(stored: NDArray[np.uint8], kinds: list[Kind], *, frames: int) -> list[tuple[Kind, Any]]:
    """Return each kind, and its planes in the section that stores them."""
    edges = list(accumulate((planes_size(kind, frames) for kind in kinds), initial=0))
    if edges[-1] != stored.size:
        raise DamagedChunk(f"damaged chunk: planes of {stored.size} bytes, not {edges[-1]}")
    return [
        (kind, planes_of(kind, frames, stored=stored[start:stop]))
        for kind, (start, stop) in zip(kinds, pairwise(edges), strict=True)
    ]


def _regroup(codes: NDArray[Any], order: NDArray[np.intp], *, target: NDArray[Any]) -> None:
    """Put the groups of each frame into another order."""
    shape = (len(codes), order.size, -1)
    np.take(codes.reshape(shape), order, axis=1, out=target.reshape(shape), mode="clip")


def _pieces(
    shape: tuple[int, ...], sections: tuple[NDArray[Any], ...]
) -> Iterator[NDArray[np.uint8]]:
    """Yield the header and the sections, each padded to a multiple of `ALIGNED` bytes."""
    flat = [np.ascontiguousarray(section).reshape(-1).view(np.uint8) for section in sections]
    yield np.array([(*shape, *(section.size for section in flat))], PACKED_HEADER).view(np.uint8)
    for section in flat:
        yield section
        yield np.zeros(_padded(section.size) - section.size, np.uint8)


def _split(
    packed: NDArray[np.uint8],
) -> tuple[tuple[int, int], np.dtype[Any], dict[str, NDArray[np.uint8]]]:
    """Return the shape and the dtype of the codes, and the bytes of each section."""
    if packed.size < PACKED_HEADER.itemsize:
        raise DamagedChunk(f"damaged chunk: {packed.size} bytes are too few for its header")
    head = packed[: PACKED_HEADER.itemsize]
    header = head.view(PACKED_HEADER)[0]
    frames, pixels, itemsize = header.tolist()[:3]
    if itemsize not in (1, 2, 4, 8) or not 0 < frames * pixels * itemsize <= MAX_BYTES:
        raise DamagedChunk(f"damaged chunk: {frames} x {pixels} codes of {itemsize} bytes")
    ends = list(accumulate((_padded(int(header[name])) for name in SECTIONS), initial=len(head)))
    if ends[-1] != packed.size:
        raise DamagedChunk(f"damaged chunk: {packed.size} bytes, not {ends[-1]}")
    section = {
        name: packed[end : end + int(header[name])]
        for name, end in zip(SECTIONS, ends, strict=False)
    }
    return (frames, pixels), np.dtype(f"u{itemsize}"), section


def _grouping(section: dict[str, NDArray[np.uint8]], pixels: int, *, itemsize: int) -> Grouping:
    classes, table = section["classes"], section["table"]
    if not classes.size or pixels % classes.size or section["offsets"].size != pixels:
        raise DamagedChunk(f"damaged chunk: {classes.size} groups of {pixels} pixels")
    highest = int(classes.max())
    if table.size % CLASS.itemsize or not highest < table.size // CLASS.itemsize:
        raise DamagedChunk(f"damaged chunk: {table.size} bytes for {highest + 1} classes")
    rows = table.view(CLASS)
    _check_table(rows, bits=8 * itemsize)
    return Grouping(classes, section["offsets"].view(np.int8), rows)


def _check_table(table: NDArray[Any], *, bits: int) -> None:
    """Refuse a table that no class of codes of so many bits can have."""
    upper, low, unit = (table[name].astype(int) for name in ("bits", "low", "unit"))
    legal = np.isin(upper, (0, 1, 2, 4, 8)) & (upper + low <= bits) & (unit < bits)
    if not legal.all() or (np.diff(upper * 256 + low) < 0).any():
        raise DamagedChunk(f"damaged chunk: classes of bits {upper}, low {low}, unit {unit}")


def _values(section: dict[str, NDArray[np.uint8]], dtype: np.dtype[Any]) -> NDArray[Any] | None:
    stored = section["values"]
    if stored.size % dtype.itemsize:
        raise DamagedChunk(f"damaged chunk: values of {stored.size} bytes")
    return stored.view(dtype.newbyteorder("<")).astype(dtype) if stored.size else None


def _events(section: dict[str, NDArray[np.uint8]], kinds: int, *, frames: int) -> list[Events]:
    if section["counts"].size != 4 * kinds * frames:
        raise DamagedChunk(f"damaged chunk: {section['counts'].size} bytes for {kinds} kinds")
    counts = section["counts"].view("<u4").astype(np.intp).reshape(kinds, frames)
    edges = np.append(0, np.cumsum(counts.sum(axis=1)))
    gaps, excess = (
        _joined_bytes(section, name, count=int(edges[-1])) for name in ("gaps", "excess")
    )
    return [
        Events(of_kind, gaps[start:stop], excess[start:stop])
        for of_kind, (start, stop) in zip(counts, pairwise(edges.tolist()), strict=True)
    ]


def _split_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the lowest byte of all values, then the next byte of all, as far as it is used."""
    size = np.min_scalar_type(values.max(initial=0)).itemsize
    return values.astype(f"<u{size}").view(np.uint8).reshape(-1, size).T


def _joined_bytes(section: dict[str, NDArray[np.uint8]], name: str, *, count: int) -> NDArray[Any]:
    size = section[name].size // max(count, 1)
    if size * count != section[name].size or size not in ((1, 2, 4, 8) if count else (0,)):
        raise DamagedChunk(f"damaged chunk: {section[name].size} bytes for {count} {name}")
    if not count:
        return np.zeros(0, np.uint8)
    # many times faster than a transposition
    lowest, *others = section[name].reshape(size, count)
    values = lowest.astype(f"u{size}")
    for number, row in enumerate(others, start=1):
        values |= row.astype(values.dtype) << 8 * number
    return values


def _padded(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED
