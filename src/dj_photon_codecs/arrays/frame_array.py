"""A stored movie, or a view of one, as an array of frames: with a length, and frame by frame."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import zarr

from dj_photon_codecs.arrays.frame_reader import FrameReader
from dj_photon_codecs.storage.movie_store import MovieStore

__all__ = ["FrameArray"]


class FrameArray(zarr.Array):  # type: ignore[type-arg]
    """A read-only `zarr.Array` of frames, which decodes no more than a selection takes.

    Shape (frames, height, width, ...). It reads nothing until it is indexed, and then reads and
    checks whole chunks.

    Beyond what `zarr.Array` offers it has a length, and yields frames in a loop or one by one
    without decoding a chunk twice: ``for frame in movie`` works through ``movie[0]``,
    ``movie[1]``, ..., and the codes of the chunk that was read last are kept.

    Notes
    -----
    There is no ``__iter__`` on purpose. Libraries take whatever has one for a list (pandas), or
    read all of it to compare it (DeepHash, in DataJoint's three-part ``make``), while a ``for``
    loop needs none.
    """

    # In a slot, not in __dict__, so that a movie's state is the same whether it was read or not.
    __slots__ = ("_reader",)

    def __init__(self, async_array: Any) -> None:
        super().__init__(async_array)
        self._reader: FrameReader | None = None

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, selection: Any) -> Any:
        """Return values, for whatever selection `zarr.Array` takes.

        A frame, given as an integer, consecutive frames, and parts of frames or of chunks are
        decoded from just as many codes.
        """
        if not self._has_whole_frames:
            return super().__getitem__(selection)
        if isinstance(selection, int | np.integer) and not isinstance(selection, bool):
            return self._read_frame(operator.index(selection))
        frames = self._consecutive_frames(selection)
        if frames is not None:
            return self._frames.frames(frames.start, frames.stop)
        if self._is_part(selection):
            return self._frames.select(selection)
        return super().__getitem__(selection)

    def __setitem__(self, selection: Any, value: Any) -> None:
        """Refuse, as everything else that would change a stored movie does.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(
            "a stored movie is read-only; insert the changed movie as a row of its own"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # a pickle carries neither codes nor views
        return type(self), (self.async_array,)

    @property
    def movie_store(self) -> MovieStore:
        """The store that the movie is read through: its documents, over its chunks."""
        store = self.store_path.store
        if not isinstance(store, MovieStore):
            name = type(self).__name__
            raise TypeError(f"a {name} lies on a MovieStore, not on {store!r}; use open_movie")
        return store

    @property
    def _frames(self) -> FrameReader:
        if self._reader is None:
            self._reader = FrameReader(self.movie_store)
        return self._reader

    @property
    def _has_whole_frames(self) -> bool:
        # those of another program may be in pieces, which are left to Zarr
        return self.chunks[1:] == self.shape[1:] and self.order == "C"

    def _read_frame(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"frame {index} of a movie of {len(self)} frames")
        return self._frames.frame(index % len(self))

    def _consecutive_frames(self, selection: Any) -> range | None:
        """Return the frames of a selection that takes consecutive ones, and all of each."""
        parts = selection if isinstance(selection, tuple) else (selection,)
        if len(parts) == 1 and parts[0] is Ellipsis:
            parts = (slice(None),)
        if not 0 < len(parts) <= self.ndim or not isinstance(parts[0], slice):
            return None
        others = [part for part in parts[1:] if not _is_all(part)]
        if len(others) > 1 or not all(part is Ellipsis for part in others):
            return None
        frames = range(*parts[0].indices(len(self)))
        return frames if frames.step == 1 and frames else None

    def _is_part(self, selection: Any) -> bool:
        """Return whether a basic selection takes parts of frames, or less than a chunk of them."""
        parts = selection if isinstance(selection, tuple) else (selection,)
        if not parts or not all(_is_basic(part) for part in parts):
            return False
        if any(part not in (slice(None), Ellipsis) for part in parts[1:]):
            return self.chunks[1:] == self.shape[1:] and self.order == "C"
        return parts[0] is not Ellipsis and _length(parts[0], len(self)) < self.chunks[0]


def _is_all(part: Any) -> bool:
    return isinstance(part, slice) and part == slice(None)


def _is_basic(part: Any) -> bool:
    basic = isinstance(part, slice | int | np.integer) or part is Ellipsis
    return basic and not isinstance(part, bool)


def _length(part: slice | int, frames: int) -> int:
    return len(range(*part.indices(frames))) if isinstance(part, slice) else 1
