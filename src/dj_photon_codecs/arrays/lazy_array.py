"""A stored movie as a dask array, which computes block by block."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dj_photon_codecs.arrays.frame_array import FrameArray

__all__ = ["lazy_array"]


def lazy_array(movie: FrameArray) -> Any:
    """Return a `dask.array.Array` over a movie or a view of one; nothing is read.

    Parameters
    ----------
    movie : FrameArray
        Its chunks become the chunks of the dask array. The name of the dask array depends on the
        place and the contents of the movie only.

    Raises
    ------
    ImportError
        If dask is not installed.
    """
    try:
        from dask.array import from_array  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ImportError(
            "movie.dask() needs dask: pip install 'dj-photon-codecs[dask]'. Without it, work "
            "through the movie in a loop, or in slices such as movie[:100]"
        ) from error
    store = movie.movie_store
    text = json.dumps([str(store), store.documents], sort_keys=True)
    name = f"photon-{hashlib.sha256(text.encode()).hexdigest()[:32]}"
    empty = np.empty((0,) * movie.ndim, movie.dtype)
    return from_array(  # type: ignore[no-untyped-call]
        movie, chunks=movie.chunks, name=name, fancy=False, meta=empty
    )
