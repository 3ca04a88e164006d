"""The chunks of a movie, opened: checked and decompressed, so that frames can be decoded."""

from __future__ import annotations

import math
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numcodecs
import numpy as np

from dj_photon_codecs.arrays.chunk_cache import CACHE
from dj_photon_codecs.layouts.blosc_chunks import decode_compressed
from dj_photon_codecs.layouts.layout import WholeChunk, open_chunk
from dj_photon_codecs.storage.documents.views import split_transform
from dj_photon_codecs.storage.filters.checksum import ChecksumFilter
from dj_photon_codecs.storage.movie_store import zarr_array

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dj_photon_codecs.layouts.layout import OpenChunk
    from dj_photon_codecs.storage.movie_store import MovieStore

__all__ = ["StoredChunks"]

# What codecs raise for bytes that they did not write.
DECODING_ERRORS = (ValueError, RuntimeError, EOFError, zlib.error)


class StoredChunks:
    """The chunks of a movie, numbered from 0 along time; its views share them.

    Attributes
    ----------
    length : int
        Frames in a chunk.
    frame : tuple of int
        The shape of a frame.
    dtype : numpy.dtype
        Of the codes.
    """

    def __init__(self, store: MovieStore) -> None:
        self.store = store
        _, documents = split_transform(store.documents)
        zarray = documents["zarray"]
        self.length, *pieces = zarray["chunks"]
        self.frame = tuple(zarray["shape"][1:])
        self.dtype = np.dtype(zarray["dtype"])
        self._shape = self.length, math.prod(self.frame)
        # chunks of other programs may hold pieces of frames, which Zarr puts together
        whole = tuple(pieces) == self.frame and zarray["order"] == "C"
        self._array = None if whole else zarr_array(store.with_documents(documents))
        compressor = zarray["compressor"]
        self._compressor = None if compressor is None else numcodecs.get_codec(dict(compressor))
        self._filters = [numcodecs.get_codec(dict(config)) for config in zarray["filters"] or []]

    @property
    def bytes(self) -> int:
        """The size of the codes of a chunk."""
        return math.prod(self._shape) * self.dtype.itemsize

    def open(self, number: int, *, keep: bool = True) -> OpenChunk:
        """Return a chunk, from the cache if it is there; else it goes there, to `keep` it.

        Raises
        ------
        ChunkError
            If the chunk is missing or damaged, or holds something else than the documents say.
        OSError
            As `MovieStore.read_chunk` raises it.
        """
        chunk: OpenChunk | None = CACHE.get(self, number)
        if chunk is None:
            chunk, size = self._assembled(number) if self._array is not None else self._read(number)
            if keep:
                CACHE.put(self, number, chunk, size=size)
        return chunk

    def release(self, number: int) -> None:
        """Drop a chunk that a loop over the frames has passed, if it is soon opened again."""
        chunk = CACHE.get(self, number)
        if chunk is not None and chunk.divisible and self.store.is_local:
            CACHE.discard(self, number)

    @contextmanager
    def decoding(self, number: int) -> Iterator[None]:
        """Name a chunk in errors of its codecs, and drop it from the cache.

        Raises
        ------
        ChunkError
            If the block raises what codecs raise.
        """
        try:
            yield
        except DECODING_ERRORS as error:
            CACHE.discard(self, number)
            raise self.store.chunk_error(number, f"cannot be decoded: {error}") from error

    def _read(self, number: int) -> tuple[OpenChunk, int]:
        """Return an opened chunk, and how many bytes it may take in memory."""
        stored = self.store.read_chunk(number)
        with self.decoding(number):
            return self._open(stored, number)

    def _open(self, stored: Any, number: int) -> tuple[OpenChunk, int]:
        if self._compressor is not None:
            stored = decode_compressed(stored, compressor=self._compressor)
        filters = self._filters
        if filters and isinstance(filters[-1], ChecksumFilter):
            # What was read has been compared with the checksum in the row, if there is one.
            checked = bool(self.store.chunks.checksum(number))
            stored = filters[-1].payload(stored) if checked else filters[-1].decode(stored)
            filters = filters[:-1]
        chunk = open_chunk(stored, filters, shape=self._shape, dtype=self.dtype)
        if not filters or not chunk.divisible:
            return chunk, max(self.bytes, memoryview(stored).nbytes)
        return chunk, memoryview(stored).nbytes

    def _assembled(self, number: int) -> tuple[OpenChunk, int]:
        start = number * self.length
        codes = np.zeros(self._shape, self.dtype)
        values = np.asarray(self._array[start : start + self.length])  # type: ignore[index]
        codes[: len(values)] = values.reshape(len(values), -1)
        return WholeChunk.of(codes), codes.nbytes
