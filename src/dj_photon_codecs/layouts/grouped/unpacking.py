"""The decoder of chunks in groups: from their sections to the codes of frames and of pixels.

A *class* is a row of the table: the widths of its fields, the unit of its offsets, and its base. A
group of neighbouring pixels has a class, and the groups are stored in the order of their classes. A
*kind* is a pair of widths; its classes lie together.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.layouts.blosc_chunks import MAX_BYTES
from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.kernels.reference_grouped import Packed, unpack_places
from dj_photon_codecs.layouts.layout import DamagedChunk

__all__ = ["CLASS", "PACKED_HEADER", "SECTIONS", "Grouping", "Kind", "PackedChunk"]

Bytes = NDArray[np.uint8]

SPARSE = 32  # to pick at most 1/32 of the pixels, only their bits are unpacked
ALIGNED = 8  # bytes; sections begin at multiples of it
CLASS = np.dtype([("bits", "u1"), ("low", "u1"), ("unit", "u1"), ("base", "<u8")])
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
PACKED_HEADER = np.dtype([(name, "<u8") for name in ("frames", "pixels", "itemsize", *SECTIONS)])


class Kind(NamedTuple):
    """The widths of fields, and the pixels that have them, in the order of the classes."""

    bits: int
    low: int
    start: int
    stop: int

    @property
    def fields(self) -> Iterator[tuple[int, int]]:
        """The width and the shift of each plane: that of `bits`, then those of `low`."""
        if self.bits:
            yield self.bits, self.low
        left = self.low
        for width in (8, 4, 2, 1):
            while left >= width:
                left -= width
                yield width, left


class Grouping(NamedTuple):
    """The class of each group, the offset of each pixel, and the table of the classes."""

    classes: Bytes
    offsets: NDArray[np.int8]
    table: NDArray[Any]

    @property
    def order(self) -> NDArray[np.intp]:
        """The groups in the order of the classes; those of a class in the order of the frame."""
        return np.argsort(self.classes, kind="stable")

    @property
    def kinds(self) -> list[Kind]:
        """The kinds in the order in which they are stored."""
        names = self.table["bits"].astype(int) * 256 + self.table["low"]
        groups = np.cumsum(np.bincount(self.classes, minlength=len(names)))
        found, first = np.unique(names, return_index=True)
        size = self.offsets.size // self.classes.size
        edges = np.append(0, groups)[np.append(first, len(names))] * size
        return [
            Kind(name // 256, name % 256, start, stop)
            for name, (start, stop) in zip(found.tolist(), pairwise(edges.tolist()), strict=True)
        ]

    def base(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the base of each pixel, in the order of the classes, modulo the dtype's range."""
        rows = self.table[self.classes[self.order]]
        unit, base = (rows[name].astype(dtype)[:, np.newaxis] for name in ("unit", "base"))
        offsets = self.offsets.reshape(self.classes.size, -1)[self.order].astype(dtype)
        return ((offsets << unit) + base).reshape(-1)


