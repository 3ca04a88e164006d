"""The store that a movie is read through.

`MovieStore` serves the documents from memory, so that opening a movie needs no request, and checks
the bytes of each chunk before they are decoded. Zarr would read a missing chunk as the fill value,
and Blosc has no checksum.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from functools import lru_cache
from typing import Any, NoReturn

import google_crc32c
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.buffer import Buffer, BufferPrototype
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.storage import MemoryStore, StorePath

from dj_photon_codecs.policy import FILTERS, LOSSLESS
from dj_photon_codecs.storage.documents.chunk_index import ChunkIndex
from dj_photon_codecs.storage.documents.description import NAMES, Documents
from dj_photon_codecs.storage.files.movie_files import MovieFiles

__all__ = ["ChunkError", "MovieNotFoundError", "MovieStore", "crc32c", "zarr_array"]

KNOWN = {*FILTERS, *LOSSLESS, "photon.grouped", "photon.dense"}  # codecs that no user defines
READS = 2  # of a chunk that is damaged; it may have been garbled on its way
READ_ONLY = "a stored movie is read-only; insert the changed movie as a row of its own"


class ChunkError(OSError):
    """A chunk of a stored movie is missing, or is not what was written."""


class MovieNotFoundError(ChunkError, FileNotFoundError):
    """Nothing of a movie is where its row says that it lies."""


class MovieStore(Store):
    """A read-only Zarr store over the chunks of one movie.

    It serves `documents` as ``.zarray`` and ``.zattrs``: those of the movie, or of a view of it.
    """

    # In slots, not in __dict__: what compares two fetches by their state (DeepHash, in DataJoint's
    # three-part make) shall compare the documents, not connections, whose state changes with use.
    # `_is_open` is Zarr's own; if Zarr renames it, test_opening_a_store_... fails, and no more.
    __slots__ = ("_index", "_is_open", "files")

    supports_writes = False
    supports_deletes = False
    supports_partial_writes = False
    supports_listing = True

    def __init__(self, files: MovieFiles, documents: Documents) -> None:
        super().__init__(read_only=True)
        self.files = files
        self.documents = documents
        self._index: ChunkIndex | None = None

    @property
    def chunks(self) -> ChunkIndex:
        """The keys and checksums of the chunks."""
        # made when the first chunk is read, since most movies that are fetched are never read
        if self._index is None:
            self._index = ChunkIndex(self.documents)
        return self._index

    @property
    def is_local(self) -> bool:
        """Whether the chunks are files of a local directory."""
        return self.files.is_local

    def with_documents(self, documents: Documents) -> MovieStore:
        """Return a store of the same chunks with other documents."""
        return MovieStore(self.files, documents)

    # ------------------------------------------------------------------------ chunks

    def read_chunk(self, number: int) -> NDArray[np.uint8]:
        """Return the stored bytes of a chunk; chunks are numbered from 0 along time.

        It is a `ChunkError` if the chunk is missing, or two reads of it found it damaged; a
        `MovieNotFoundError` if nothing of the movie is there; and what `MovieFiles.read` raises.
        """
        key, expected = self.chunks.key(number), self.chunks.checksum(number)
        for _ in range(READS):
            stored = self.files.read(key)
            if stored is None:
                self._report_missing(key)
            if not expected or (found := crc32c(stored)) == expected:
                return np.frombuffer(stored, np.uint8)
        raise self.chunk_error(number, f"is damaged (CRC-32C {found}, written {expected})")

    def chunk_error(self, number: int, fault: str) -> ChunkError:
        """Return the error that says what is wrong with a chunk, and what to do."""
        return ChunkError(
            f"chunk {self.chunks.key(number)} of {self} {fault}. movie.verify() names all such "
            "chunks; restore them from a backup of the store, or insert the movie again"
        )

    def _report_missing(self, key: str) -> NoReturn:
        if any(self.files.read(name) is not None for name in NAMES):
            number = self.chunks.number(key)
            raise self.chunk_error(number or 0, "is missing")
        raise MovieNotFoundError(
            f"nothing of the movie is at {self}: neither chunk {key} nor its documents. Is the "
            "store mounted? Do the bucket, the endpoint and the location in dj.config['stores'] "
            "name the place that the movie was written to? A relative location depends on the "
            "current directory. If they do, restore the movie from a backup of the store"
        )

    # ------------------------------------------------------------------------ Zarr

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return a document, from memory, or the bytes of a chunk, as `read_chunk` does."""
        if key in NAMES:
            text = json.dumps(self.documents[NAMES[key]])  # type: ignore[literal-required]
            return _part(prototype.buffer.from_bytes(text.encode()), byte_range)
        number = self.chunks.number(key)
        if number is None:  # such as zarr.json, .zgroup and .zmetadata, which no movie has
            return None
        stored = await asyncio.to_thread(self.read_chunk, number)
        return _part(prototype.buffer.from_bytes(stored.data), byte_range)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Do what `get` does, for several keys."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        """Return whether a key is that of a document, or of a chunk that is on the store."""
        if key in NAMES:
            return True
        if self.chunks.number(key) is None:
            return False
        return await asyncio.to_thread(self.files.exists, key)

    async def list(self) -> AsyncIterator[str]:
        """Yield the keys of the documents and of all chunks, without a request."""
        for key in (*NAMES, *self.chunks):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield those keys of `list` that begin with a prefix."""
        async for key in self.list():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names directly below a prefix."""
        folder = prefix.rstrip("/") + "/" if prefix.rstrip("/") else ""
        seen = set()
        async for key in self.list_prefix(folder):
            name = key.removeprefix(folder).split("/")[0]
            if name not in seen:
                seen.add(name)
                yield name

    def with_read_only(self, read_only: bool = False) -> MovieStore:  # noqa: FBT001, FBT002
        """Return this store; refuse to make a writeable one of it."""
        if not read_only:
            raise ValueError(READ_ONLY)
        return self

    async def _refuse(self, *given: Any, **named: Any) -> None:  # noqa: ARG002
        raise ValueError(READ_ONLY)

    # Zarr before 3.1.3 demands set_partial_values.
    set = set_partial_values = delete = delete_dir = clear = _refuse

    # ------------------------------------------------------------------------ Python

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, MovieStore)
            and self.files == other.files
            and self.documents == other.documents
        )

    def __hash__(self) -> int:
        return hash(self.files)

    def __str__(self) -> str:
        return str(self.files)

    def __repr__(self) -> str:
        return f"MovieStore('{self}')"

    def __reduce__(self) -> tuple[Any, ...]:
        return MovieStore, (self.files, self.documents)


def zarr_array(store: MovieStore) -> zarr.Array[Any]:
    """Return the array that a store's documents describe, without a request to it."""
    # a copy, which Zarr changes before it asks the store to write attributes; faster than deepcopy
    attributes = json.loads(json.dumps(store.documents["zattrs"]))
    zarray = store.documents["zarray"]
    codecs = [codec["id"] for codec in (zarray["compressor"], *(zarray["filters"] or [])) if codec]
    # a codec of a user may be defined anew
    parsed = _parsed if KNOWN.issuperset(codecs) else _parsed.__wrapped__
    metadata = parsed(json.dumps(zarray)).update_attributes(attributes)
    return zarr.Array(zarr.AsyncArray(metadata, StorePath(store)))


@lru_cache(maxsize=64)  # movies of a table are much alike, and Zarr takes its time
def _parsed(zarray: str) -> Any:
    """Return Zarr's metadata of an array without attributes."""
    described = json.loads(zarray) | {"attributes": {}}
    return zarr.Array.from_dict(StorePath(MemoryStore()), described).metadata


def crc32c(stored: bytes | NDArray[Any]) -> str:
    """Return the CRC-32C of bytes, or of an array that holds them, as eight hexadecimal digits."""
    return f"{google_crc32c.value(stored):08x}"


def _part(value: Buffer, byte_range: ByteRequest | None) -> Buffer:
    if byte_range is None:
        return value
    if isinstance(byte_range, RangeByteRequest):
        return value[byte_range.start : byte_range.end]
    if isinstance(byte_range, OffsetByteRequest):
        return value[byte_range.offset :]
    if isinstance(byte_range, SuffixByteRequest):
        return value[max(0, len(value) - byte_range.suffix) :]
    raise TypeError(f"Unexpected byte_range, got {byte_range!r}; give one of zarr.abc.store's")
