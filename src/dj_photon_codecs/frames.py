"""Reading parts of a movie: frame by frame, or a patch of it, decoding no more than that takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numcodecs
import numpy as np
import zarr
from zarr.storage import StorePath

from dj_photon_codecs.documents import split_transform
from dj_photon_codecs.layout import GroupedLayout

if TYPE_CHECKING:
    from numcodecs.abc import Codec
    from numpy.typing import NDArray

    from dj_photon_codecs.documents import Document
    from dj_photon_codecs.storage import MovieStore

__all__ = ["FrameReader", "zarr_array"]


class FrameReader:
    """Parts of a movie, from its codes; the chunk that a frame came from last is kept.

    It is kept decompressed but in its layout, from which a frame is decoded alone.

    Parameters
    ----------
    store : MovieStore
        The movie to read.
    """

    def __init__(self, store: MovieStore) -> None:
        self._store = store
        self._transform, documents = split_transform(store.documents)
        self._codes = zarr_array(store.with_documents(documents))
        self._compressor, self._filters = _codecs(documents["zarray"])
        # the only filter of which a part can be decoded, if nothing comes before it
        only = self._filters[0] if len(self._filters) == 1 else None
        self._grouped = only if isinstance(only, GroupedLayout) else None
        self._recent: tuple[int, Any] | None = None

    def select(self, selection: Any) -> Any:
        """Return the transformed values of a basic selection, through the codes of just that."""
        return self._transformed(np.asarray(self._codes[selection]))[()]

    def frame(self, index: int) -> Any:
        """Return one frame of transformed values, shape (height, width, ...)."""
        chunk, within = divmod(index, self._codes.chunks[0])
        return self._transformed(self._frame_codes(self._chunk(chunk), within))

    def _transformed(self, codes: NDArray[Any]) -> NDArray[np.float64]:
        if self._transform is None:
            return codes.copy()
        values = np.empty(codes.shape)
        self._transform.decode(np.ascontiguousarray(codes), out=values)
        return values

    def _frame_codes(self, chunk: Any, frame: int) -> NDArray[Any]:
        shape = self._codes.chunks
        if self._grouped is not None:
            return chunk.frames(frame, frame + 1).reshape(shape[1:])
        codes: NDArray[Any] = np.frombuffer(chunk, self._codes.dtype).reshape(shape)[frame]
        return codes

    def _chunk(self, chunk: int) -> Any:
        # One tuple, read once and replaced at once, so that threads cannot see half of a change.
        recent = self._recent
        if recent is None or recent[0] != chunk:
            self._recent = recent = chunk, self._decompressed(self._store.read_chunk(chunk))
        return recent[1]

    def _decompressed(self, stored: Any) -> Any:
        """Return a chunk of which frames can be decoded, or, without a layout, its codes."""
        if self._compressor is not None:
            stored = self._compressor.decode(stored)
        if self._grouped is not None:
            return self._grouped.open(stored)
        for each in reversed(self._filters):
            stored = each.decode(stored)
        return stored


def zarr_array(store: MovieStore) -> zarr.Array[Any]:
    """Return the array that a store's documents describe, without a request to it."""
    zarray, zattrs = store.documents["zarray"], store.documents["zattrs"]
    return zarr.Array.from_dict(StorePath(store), {**zarray, "attributes": zattrs})


def _codecs(zarray: Document) -> tuple[Codec | None, list[Codec]]:
    """Return what decodes a chunk of codes: the compressor, and the filters in their order."""
    configured = zarray["compressor"]
    compressor = None if configured is None else numcodecs.get_codec(dict(configured))
    return compressor, [numcodecs.get_codec(dict(each)) for each in zarray["filters"] or []]
