"""Where a source is cut along time, so that each of its chunks is decoded once in a pass."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from numbers import Integral
from typing import Any

__all__ = ["band_edges", "chunk_edges"]


def chunk_edges(values: Any, shape: tuple[int, ...]) -> list[Sequence[int]] | None:
    """Return the edges of a source's chunks along each axis, or None if it has no chunks.

    Its ``chunks`` may be as those of h5py, Zarr, dask and xarray, or ``chunking()`` as of netCDF4.

    Examples
    --------
    >>> import numpy as np
    >>> chunk_edges(np.zeros((10, 4, 4)), (10, 4, 4)) is None
    True
    """
    chunks = getattr(values, "chunks", None)
    if chunks is None and hasattr(values, "chunking"):
        chunks = values.chunking()
    if not isinstance(chunks, tuple | list) or len(chunks) != len(shape):
        return None
    edges = [_edges(chunk, length) for chunk, length in zip(chunks, shape, strict=True)]
    return edges if all(edges) else None


def band_edges(chunks: Sequence[int] | None, *, frames: int, longest: int) -> list[int]:
    """Return where a movie is cut along time into bands of whole chunks: first frames, and the end.

    Without `chunks`, the edges along time, it may be cut anywhere. A band has no more than
    `longest` frames, unless a single chunk has.

    Examples
    --------
    >>> band_edges(None, frames=100, longest=32)
    [0, 32, 64, 96, 100]
    >>> band_edges([0, 15, 30, 90, 100], frames=100, longest=32)
    [0, 30, 90, 100]
    """
    if chunks is None:
        return [*range(0, frames, longest), frames]
    edges = [0]
    for start, stop in pairwise(chunks):
        if stop - edges[-1] > longest and start != edges[-1]:
            edges.append(start)
    return [*edges, frames]


def _edges(chunk: Any, length: int) -> Sequence[int]:
    """Return the edges of chunks along an axis; [] for what are no lengths that add up to it."""
    if isinstance(chunk, Integral):
        return [*range(0, length, max(1, int(chunk))), length]
    if not isinstance(chunk, tuple | list) or not all(isinstance(size, Integral) for size in chunk):
        return []
    edges = [0, *accumulate(map(int, chunk))]  # the length of each chunk, as dask says it
    return edges if edges[-1] == length and min(chunk) >= 0 else []
