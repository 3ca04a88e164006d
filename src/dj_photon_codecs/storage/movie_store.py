"""The store that a movie is read through.

`MovieStore` lies over the store that holds the chunks. It serves the documents from memory, so
that opening a movie needs no request, and checks each chunk before anything decodes it, because
neither Zarr (a missing chunk reads as the fill value) nor Blosc (it has no checksum) would
notice.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np
import zarr
from fsspec.implementations.local import LocalFileSystem
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import FsspecStore, LocalStore, StorePath, WrapperStore

from dj_photon_codecs.storage.documents import NAMES, Documents, chunk_checksums
from dj_photon_codecs.storage.forking import keep_across_forks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from fsspec import AbstractFileSystem
    from numpy.typing import NDArray
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

__all__ = ["ChunkError", "MovieStore", "crc32c", "open_store", "zarr_array"]

WHOLE = OffsetByteRequest(0)  # for a request without it, s3fs asks for the size first
READS = 8  # chunks that `damaged_chunks` reads at once
ABSENT = {"zarr.json", ".zgroup", ".zmetadata"}  # what Zarr looks for, and no movie has


class ChunkError(OSError):
    """A chunk of a stored movie is missing, or is not what was written."""


class MovieStore(WrapperStore[Store]):
    """A read-only Zarr store over the chunks of one movie.

    Parameters
    ----------
    store : zarr.abc.store.Store
        The read-only store that holds the chunks.
    documents : Documents
        What to serve as ``.zarray`` and ``.zattrs``: those of the movie, or of a view of it.
    """

    # In slots, not in __dict__: what compares two fetches by their state (DeepHash, in DataJoint's
    # three-part make) shall compare the documents, not connections, whose state changes with use.
    __slots__ = ("_expected", "_store")

    def __init__(self, store: Store, documents: Documents) -> None:
        super().__init__(store)
        self.documents = documents
        self._expected: dict[str, str] | None = None

    def with_documents(self, documents: Documents) -> MovieStore:
        """Return a store over the same chunks that describes them otherwise."""
        return MovieStore(self._store, documents)

    def with_read_only(self, read_only: bool = False) -> MovieStore:  # noqa: FBT001, FBT002
        """Return this store; refuse to make a writeable one of it.

        Raises
        ------
        ValueError
            If `read_only` is False.
        """
        if not read_only:
            raise ValueError(
                "a stored movie is read-only; insert the changed movie as a row of its own"
            )
        return self

    @property
    def is_local(self) -> bool:
        """Whether the chunks are files."""
        return isinstance(self._store, LocalStore)

    def read_chunk(self, number: int) -> NDArray[np.uint8]:
        """Return the stored bytes of a chunk, which are numbered from 0 along time.

        Raises
        ------
        ChunkError
            If the chunk is missing or damaged.
        """
        key = list(self._checksums)[number]
        if isinstance(self._store, LocalStore):
            # going through Zarr's loop of events takes longer than to read a small chunk
            stored = self._checked(key, _read_file(self._store.root / key))
        else:
            stored = sync(self.get(key, default_buffer_prototype()))
        if stored is None:
            return np.zeros(0, np.uint8)
        return stored.as_numpy_array().view(np.uint8)

    def damaged_chunks(self) -> list[str]:
        """Read every chunk and return the keys of those that are missing or damaged."""
        return sync(self._damaged_chunks())

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return a document from memory, or a chunk that is known to be whole.

        Raises
        ------
        ChunkError
            If the chunk is missing or damaged.
        """
        if key in ABSENT or key in NAMES:
            return _part(self._document(key, prototype), byte_range)
        try:
            stored = await self._store.get(key, prototype, WHOLE)
        except FileNotFoundError:  # Zarr's local store, when its whole directory is gone
            stored = None
        return _part(self._checked(key, stored), byte_range)

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Do what `get` does, on the path that newer Zarr takes to local stores."""
        prototype = prototype or default_buffer_prototype()
        if key in ABSENT or key in NAMES:
            return _part(self._document(key, prototype), byte_range)
        try:
            stored = self._store.get_sync(key, prototype=prototype)  # type: ignore[attr-defined]
        except FileNotFoundError:
            stored = None
        return _part(self._checked(key, stored), byte_range)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Do what `get` does, for several keys."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def get_ranges(
        self,
        key: str,
        byte_ranges: Iterable[ByteRequest | None],
        *,
        prototype: BufferPrototype,
        **_limits: int | None,
    ) -> AsyncIterator[list[tuple[int, Buffer | None]]]:
        """Do what `get` does, for several parts of a value; it is read once, and whole."""
        whole = await self.get(key, prototype)
        yield [(place, _part(whole, part)) for place, part in enumerate(byte_ranges)]

    _get_many = Store._get_many  # noqa: SLF001 - the wrapper's would go round `get`

    async def exists(self, key: str) -> bool:
        """Return whether the movie has this document or, on the store, this chunk."""
        return key in NAMES or (key not in ABSENT and await self._store.exists(key))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, MovieStore)
            and self._store == other._store
            and self.documents == other.documents
        )

    def __hash__(self) -> int:
        return hash(str(self._store))

    def __str__(self) -> str:
        return str(self._store)

    def __repr__(self) -> str:
        return f"MovieStore('{self._store}')"

    def __reduce__(self) -> tuple[Any, ...]:
        return MovieStore, (self._store, self.documents)

    def _with_store(self, store: Store) -> MovieStore:
        return MovieStore(store, self.documents)

    def _document(self, key: str, prototype: BufferPrototype) -> Buffer | None:
        if key in ABSENT:
            return None
        text = json.dumps(self.documents[NAMES[key]])  # type: ignore[literal-required]
        return prototype.buffer.from_bytes(text.encode())

    def _checked(self, key: str, stored: Buffer | None) -> Buffer | None:
        if key not in self._checksums:
            return stored
        if stored is None:
            raise ChunkError(_report(key, self, "is missing"))
        expected = self._checksums[key]
        if expected and (found := crc32c(stored.as_numpy_array())) != expected:
            raise ChunkError(
                _report(key, self, f"is damaged (CRC-32C {found}, written {expected})")
            )
        return stored

    async def _damaged_chunks(self) -> list[str]:
        at_once = asyncio.Semaphore(READS)

        async def is_damaged(key: str) -> bool:
            async with at_once:
                try:
                    await self.get(key, default_buffer_prototype())
                except ChunkError:
                    return True
                return False

        keys = list(self._checksums)
        damaged = await asyncio.gather(*map(is_damaged, keys))
        return [key for key, wrong in zip(keys, damaged, strict=True) if wrong]

    @property
    def _checksums(self) -> dict[str, str]:
        # made when the first chunk is read, since most movies that are fetched are never read
        if self._expected is None:
            self._expected = chunk_checksums(self.documents)
        return self._expected


def open_store(fs: AbstractFileSystem, path: str) -> Store:
    """Return a read-only Zarr store for a directory, without a request to it.

    Parameters
    ----------
    fs : fsspec.AbstractFileSystem
        Where the directory lies.
    path : str
        The directory, as `fs` names it; never a URL, in which ``#`` and ``?`` would be read.
    """
    if isinstance(fs, LocalFileSystem):
        return LocalStore(path, read_only=True)
    store = FsspecStore.from_mapper(fs.get_mapper(path), read_only=True)
    keep_across_forks(store.fs)
    return store


def zarr_array(store: MovieStore) -> zarr.Array[Any]:
    """Return the array that a store's documents describe, without a request to it."""
    zarray, zattrs = store.documents["zarray"], store.documents["zattrs"]
    return zarr.Array.from_dict(StorePath(store), {**zarray, "attributes": zattrs})


def _read_file(path: Path) -> Buffer | None:
    try:
        return default_buffer_prototype().buffer.from_bytes(path.read_bytes())
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def _part(value: Buffer | None, byte_range: ByteRequest | None) -> Buffer | None:
    if value is None or byte_range is None:
        return value
    if isinstance(byte_range, RangeByteRequest):
        return value[byte_range.start : byte_range.end]
    if isinstance(byte_range, OffsetByteRequest):
        return value[byte_range.offset :]
    return value[max(0, len(value) - byte_range.suffix) :]


def crc32c(stored: bytes | NDArray[Any]) -> str:
    """Return the CRC-32C of bytes, or of an array that holds them, as eight hexadecimal digits."""
    return f"{google_crc32c.value(stored):08x}"


def _report(key: str, store: MovieStore, fault: str) -> str:
    return (
        f"chunk {key} of {store} {fault}. movie.verify() names all such chunks; restore them from "
        "a backup of the store, or insert the movie again"
    )
