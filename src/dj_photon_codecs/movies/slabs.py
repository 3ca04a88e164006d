"""A movie a slab of frames at a time, since it may be larger than the memory."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Frames", "slabs"]

SLAB = 1 << 24  # bytes; frames are looked at in slabs of about this size


class Frames(Protocol):
    """An array that can be read frame by frame: NumPy's, a memory map, zarr.Array, h5py.Dataset."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102
    def __getitem__(self, selection: slice, /) -> Any: ...


def slabs(values: Frames, start: int, stop: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield (first frame, frames) from `start` to `stop`, and give mapped pages back after each."""
    frames = _frames_per_slab(values)
    for first in range(start, stop, frames):
        yield first, np.asarray(values[first : min(first + frames, stop)])
        _release_pages(values)


def _frames_per_slab(values: Frames) -> int:
    frame = int(np.prod(values.shape[1:])) * values.dtype.itemsize
    frames = max(1, SLAB // frame)
    stored = getattr(values, "chunks", None)  # of an array that must decode whole chunks
    if stored and isinstance(stored[0], int):
        return max(stored[0], frames // stored[0] * stored[0])
    return frames


def _release_pages(values: Any) -> None:
    """Drop a memory map's pages from this process; they stay in the system's cache of the file."""
    while isinstance(values, np.ndarray):
        if isinstance(values, np.memmap):
            # a private mapping (mode "c") may hold changes that are nowhere else
            if values.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
                values._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]  # noqa: SLF001
            return
        values = values.base
