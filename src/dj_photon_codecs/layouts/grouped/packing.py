"""The encoder of grouped chunks: classes, planes and events as sections of bytes."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.grouped.events import Events, find_events
from dj_photon_codecs.layouts.grouped.grouping import Grouping
from dj_photon_codecs.layouts.grouped.planes import planes_of, planes_size, whole_rows
from dj_photon_codecs.layouts.grouped.unpacking import PACKED_HEADER, padded_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dj_photon_codecs.layouts.grouped.grouping import Kind

__all__ = ["pack"]

# With fewer bytes, NumPy's calls are so short that threads wait for each other; more do not stay in
# the cache (benchmarks/constants.py).
TILE = 1 << 21  # bytes of codes that are packed at a time


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
    >>> from dj_photon_codecs.layouts.grouped.unpacking import PackedChunk
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
    edges = accumulate((planes_size(kind, frames) for kind in kinds), initial=0)
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
    """Yield the header and the sections, each padded."""
    flat = [np.ascontiguousarray(section).reshape(-1).view(np.uint8) for section in sections]
    yield np.array([(*shape, *(section.size for section in flat))], PACKED_HEADER).view(np.uint8)
    for section in flat:
        yield section
        yield np.zeros(padded_size(section.size) - section.size, np.uint8)


def _split_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the lowest byte of all values, then the next byte of all, as far as it is used."""
    size = np.min_scalar_type(values.max(initial=0)).itemsize
    return values.astype(f"<u{size}").view(np.uint8).reshape(-1, size).T
