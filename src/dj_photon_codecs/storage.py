"""Stored movies as bytes: the store that a movie is read through, and how a movie is written.

`MovieStore` lies over the store that holds the chunks. It serves the documents from memory, so
that opening a movie needs no request, and checks each chunk before anything decodes it, because
neither Zarr (a missing chunk reads as the fill value) nor Blosc (it has no checksum) would
notice. `write_movie` and `copy_movie` leave a whole movie behind, or nothing.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import google_crc32c
import numcodecs.blosc
from fsspec.implementations.local import LocalFileSystem
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import FsspecStore, LocalStore, WrapperStore

from dj_photon_codecs.compression import Compression, choose_compression
from dj_photon_codecs.documents import Documents, chunk_checksums, describe
from dj_photon_codecs.forking import keep_across_forks
from dj_photon_codecs.movies import code_dtype, codes, decode_table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from fsspec import AbstractFileSystem
    from numpy.typing import NDArray
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

    from dj_photon_codecs.movies import CameraMovie, ValueRange

__all__ = ["ChunkError", "MovieStore", "copy_movie", "open_store", "write_movie"]

LARGEST_CHUNK = numcodecs.blosc.MAX_BUFFERSIZE - (1 << 26)  # bytes of codes, and room for layouts
BUDGET = 320 << 20  # bytes of codes and compressed codes that an insert holds at a time
WORKERS = 8  # chunks under way at once, where the budget allows
READS = 8  # chunks that `damaged_chunks` reads at once
DOCUMENTS = {".zattrs": "zattrs", ".zarray": "zarray"}  # in the order in which they are written
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

    def read_chunk(self, number: int) -> bytes:
        """Return the stored bytes of a chunk, which are numbered from 0 along time.

        Raises
        ------
        ChunkError
            If the chunk is missing or damaged.
        """
        key = list(self._checksums)[number]
        stored = sync(self.get(key, default_buffer_prototype()))
        return b"" if stored is None else stored.to_bytes()

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
        if key in ABSENT or key in DOCUMENTS:
            return _part(self._document(key, prototype), byte_range)
        try:
            stored = await self._store.get(key, prototype)
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
        if key in ABSENT or key in DOCUMENTS:
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
        return key in DOCUMENTS or (key not in ABSENT and await self._store.exists(key))

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
        text = json.dumps(self.documents[DOCUMENTS[key]])  # type: ignore[literal-required]
        return prototype.buffer.from_bytes(text.encode())

    def _checked(self, key: str, stored: Buffer | None) -> Buffer | None:
        if key not in self._checksums:
            return stored
        if stored is None:
            raise ChunkError(_report(key, self, "is missing"))
        expected = self._checksums[key]
        if expected and (found := _crc32c(stored.to_bytes())) != expected:
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


def write_movie(
    movie: CameraMovie,
    fs: AbstractFileSystem,
    path: str,
    *,
    found: ValueRange,
    frames_per_chunk: int,
    compression: Compression | None = None,
) -> Documents:
    """Write a movie, whole or not at all.

    Parameters
    ----------
    movie : CameraMovie
        What to write. It is read in blocks, and never held as float64.
    fs : fsspec.AbstractFileSystem
        Where to write it.
    path : str
        A directory that does not exist yet.
    found : ValueRange
        What `survey` found in the movie.
    frames_per_chunk : int
        Frames in a chunk; fewer if the movie is shorter, or its frames are so large that this
        many exceed what Blosc can take.
    compression : Compression, optional
        What the codes go through; by default the way in which a sample of them, from the middle
        of the movie, is the smallest.

    Returns
    -------
    Documents
        Those that were written.

    Raises
    ------
    FileExistsError
        If there is something at `path`.
    ValueError
        If a single frame exceeds what Blosc can take.
    OSError
        If the store fails, or does not hold what was written to it when all is done. Whatever
        the error, KeyboardInterrupt included, nothing that was written is left.
    """
    dtype = code_dtype(movie, found)
    table = decode_table(movie, found)
    shape = movie.values.shape
    frames = _frames_in_chunk(shape, dtype.itemsize, frames_per_chunk)
    number = -(-shape[0] // frames)

    def chunk_codes(index: int) -> NDArray[Any]:
        return codes(movie, index * frames, frames=frames, dtype=dtype)

    way = compression or choose_compression(chunk_codes(number // 2))

    def chunk(index: int) -> bytes:
        return way.encode(chunk_codes(index))

    def documents(checksums: list[str]) -> Documents:
        return describe(
            movie,
            codes=dtype,
            frames=frames,
            compression=way,
            checksums=checksums,
            table=table,
        )

    keys = [".".join([str(n), *["0"] * (len(shape) - 1)]) for n in range(number)]
    chunk_bytes = frames * math.prod(shape[1:]) * dtype.itemsize
    workers = max(1, min(WORKERS, BUDGET // (2 * chunk_bytes)))
    return _write(fs, path, keys=keys, chunk=chunk, documents=documents, workers=workers)


def copy_movie(source: MovieStore, fs: AbstractFileSystem, path: str) -> Documents:
    """Copy a stored movie, its codes undecoded and its documents unchanged.

    Parameters
    ----------
    source : MovieStore
        The movie to copy; each chunk is checked on the way.
    fs, path
        Where to write it, as in `write_movie`.

    Returns
    -------
    Documents
        Those of the source.

    Raises
    ------
    ChunkError
        If a chunk of the source is missing or damaged. Nothing is left at `path` then.
    """
    keys = list(chunk_checksums(source.documents))

    def chunk(index: int) -> bytes:
        stored = sync(source.get(keys[index], default_buffer_prototype()))
        return stored.to_bytes() if stored is not None else b""

    def documents(_checksums: list[str]) -> Documents:
        return source.documents

    return _write(fs, path, keys=keys, chunk=chunk, documents=documents, workers=READS)


def _write(
    fs: AbstractFileSystem,
    path: str,
    *,
    keys: list[str],
    chunk: Callable[[int], bytes],
    documents: Callable[[list[str]], Documents],
    workers: int,
) -> Documents:
    """Write chunks in threads, then the documents; the ``.zarray`` last, then look at it all."""

    def write_chunk(index: int) -> tuple[int, str]:
        stored = chunk(index)
        fs.pipe_file(f"{path}/{keys[index]}", stored)
        return len(stored), _crc32c(stored)

    keep_across_forks(fs)
    with _whole_or_nothing(fs, path):
        written = _in_threads(write_chunk, len(keys), workers)
        described = documents([checksum for _, checksum in written])
        sizes = dict(zip(keys, (size for size, _ in written), strict=True))
        for name, key in DOCUMENTS.items():
            text = json.dumps(described[key], allow_nan=False, indent=1).encode()  # type: ignore[literal-required]
            fs.pipe_file(f"{path}/{name}", text)
            sizes[name] = len(text)
        _look_at(fs, path, sizes)
    return described


@contextmanager
def _whole_or_nothing(fs: AbstractFileSystem, path: str) -> Iterator[None]:
    """Make a new directory for the duration of a block, and remove it if the block fails."""
    if fs.exists(path):
        raise FileExistsError(f"{path} exists already, and belongs to another movie; insert again")
    parents = _missing_parents(fs, path)
    try:
        if not fs.async_impl:  # object stores have no directories
            fs.makedirs(path, exist_ok=True)
        yield
    except BaseException as error:
        try:
            _remove(fs, path, parents)
        except BaseException as failure:  # noqa: BLE001 - not all that stores raise is an OSError
            error.add_note(
                f"Part of the movie is left at {path}, because removing it failed too ({failure}). "
                "No row refers to it; DataJoint's garbage collection will remove it"
            )
        raise


def _in_threads(
    function: Callable[[int], tuple[int, str]], number: int, workers: int
) -> list[tuple[int, str]]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="photon")
    try:
        return list(pool.map(function, range(number)))
    finally:
        # After an interrupt, too: whatever still ran would write behind the back of the clean-up.
        pool.shutdown(wait=True, cancel_futures=True)


def _missing_parents(fs: AbstractFileSystem, path: str) -> list[str]:
    """Return the directories above `path` that do not exist yet, the innermost first."""
    missing: list[str] = []
    parent = path.rpartition("/")[0]
    while not fs.async_impl and parent and not fs.exists(parent):
        missing.append(parent)
        parent = parent.rpartition("/")[0]
    return missing


def _remove(fs: AbstractFileSystem, path: str, parents: list[str]) -> None:
    fs.invalidate_cache()
    for file in fs.find(path):
        fs.rm_file(file)  # unlike rm, it takes no character of a key for a wildcard
    if not fs.async_impl:
        for directory in (path, *parents):
            with suppress(OSError):  # in use by another insert
                fs.rmdir(directory)


def _look_at(fs: AbstractFileSystem, path: str, sizes: dict[str, int]) -> None:
    """Make sure, before a row refers to a movie, that all of it is on the store."""
    fs.invalidate_cache(path)
    listed = {os.path.basename(each["name"]): each["size"] for each in fs.ls(path, detail=True)}  # noqa: PTH119
    wrong = [name for name, size in sizes.items() if listed.get(name) != size]
    if wrong:
        raise OSError(
            f"{path} lacks {wrong[0]}{f' and {len(wrong) - 1} more' if wrong[1:] else ''} just "
            "after it was written. If garbage was collected meanwhile, insert again; else check "
            "the store"
        )


def _frames_in_chunk(shape: tuple[int, ...], itemsize: int, wanted: int) -> int:
    frame = math.prod(shape[1:]) * itemsize
    if frame > LARGEST_CHUNK:
        raise ValueError(
            f"a frame of shape {shape[1:]} takes {frame} bytes, more than the {LARGEST_CHUNK} "
            "that Blosc can compress; insert the movie in tiles"
        )
    return min(wanted, shape[0], LARGEST_CHUNK // frame)


def _part(value: Buffer | None, byte_range: ByteRequest | None) -> Buffer | None:
    if value is None or byte_range is None:
        return value
    if isinstance(byte_range, RangeByteRequest):
        return value[byte_range.start : byte_range.end]
    if isinstance(byte_range, OffsetByteRequest):
        return value[byte_range.offset :]
    return value[max(0, len(value) - byte_range.suffix) :]


def _crc32c(stored: bytes) -> str:
    return f"{google_crc32c.value(stored):08x}"


def _report(key: str, store: MovieStore, fault: str) -> str:
    return (
        f"chunk {key} of {store} {fault}. movie.verify() names all such chunks; restore them from "
        "a backup of the store, or insert the movie again"
    )