class PackedChunk:
    """A packed chunk, of its `shape`, frames and pixels, and unsigned `dtype`.

    Bytes that are not what an encoder wrote are a `DamagedChunk`.
    """

    def __init__(self, packed: Bytes) -> None:
        self.shape, self.dtype, section = _split(packed)
        frames, pixels = self.shape
        grouping = _grouping(section, pixels, bits=8 * self.dtype.itemsize)
        order, kinds = grouping.order, grouping.kinds
        self._place = np.empty(order.size, np.uint32)
        self._place[order] = np.arange(order.size)
        self._packed = Packed(
            frames,
            section["planes"],
            _planes(kinds, frames, size=section["planes"].size),
            grouping.base(self.dtype),
            self._place,
            *_events(section, kinds, self.shape, self.dtype),
            _values(section["values"], self.dtype),
        )

    def read(self, start: int, stop: int, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the codes of consecutive frames, unsigned, in `out` if it is given."""
        codes = np.empty((stop - start, self.shape[1]), self.dtype) if out is None else out
        kernel().unpack_frames(start, stop, *self._packed, codes)
        return codes

    def read_pixels(self, pixels: NDArray[np.intp], frames: range) -> NDArray[Any]:
        """Return the codes of single pixels; only their bits are unpacked where they are few."""
        if SPARSE * pixels.size > self.shape[1]:
            return self.read(frames.start, frames.stop)[:, pixels]
        size = self.shape[1] // self._place.size  # of a group
        group, within = np.divmod(pixels, size)
        places = self._place[group].astype(np.intp) * size + within
        places, columns = np.unique(places, return_inverse=True)
        return unpack_places(places, frames, self._packed)[:, columns]


def _split(packed: Bytes) -> tuple[tuple[int, int], np.dtype[Any], dict[str, Bytes]]:
    """Return the shape and the dtype of the codes, and the bytes of each section."""
    if packed.size < PACKED_HEADER.itemsize:
        raise DamagedChunk(f"damaged chunk: {packed.size} bytes are too few for its header")
    head = packed[: PACKED_HEADER.itemsize]
    frames, pixels, itemsize, *sizes = head.view(PACKED_HEADER)[0].tolist()
    if itemsize not in (1, 2, 4, 8) or not 0 < frames * pixels * itemsize <= MAX_BYTES:
        raise DamagedChunk(f"damaged chunk: {frames} x {pixels} codes of {itemsize} bytes")
    *starts, end = accumulate((size + -size % ALIGNED for size in sizes), initial=len(head))
    if end != packed.size:
        raise DamagedChunk(f"damaged chunk: {packed.size} bytes, not {end}")
    parts = (packed[start : start + size] for start, size in zip(starts, sizes, strict=True))
    return (frames, pixels), np.dtype(f"u{itemsize}"), dict(zip(SECTIONS, parts, strict=True))


def _grouping(section: dict[str, Bytes], pixels: int, *, bits: int) -> Grouping:
    classes, table = section["classes"], section["table"]
    if not classes.size or pixels % classes.size or section["offsets"].size != pixels:
        raise DamagedChunk(f"damaged chunk: {classes.size} groups of {pixels} pixels")
    if table.size % CLASS.itemsize or not int(classes.max()) < table.size // CLASS.itemsize:
        raise DamagedChunk(f"damaged chunk: {table.size} bytes for {classes.max() + 1} classes")
    rows = table.view(CLASS)
    upper, low, unit = (rows[name].astype(int) for name in ("bits", "low", "unit"))
    legal = np.isin(upper, (0, 1, 2, 4, 8)) & (upper + low <= bits) & (unit < bits)
    if not legal.all() or (np.diff(upper * 256 + low) < 0).any():
        raise DamagedChunk(f"damaged chunk: classes of bits {upper}, low {low}, unit {unit}")
    return Grouping(classes, section["offsets"].view(np.int8), rows)


def _planes(kinds: list[Kind], frames: int, *, size: int) -> NDArray[np.uint64]:
    """Return what `unpack_frames` is told of each plane."""
    planes, end = [], 0
    for kind in kinds:
        pixels = kind.stop - kind.start
        for width, shift in kind.fields:
            planes.append((width, shift, kind.start, pixels, end))
            end += -(-frames * width // 8) * pixels
    if end != size:
        raise DamagedChunk(f"damaged chunk: planes of {size} bytes, not {end}")
    return np.array(planes, np.uint64).reshape(-1, 5)


def _values(stored: Bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
    if stored.size % dtype.itemsize:
        raise DamagedChunk(f"damaged chunk: values of {stored.size} bytes")
    return stored.view(dtype.newbyteorder("<")).astype(dtype)


def _events(
    section: dict[str, Bytes], kinds: list[Kind], shape: tuple[int, int], dtype: np.dtype[Any]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[Any]]:
    """Return `event_ends`, `events` and `excess` as `unpack_frames` takes them."""
    frames, pixels = shape
    if section["counts"].size != 4 * len(kinds) * frames:
        raise DamagedChunk(f"damaged chunk: {section['counts'].size} bytes for {len(kinds)} kinds")
    counts = section["counts"].view("<u4").astype(np.int64).reshape(len(kinds), frames)
    ends = np.append(0, np.cumsum(counts))
    gaps = _joined_bytes(section, "gaps", count=int(ends[-1]))
    excess = _joined_bytes(section, "excess", count=int(ends[-1])).astype(dtype)
    events = np.empty(gaps.size, np.uint64)
    edges = ends[::frames].tolist()
    for kind, of_frames, (start, stop) in zip(kinds, counts, pairwise(edges), strict=True):
        if start < stop:
            events[start:stop] = _places(gaps[start:stop], of_frames, kind, pixels=pixels)
            excess[start:stop] <<= dtype.type(kind.bits + kind.low)
    by_kind = np.arange(len(kinds))[:, np.newaxis] * frames + np.arange(frames + 1)
    return ends[by_kind].astype(np.uint64), events, excess


def _joined_bytes(section: dict[str, Bytes], name: str, *, count: int) -> NDArray[Any]:
    """Return numbers of which the lowest byte of all comes first, then the next of all."""
    size = section[name].size // max(count, 1)
    if size * count != section[name].size or size not in ((1, 2, 4, 8) if count else (0,)):
        raise DamagedChunk(f"damaged chunk: {section[name].size} bytes for {count} {name}")
    rows = section[name].reshape(max(size, 1), count)
    return np.ascontiguousarray(rows.T).view(f"<u{max(size, 1)}").reshape(-1)


def _places(
    gaps: NDArray[Any], counts: NDArray[np.int64], kind: Kind, *, pixels: int
) -> NDArray[np.int64]:
    """Return the places of the events of a kind among the codes of all kinds, frame by frame.

    Refuse events that are not in the frames in which they are counted.
    """
    of_kind, frame = kind.stop - kind.start, np.repeat(np.arange(counts.size), counts)
    # damaged gaps might overflow the sum; no chunk has 2**31 codes
    gaps = np.minimum(gaps.astype(np.uint64), 1 << 31)
    places = np.cumsum(gaps, dtype=np.int64) + np.arange(gaps.size)
    places -= frame * of_kind
    wrong = places[(places < 0) | (places >= of_kind)]
    if wrong.size:
        raise DamagedChunk(f"damaged chunk: an event at {wrong[0]} of {of_kind} codes of a frame")
    return places + frame * pixels + kind.start
