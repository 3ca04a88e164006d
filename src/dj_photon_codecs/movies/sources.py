"""The values of a movie while it is read: in bounded memory, and compared with what they were.

A source is read in *slabs* of frames, of about 16 MB; what lies in memory, of 1 MB, which stay in
the cache of a processor while they are looked at. Where it has chunks, it is read in *bands*:
consecutive frames of whole chunks, as many as a slab has, or as one chunk has if these are more.
"""

from __future__ import annotations

import math
import os
import threading
from bisect import bisect_right
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dj_photon_codecs.movies.fingerprints import fingerprints
from dj_photon_codecs.movies.kinds import is_a
from dj_photon_codecs.movies.memory_maps import check_length, release_pages
from dj_photon_codecs.movies.source_chunks import band_edges, chunk_edges
from dj_photon_codecs.movies.staging import staged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

__all__ = ["SLAB_BYTES", "Frames", "Source", "as_source", "promised_part"]


class Frames(Protocol):
    """An array that can be read frame by frame: NumPy's, a memory map, zarr.Array, h5py.Dataset."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102
    def __getitem__(self, selection: slice, /) -> Any: ...


class _ReadingLock:
    """One lock for all sources that may not be safe for threads; a forked child gets a new one.

    A lock for each reader would not do, since two readers may share one file.
    """

    def __init__(self) -> None:
        self.renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self.lock = threading.RLock()  # one reader may read through another


READING = _ReadingLock()
# benchmarks/insert_sources.py measures what reading takes.
SLAB_BYTES = 1 << 24  # frames are looked at in slabs of about this size
DIRECT_BYTES = 1 << 20  # the same, where they need not be read
BAND_LIMIT = 1 << 28  # bytes of a source that are in memory at a time
SAFE = (
    ("zarr", "Array"),
    ("dask", "Array"),
    ("dj_photon_codecs", "TiffMovie"),
)  # may be read by several threads
FRESH = (*SAFE, ("h5py", "Dataset"))  # make a new array each time they are read
ADVICE = "Let nothing write to it until that is over"


@dataclass
class _Band:
    """Consecutive frames that were read together, kept until each of them was asked for."""

    first: int
    frames: NDArray[Any]
    left: int  # frames that nobody has asked for yet


class Source:
    """The values of one movie, for one or more passes over its frames.

    Shape and dtype are those of the moment at which it is made; all that is read later must have
    them, and frames that are read again must be what they were. A NumPy array is sliced. Of
    anything else whole bands are read, and kept until each of their frames was asked for, so that
    a pass reads each chunk once, in whatever steps. At most 256 MB are kept; a movie whose chunks
    are longer is copied to a temporary file first. All but NumPy, Zarr and dask arrays are read
    under one lock, one block at a time. Any number of threads may ask for frames.

    Parameters
    ----------
    values : array_like
        The movie, shape (frames, height, width, ...), as `check_frames` accepts it.
    first : int
        The number of the first frame, in a part of a movie: errors name frames of the movie.
    fingerprints : numpy.ndarray, optional
        Those of all frames, if they were read before.

    Examples
    --------
    >>> source = Source(np.arange(24, dtype="u1").reshape(4, 2, 3))
    >>> [(first, frames.shape) for first, frames in source.slabs(1, 4)]
    [(1, (3, 2, 3))]
    """

    def __init__(
        self, values: Frames, *, first: int = 0, fingerprints: NDArray[np.uint32] | None = None
    ) -> None:
        self.values = values
        self.first = first
        self.shape = tuple(int(length) for length in values.shape)
        self.dtype = values.dtype
        self._frame_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        # what can be sliced as it is: an array in memory, a memory map, or the temporary file
        in_place = getattr(values, "in_place", lambda: None)  # of `read_movie`
        self._direct = values if isinstance(values, np.ndarray) else in_place()
        self._chunks = None if self._direct is not None else chunk_edges(values, self.shape)
        slab = SLAB_BYTES if self._direct is None else min(DIRECT_BYTES, SLAB_BYTES)
        self._longest = max(1, slab // self._frame_bytes)  # slab, in frames
        along_time = None if self._chunks is None else self._chunks[0]
        self._edges = band_edges(along_time, frames=self.shape[0], longest=self._longest)
        self._longest_band = max(stop - start for start, stop in pairwise(self._edges))
        self._loading = threading.Lock()
        self._bands: dict[int, _Band] = {}
        self._wanted: frozenset[int] = frozenset()
        self._kept: dict[int, NDArray[Any]] = {}
        self._seen = np.full(self.shape[0], fingerprints is not None)
        self.fingerprints = (
            np.zeros(self.shape[0], np.uint32) if fingerprints is None else fingerprints.copy()
        )

    def __getitem__(self, frames: slice) -> NDArray[Any]:
        """Return consecutive frames, such as those of a sample, without beginning a pass."""
        start, stop, _ = frames.indices(self.shape[0])
        wanted = range(start, stop)
        if wanted and all(frame in self._kept for frame in wanted):
            return np.stack([self._kept[frame] for frame in wanted])
        if self._direct is not None:
            check_length(self._direct)
            return np.asarray(self._direct[start:stop])
        return self._read(start, stop)

    @property
    def is_direct(self) -> bool:
        """Whether frames are views of a NumPy array, which several threads may take at a time."""
        return self._direct is not None

    @property
    def is_computed(self) -> bool:
        """Whether dask computes the values each time they are read."""
        return hasattr(self.values, "__dask_graph__") and self.values.__dask_graph__() is not None

    @property
    def is_shared(self) -> bool:
        """Whether several threads may read frames at a time, wherever chunks of them begin."""
        return self.is_direct or (self._chunks is None and self._is_of(SAFE))

    def keep(self, frames: Iterable[int]) -> None:
        """Keep frames from the next pass on, so that a sample of them is not read again.

        With the longest band, no more than 256 MB are kept, and nothing of a NumPy array.
        """
        if self._direct is None:
            room = max(0, BAND_LIMIT // self._frame_bytes - self._longest_band)
            self._wanted = frozenset(sorted(set(frames))[:room])

    def spans(self) -> list[tuple[int, int]]:
        """Return the parts, first frame and end, of a pass that several threads may share."""
        frames = self.shape[0]
        length = max(1, SLAB_BYTES // self._frame_bytes) if self.is_direct else frames
        return [(start, min(start + length, frames)) for start in range(0, frames, length)]

    def slabs(self, start: int, stop: int) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield the frames from `start` to `stop` in slabs: first frame, and slab.

        Slabs of a NumPy array are compared with what they were when the next one is asked for, or
        the end: then the cache has them, and what was made of them in between is known, too.

        Raises
        ------
        ValueError
            If frames have another shape or dtype than the movie had, or changed; if the file of a
            memory map became shorter.
        OSError
            If the movie is to be copied to a temporary file, and there is no room for it.
        """
        self._stage_if_needed()
        while start < stop:
            end = min(start + self._longest, stop)
            if self._direct is None:
                frames = self._from_band(start, end)
            else:
                check_length(self._direct)
                frames = np.asarray(self._direct[start:end])
            yield start, frames
            if self._direct is not None:
                self._compare(start, frames)
                release_pages(self._direct)
            start += len(frames)

    def check_unchanged(self) -> None:
        """Refuse a source whose shape or dtype is no longer what it was.

        Raises
        ------
        ValueError
            If it grew, shrank, or cannot be asked any more.
        """
        try:
            shape, dtype = tuple(self.values.shape), self.values.dtype
        except (ValueError, OSError, RuntimeError) as error:  # of a file that was closed
            raise ValueError(f"movie cannot be read any more ({error}). {ADVICE}") from error
        if shape != self.shape or dtype != self.dtype:
            raise ValueError(
                f"movie promised shape {self.shape} and dtype {self.dtype}, and now has shape "
                f"{shape} and dtype {dtype}: it changes while it is read. {ADVICE}"
            )

    def _from_band(self, start: int, stop: int) -> NDArray[Any]:
        """Return the frames from `start` on that are in one band, up to `stop`."""
        number = bisect_right(self._edges, start) - 1
        with self._loading:
            band = self._bands.get(number) or self._load(number)
            frames = band.frames[start - band.first : stop - band.first]
            band.left -= len(frames)
            if band.left <= 0 and len(self._edges) > 2:  # a movie of one band is read once
                del self._bands[number]
        return frames

    def _load(self, number: int) -> _Band:
        first, stop = self._edges[number : number + 2]
        held = sum(band.frames.nbytes for band in self._bands.values())
        held += len(self._kept) * self._frame_bytes
        while self._bands and held + (stop - first) * self._frame_bytes > BAND_LIMIT:
            oldest = next(iter(self._bands))  # its other frames will be read again
            held -= self._bands.pop(oldest).frames.nbytes
        frames = self._read(first, stop)
        for frame in self._wanted.intersection(range(first, stop)):
            self._kept.setdefault(frame, frames[frame - first].copy())
        self._bands[number] = _Band(first, frames, left=len(frames))
        return self._bands[number]

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        frames = self._read_block((slice(start, stop),))
        self._compare(start, frames)
        return frames

    def _read_block(self, block: tuple[slice, ...]) -> NDArray[Any]:
        """Read a part of the movie, and refuse it unless it is what was promised."""
        with self._lock():
            part = self.values[block if len(block) > 1 else block[0]]  # type: ignore[index]
            if hasattr(part, "compute"):  # of dask; NumPy would do it, and drop the mask
                part = part.compute()
            part = _unmasked(part, block[0])
            if not self._is_of(FRESH):
                part = part.copy()  # a reader may use its memory again
            self.check_unchanged()
        lengths = [along.stop - along.start for along in block]
        shape = (*lengths, *self.shape[len(block) :])
        _check_promise(part, block[0], shape=shape, dtype=self.dtype, advice=self._advice())
        return part

    def _advice(self) -> str:
        if is_a(self.values, "netCDF4", "Variable"):
            return (
                "movie.set_auto_maskandscale(False) makes netCDF4 yield the values that it stores"
            )
        return ADVICE

    def _lock(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._is_of(SAFE) else READING.lock

    def _is_of(self, kinds: Iterable[tuple[str, str]]) -> bool:
        return any(is_a(self.values, *kind) for kind in kinds)

    def _compare(self, start: int, frames: NDArray[Any]) -> None:
        """Refuse frames that are not what they were when they were read before."""
        place = slice(start, start + len(frames))
        found = fingerprints(frames)
        changed = self._seen[place] & (found != self.fingerprints[place])
        if changed.any():
            raise ValueError(
                "movie has changed since it was first read: frame "
                f"{self.first + start + int(changed.argmax())} is not what it was. {ADVICE}"
            )
        self.fingerprints[place] = found
        self._seen[place] = True

    def _stage_if_needed(self) -> None:
        longest = self._longest_band
        if self._chunks is None or longest == 1 or longest * self._frame_bytes <= BAND_LIMIT:
            return
        with self._loading:
            if self._direct is None:
                self._direct = staged(
                    self._read_block, self._chunks, shape=self.shape, dtype=self.dtype
                )


def promised_part(
    part: Any, *, first: int, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Return frames that another program has read; refuse them unless they are as promised.

    The first of them has the number `first` in the movie. Masked values, and another shape or dtype
    than the promised one, are a `ValueError`.
    """
    frames = slice(first, first + shape[0])
    part = _unmasked(part, frames)
    if part.dtype == dtype.newbyteorder("="):  # joined parts have the machine's order of bytes
        part = part.astype(dtype, copy=False)
    _check_promise(part, frames, shape=shape, dtype=dtype, advice=ADVICE)
    return part


def _unmasked(part: Any, frames: slice) -> NDArray[Any]:
    if np.ma.is_masked(part):
        raise ValueError(
            f"movie holds masked values in frames {_span(frames)}, and the mask would be lost; "
            "fill them, and read without a mask (netCDF4: set_auto_mask(False))"
        )
    return np.ascontiguousarray(part)


def _check_promise(
    part: NDArray[Any],
    frames: slice,
    *,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    advice: str,
) -> None:
    if part.shape != shape or part.dtype != dtype:
        raise ValueError(
            f"movie promised shape {shape} and dtype {dtype} for frames {_span(frames)}, but they "
            f"have shape {part.shape} and dtype {part.dtype}: it changes while it is read, or its "
            f"reader is wrong. {advice}"
        )


def _span(frames: slice) -> str:
    return f"{frames.start} to {frames.stop - 1}"


def as_source(values: Frames) -> Source:
    """Return a movie as a `Source`: itself if it is one."""
    return values if isinstance(values, Source) else Source(values)
