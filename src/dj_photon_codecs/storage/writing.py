"""Writing a movie to its store: all of it, or nothing.

Chunks are encoded and written in threads, a bounded number at a time, then the documents, the
``.zarray`` last: a directory without it is an unfinished insert. Whatever fails, what was written
is removed again; and before a row can refer to a movie, all of it is seen on the store.
"""

from __future__ import annotations

import json
import math
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from threading import Event, Semaphore
from typing import TYPE_CHECKING, Any, Protocol

import numcodecs.blosc
import numpy as np

from dj_photon_codecs.layouts.choice import CANDIDATES, choose_compression
from dj_photon_codecs.layouts.threads import processors_for
from dj_photon_codecs.storage.documents import (
    NAMES,
    Documents,
    chunk_checksums,
    describe,
    describe_recompressed,
    is_compressed_by,
    split_transform,
)
from dj_photon_codecs.storage.forking import keep_across_forks
from dj_photon_codecs.storage.movie_store import crc32c, zarr_array
from dj_photon_codecs.storage.pipeline import encode_chunk
from dj_photon_codecs.storage.plan import code_dtype, codes, decode_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import zarr
    from fsspec import AbstractFileSystem
    from numpy.typing import NDArray

    from dj_photon_codecs.layouts.choice import Compression
    from dj_photon_codecs.movies.camera_movie import CameraMovie
    from dj_photon_codecs.movies.survey import ValueRange
    from dj_photon_codecs.photons.steps import DecodeTable
    from dj_photon_codecs.storage.movie_store import MovieStore

__all__ = ["copy_movie", "write_movie"]

