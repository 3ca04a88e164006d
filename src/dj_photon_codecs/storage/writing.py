"""Writing a movie to its store.

By the plan of `plan_movie`, frames become codes, a chunk at a time; each chunk is encoded and
written, and the documents, ``.zarray`` last: a directory without it is an unfinished insert.
`MovieFolder` removes everything if anything fails.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from itertools import repeat
from threading import Event, Lock, Semaphore
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from dj_photon_codecs.layouts.threads import WAITING, in_threads, usable_processors
from dj_photon_codecs.movies.progress import Task
from dj_photon_codecs.movies.sources import as_source
from dj_photon_codecs.storage.documents.checks import check_documents
from dj_photon_codecs.storage.documents.description import NAMES, Documents, describe
from dj_photon_codecs.storage.movie_store import crc32c
from dj_photon_codecs.storage.preview import PREVIEW, Preview

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from dj_photon_codecs.movies.camera_movie import CameraMovie
    from dj_photon_codecs.movies.sources import Frames
    from dj_photon_codecs.storage.files.movie_folder import MovieFolder
    from dj_photon_codecs.storage.plan import StoragePlan

__all__ = [
    "Limits",
    "Picture",
    "fill_chunk",
    "frames_of_chunks",
    "write_chunks",
    "write_documents",
    "write_movie",
]

Picture = Callable[[], bytes | None] | None  # returns a PNG, or nothing, when all chunks are done
# benchmarks/insert_memory.py measures what an insert takes.
BUDGET = 448 << 20  # bytes of values and codes of the chunks that an insert holds at once
COPIES = 3  # of the codes of a chunk: themselves, after their layout, and compressed
NUMBER_BYTES = 2  # for each code, while a layout looks at it
PIXEL_BYTES = 64  # for each pixel of a frame, while a layout looks at them
FLUSHED = 1 << 20  # bytes of a chunk; smaller ones wait for the disk together, when all are written


@dataclass(frozen=True)
class Limits:
    """How many chunks may be under way at a time.

    Workers read, encode or write, bounded by the memory that their chunks take; encoders read or
    encode: no more than there are processors.
    """

    workers: int
    encoders: int

    @classmethod
    def of(cls, plan: StoragePlan, values: Frames) -> Limits:
        """Return the limits for a movie whose values become codes."""
        held = COPIES * plan.chunk_bytes + NUMBER_BYTES * math.prod(plan.chunk_shape)
        held += PIXEL_BYTES * math.prod(plan.shape[1:])
        if not as_source(values).is_shared:
            held += math.prod(plan.chunk_shape) * values.dtype.itemsize
        return cls(_workers(held), usable_processors())

    @classmethod
    def of_copies(cls, chunk_bytes: int) -> Limits:
        """Return the limits for chunks that are written as they are read."""
        return cls(_workers(chunk_bytes), _workers(chunk_bytes))


def _workers(held: int) -> int:
    return min(WAITING, max(1, BUDGET // max(1, held)))


def write_movie(
    movie: CameraMovie, plan: StoragePlan, *, folder: MovieFolder, preview: bool = False
) -> Documents:
    """Write a movie by its plan, whole or not at all; with its picture, if `preview` is asked for.

    Each frame is read once, in the order of time, and never held as float64.

    Raises
    ------
    FileExistsError
        If there is something in the folder's place.
    ValueError
        If the values have changed since the plan was made.
    OSError
        If the store fails, or does not hold what was written to it when all is done. Whatever
        the error, KeyboardInterrupt included, nothing that was written is left.
    """
    source = as_source(movie.values)
    picture = Preview(plan.shape)

    def encode(frames: Iterable[NDArray[Any]]) -> bytes:
        chunk = fill_chunk(plan, frames, put=plan.put_codes)
        if preview:
            picture.add(chunk)
        return plan.encode_chunk(chunk)

    def documents(checksums: list[str], stored_bytes: int) -> Documents:
        source.check_unchanged()
        return describe(plan, checksums=checksums, stored_bytes=stored_bytes)

    return write_chunks(
        plan.keys,
        frames_of_chunks(source, plan.frames_per_chunk),
        encode=encode,
        documents=documents,
        folder=folder,
        limits=Limits.of(plan, source),
        task=Task("insert", plan.shape, itemsize=plan.original_dtype.itemsize),
        preview=picture.png if preview else None,
    )


def fill_chunk(
    plan: StoragePlan,
    parts: Iterable[NDArray[Any]],
    *,
    put: Callable[[NDArray[Any], NDArray[Any]], None] = np.copyto,
) -> NDArray[Any]:
    """Return a chunk of consecutive frames of codes, with zeros behind the end of the movie.

    `put` writes the codes of a part into the chunk: itself, unless it is `StoragePlan.put_codes`.
    """
    chunk = np.empty(plan.chunk_shape, plan.code_dtype)
    first = 0
    for part in parts:
        put(chunk[first : first + len(part)], part)
        first += len(part)
    chunk[first:] = 0
    return chunk


def frames_of_chunks(values: Frames, frames: int) -> Iterator[Iterable[NDArray[Any]]]:
    """Yield for each chunk of so many frames the frames that it consists of, in one or more arrays.

    What several threads may read is read when it is asked for, all else here, in the order of time,
    each frame once.
    """
    source, length = as_source(values), values.shape[0]
    if source.is_shared:
        for start in range(0, length, frames):
            part = source.slabs(start, min(start + frames, length))
            yield (slab for _, slab in part)
        return
    chunk: list[NDArray[Any]] = []
    wanted = frames
    for _, slab in source.slabs(0, length):
        rest = slab
        while len(rest):
            chunk.append(rest[:wanted])
            rest, wanted = rest[wanted:], wanted - len(chunk[-1])
            if not wanted:
                yield chunk
                chunk, wanted = [], frames
    if chunk:
        yield chunk


def write_chunks(  # noqa: PLR0913 - three callers, and all that they differ in
    keys: list[str],
    sources: Iterable[Any],
    *,
    encode: Callable[[Any], bytes],
    documents: Callable[[list[str], int], Documents],
    folder: MovieFolder,
    limits: Limits,
    task: Task,
    preview: Picture = None,
) -> Documents:
    """Write chunks, several at a time, and the documents; all of them, or nothing.

    For each of the keys there is a source, from which `encode` makes the bytes; one thread at a
    time takes from `sources`. `documents` come from the checksums of the chunks, and the bytes of
    all of them; a picture of the movie, if there is one, from `preview`: both while the last chunks
    are written. For the progress of the task all chunks count alike.
    """
    chunks = _Chunks(keys, enumerate(sources), encode, folder, task, Semaphore(limits.encoders))

    def write_picture() -> None:
        chunks.wait_for_all()
        if preview is not None and (picture := preview()) is not None:
            folder.write(PREVIEW, picture, sync="never")

    def write_attributes() -> Documents:
        described = documents(*chunks.wait_for_all())
        check_documents(described)  # what could not be read is not written
        _write_document(described, ".zattrs", folder)
        return described

    with folder.publish(), task:  # an interrupt at the end of the task leaves nothing, either
        writes = [*repeat(chunks.write_next, len(keys)), write_picture, write_attributes]
        try:
            *_, described = in_threads(chunks.noting_failures, writes, most=limits.workers)
        except CancelledError:
            raise chunks.failures[0] from None
        _write_document(described, ".zarray", folder)
    return cast("Documents", described)


@dataclass(eq=False)
class _Chunks:
    """The chunks of one movie on their way to the store, which several threads take in turn."""

    keys: list[str]
    numbered: Iterator[tuple[int, Any]]  # what they are encoded from
    encode: Callable[[Any], bytes]
    folder: MovieFolder
    task: Task
    encoding: Semaphore
    taking: Lock = field(default_factory=Lock)
    failures: list[BaseException] = field(default_factory=list)
    found: dict[int, tuple[str, int]] = field(default_factory=dict)  # checksums and bytes
    over: list[bool] = field(default_factory=list)  # as many as were encoded, or failed
    all_over: Event = field(default_factory=Event)

    def noting_failures(self, write: Callable[[], Any]) -> Any:
        """Call a function; note what it raises, unless another has failed before."""
        try:
            return write()
        except CancelledError:
            raise
        except BaseException as error:
            self.failures.append(error)
            raise

    def write_next(self) -> None:
        """Encode a chunk and write it."""
        number, stored = self._encode_next()
        if self.failures:
            raise CancelledError
        sync: Literal["now", "later"] = "now" if len(stored) > FLUSHED else "later"
        self.folder.write(self.keys[number], stored, sync=sync)
        self.task.advance(self.task.total / len(self.keys), bytes_out=len(stored))

    def wait_for_all(self) -> tuple[list[str], int]:
        """Return, when all are encoded, their checksums, and how many bytes they have.

        Others must have begun with each of them.
        """
        self.all_over.wait()
        if self.failures or len(self.found) < len(self.keys):
            raise CancelledError
        checksums, sizes = zip(*(self.found[n] for n in range(len(self.keys))), strict=True)
        return list(checksums), sum(sizes)

    def _encode_next(self) -> tuple[int, bytes]:
        try:
            with self.encoding:
                with self.taking:
                    if self.failures or (taken := next(self.numbered, None)) is None:
                        raise CancelledError
                number, source = taken
                stored = self.encode(source)
            self.found[number] = crc32c(stored), len(stored)
            return number, stored
        finally:
            self.over.append(True)
            if len(self.over) == len(self.keys):
                self.all_over.set()


def write_documents(described: Documents, folder: MovieFolder) -> None:
    """Write both documents, that last without which it is no movie."""
    check_documents(described)
    for name in NAMES:
        _write_document(described, name, folder)


def _write_document(described: Documents, name: str, folder: MovieFolder) -> None:
    document = described[NAMES[name]]  # type: ignore[literal-required]
    text = json.dumps(document, allow_nan=False, indent=1)
    folder.write(name, text.encode(), sync="later")
