"""The decoder of grouped chunks: from their sections to the codes of frames and of pixels."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.blosc_chunks import MAX_BYTES
from dj_photon_codecs.layouts.grouped.grouping import CLASS, Grouping
from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.kernels.reference_grouped import unpack_places
from dj_photon_codecs.layouts.layout import DamagedChunk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dj_photon_codecs.layouts.grouped.grouping import Kind

__all__ = ["PACKED_HEADER", "SECTIONS", "PackedChunk", "padded_size", "plane_fields"]

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
        frames, pixels = self.shape
        grouping = _grouping(section, pixels, itemsize=self.dtype.itemsize)
        self._place = grouping.inverse.astype(np.uint32)
        self._packed = (
            frames,
            section["planes"],
            _planes(grouping.kinds, frames, size=section["planes"].size),
            grouping.base(self.dtype),
            self._place,
            *_events(section, grouping.kinds, self.shape, self.dtype),
            _values(section, self.dtype),
        )

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
        kernel().unpack_frames(start, stop, *self._packed, codes)
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
        size = self.shape[1] // self._place.size  # of a group
        group, within = np.divmod(pixels, size)
        places = self._place[group].astype(np.intp) * size + within
        order = np.argsort(places)
        codes = np.empty((len(frames), pixels.size), self.dtype)
        codes[:, order] = unpack_places(places[order], frames, *self._packed)
        return codes


def padded_size(size: int) -> int:
    """Return the bytes of a section with the zeros after it."""
    return -(-size // ALIGNED) * ALIGNED


def plane_fields(kind: Kind) -> Iterator[tuple[int, int]]:
    """Yield the width and the shift of each plane: that of `bits`, then those of `low`."""
    if kind.bits:
        yield kind.bits, kind.low
    left = kind.low
    for width in (8, 4, 2, 1):
        while left >= width:
            left -= width
            yield width, left


def _planes(kinds: list[Kind], frames: int, *, size: int) -> NDArray[np.uint64]:
    """Return what `unpack_frames` is told of each plane."""
    planes, end = [], 0
    for kind in kinds:
        pixels = kind.stop - kind.start
        for width, shift in plane_fields(kind):
            planes.append((width, shift, kind.start, pixels, end))
            end += -(-frames * width // 8) * pixels
    if end != size:
        raise DamagedChunk(f"damaged chunk: planes of {size} bytes, not {end}")
    return np.array(planes, np.uint64).reshape(-1, 5)


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
    sizes = (padded_size(int(header[name])) for name in SECTIONS)
    ends = list(accumulate(sizes, initial=len(head)))
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


def _values(section: dict[str, NDArray[np.uint8]], dtype: np.dtype[Any]) -> NDArray[Any]:
    stored = section["values"]
    if stored.size % dtype.itemsize:
        raise DamagedChunk(f"damaged chunk: values of {stored.size} bytes")
    return stored.view(dtype.newbyteorder("<")).astype(dtype)


def _events(
    section: dict[str, NDArray[np.uint8]],
    kinds: list[Kind],
    shape: tuple[int, int],
    dtype: np.dtype[Any],
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[Any]]:
    """Return `event_ends`, `events` and `excess` as `unpack_frames` takes them."""
    frames = shape[0]
    if section["counts"].size != 4 * len(kinds) * frames:
        raise DamagedChunk(f"damaged chunk: {section['counts'].size} bytes for {len(kinds)} kinds")
    counts = section["counts"].view("<u4").astype(np.int64).reshape(len(kinds), frames)
    ends = np.append(0, np.cumsum(counts))
    gaps, excess = (
        _joined_bytes(section, name, count=int(ends[-1])) for name in ("gaps", "excess")
    )
    excess = excess.astype(dtype)
    events = np.empty(gaps.size, np.uint64)
    edges = ends[::frames].tolist()
    for kind, of_frames, (start, stop) in zip(kinds, counts, pairwise(edges), strict=True):
        if start < stop:
            events[start:stop] = _places(gaps[start:stop], of_frames, kind, pixels=shape[1])
            excess[start:stop] <<= dtype.type(kind.bits + kind.low)
    by_kind = np.arange(len(kinds))[:, np.newaxis] * frames + np.arange(frames + 1)
    return ends[by_kind].astype(np.uint64), events, excess


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


def _places(
    gaps: NDArray[Any], counts: NDArray[np.int64], kind: Kind, *, pixels: int
) -> NDArray[np.int64]:
    """Return the places of the events of a kind among the codes of all kinds, frame by frame."""
    if gaps.itemsize > 4:  # damaged ones might overflow the sum; no chunk has 2**31 codes
        gaps = np.minimum(gaps, 1 << 31)
    places = np.cumsum(gaps, dtype=np.int64) + np.arange(gaps.size)
    _check_frames(places, counts, pixels=kind.stop - kind.start)
    of_other_kinds = pixels - (kind.stop - kind.start)  # in a frame
    places += np.repeat(np.arange(counts.size) * of_other_kinds + kind.start, counts)
    return places


def _check_frames(places: NDArray[np.int64], counts: NDArray[np.int64], *, pixels: int) -> None:
    """Refuse events, in ascending order, that are not in the frames in which they are counted."""
    filled = np.flatnonzero(counts)
    ends = np.cumsum(counts)[filled]
    first = places[ends - counts[filled]] - filled * pixels
    last = places[ends - 1] - filled * pixels
    if first.min() < 0 or last.max() >= pixels:
        wrong = first.min() if first.min() < 0 else last.max()
        raise DamagedChunk(f"damaged chunk: an event at {wrong} of {pixels} codes of a frame")