LARGEST_CHUNK = numcodecs.blosc.MAX_BUFFERSIZE - (1 << 26)  # bytes of codes, and room for layouts
BUDGET = 320 << 20  # bytes of codes, before, in and after their layout, that an insert holds
WORKERS = 8  # chunks under way at once, where the budget allows


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
    OSError, or what else the store's library raises
        If the store fails, or does not hold what was written to it when all is done. Whatever
        the error, KeyboardInterrupt included, nothing that was written is left.
    """
    dtype = code_dtype(movie, found)
    frames = _frames_in_chunk(movie.values.shape, dtype.itemsize, frames_per_chunk)
    if compression is None:
        compression = _smallest(movie, frames, dtype=dtype)
    encoded = _Encoded(movie, dtype, frames, compression, decode_table(movie, found))
    chunk_bytes = frames * math.prod(movie.values.shape[1:]) * dtype.itemsize
    return _write(encoded, fs, path, chunk_bytes=chunk_bytes)


def _smallest(movie: CameraMovie, frames: int, *, dtype: np.dtype[Any]) -> Compression:
    """The compression of which samples of the chunk in the middle of a movie are the smallest."""
    first = movie.values.shape[0] // frames // 2 * frames

    def sample_codes(sample: NDArray[Any]) -> NDArray[Any]:
        return codes(replace(movie, values=sample), 0, frames=len(sample), dtype=dtype)

    values = np.asarray(movie.values[first : first + frames])
    return choose_compression(values, codes=sample_codes)


def copy_movie(
    source: MovieStore,
    fs: AbstractFileSystem,
    path: str,
    *,
    compression: Compression | None = None,
) -> Documents:
    """Copy a stored movie: the same codes and calibration, compressed as is wanted.

    Parameters
    ----------
    source : MovieStore
        The movie to copy; each chunk is checked on the way.
    fs, path
        Where to write it, as in `write_movie`.
    compression : Compression, optional
        What the codes shall go through, as in `write_movie`. Chunks that went through this, or by
        default through any that might be chosen, are copied as they are, undecoded; and so is a
        movie that was stored as plain values by another program.

    Returns
    -------
    Documents
        Those of the copy.

    Raises
    ------
    ChunkError
        If a chunk of the source is missing or damaged. Nothing is left at `path` then.
    """
    wanted = CANDIDATES if compression is None else (compression,)
    transform, described = split_transform(source.documents)
    if transform is None or any(is_compressed_by(source.documents, each) for each in wanted):
        return _write(_Copied(source), fs, path)
    array = zarr_array(source.with_documents(described))
    if compression is None:
        compression = choose_compression(_block(array, (0,) * array.ndim))
    chunk_bytes = math.prod(array.chunks) * array.dtype.itemsize
    recompressed = _Recompressed(source, array, compression)
    return _write(recompressed, fs, path, chunk_bytes=chunk_bytes)


def _block(array: zarr.Array[Any], index: tuple[int, ...]) -> NDArray[Any]:
    """A whole chunk of codes, filled up with zeros where the array ends before it."""
    codes = np.zeros(array.chunks, array.dtype)
    known: NDArray[Any] = np.asarray(array.blocks[index])
    codes[tuple(map(slice, known.shape))] = known
    return codes


class _Chunks(Protocol):
    """What is written: chunks under their keys, and the documents that describe them."""

    def keys(self) -> list[str]: ...
    def chunk(self, index: int) -> bytes: ...
    def documents(self, checksums: list[str]) -> Documents: ...


@dataclass(frozen=True)
class _Encoded:
    """A movie as its chunks will be."""

    movie: CameraMovie
    dtype: np.dtype[Any]
    frames: int
    compression: Compression
    table: DecodeTable | None

    def keys(self) -> list[str]:
        length, *others = self.movie.values.shape
        zeros = ["0"] * len(others)
        return [".".join([str(n), *zeros]) for n in range(-(-length // self.frames))]

    def chunk(self, index: int) -> bytes:
        start = index * self.frames
        block = codes(self.movie, start, frames=self.frames, dtype=self.dtype)
        return encode_chunk(block, compression=self.compression)

    def documents(self, checksums: list[str]) -> Documents:
        return describe(
            self.movie,
            codes=self.dtype,
            frames=self.frames,
            compression=self.compression,
            checksums=checksums,
            table=self.table,
        )


@dataclass(frozen=True)
class _Copied:
    """The chunks of a stored movie, each checked as it is read."""

    source: MovieStore

    def keys(self) -> list[str]:
        return list(chunk_checksums(self.source.documents))

    def chunk(self, index: int) -> bytes:
        return self.source.read_chunk(index).tobytes()

    def documents(self, _checksums: list[str]) -> Documents:
        return self.source.documents


@dataclass(frozen=True)
class _Recompressed(_Copied):
    """The codes of a stored movie, as their chunks will be."""

    array: zarr.Array[Any]
    compression: Compression

    def chunk(self, index: int) -> bytes:
        place = np.unravel_index(index, self.array.cdata_shape)
        block = _block(self.array, tuple(map(int, place)))
        return encode_chunk(block, compression=self.compression)

    def documents(self, checksums: list[str]) -> Documents:
        return describe_recompressed(self.source.documents, self.compression, checksums=checksums)


def _write(
    chunks: _Chunks, fs: AbstractFileSystem, path: str, *, chunk_bytes: int | None = None
) -> Documents:
    """Write chunks, several at a time, and the documents. So many bytes of codes are encoded."""
    keys, workers, encoders = chunks.keys(), WORKERS, WORKERS
    if chunk_bytes is not None:
        workers = max(1, min(WORKERS, BUDGET // (3 * chunk_bytes)))
        # more threads than processors would hinder each other; the others upload meanwhile
        encoders = processors_for(chunk_bytes)
    encoding = Semaphore(encoders)

    def write_chunk(index: int, stopped: Event) -> tuple[int, str]:
        with encoding:
            stored = b"" if stopped.is_set() else chunks.chunk(index)
        if stopped.is_set():
            raise CancelledError
        fs.pipe_file(f"{path}/{keys[index]}", stored)
        return len(stored), crc32c(stored)

    keep_across_forks(fs)
    with _whole_or_nothing(fs, path):
        written = _in_threads(write_chunk, len(keys), workers)
        documents = chunks.documents([checksum for _, checksum in written])
        sizes = dict(zip(keys, (size for size, _ in written), strict=True))
        _look_at(fs, path, sizes | _write_documents(documents, fs, path))
    return documents


def _write_documents(documents: Documents, fs: AbstractFileSystem, path: str) -> dict[str, int]:
    """Write both documents, and return their sizes."""
    sizes = {}
    for name, key in NAMES.items():
        text = json.dumps(documents[key], allow_nan=False, indent=1).encode()  # type: ignore[literal-required]
        fs.pipe_file(f"{path}/{name}", text)
        sizes[name] = len(text)
    return sizes


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
    function: Callable[[int, Event], tuple[int, str]], number: int, workers: int
) -> list[tuple[int, str]]:
    begin, stopped = Event(), Event()

    def task(index: int) -> tuple[int, str]:
        begin.wait()
        if stopped.is_set():
            raise CancelledError
        return function(index, stopped)

    # After an interrupt, too, nothing may write behind the back of the clean-up. One that comes
    # while a thread starts leaves a thread that the pool does not know, and cannot wait for:
    # so none begins before all are known.
    pool = ThreadPoolExecutor(workers, thread_name_prefix="photon")
    try:
        tasks = [pool.submit(task, index) for index in range(number)]
        begin.set()
        return [each.result() for each in tasks]
    except BaseException:
        stopped.set()
        raise
    finally:
        begin.set()
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
    listed = {PurePosixPath(each["name"]).name: each["size"] for each in fs.ls(path, detail=True)}
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
