"""Verifying a stored movie: which of its chunks and documents are not what was written."""

from __future__ import annotations

import json

from dj_photon_codecs.layouts.threads import WAITING, in_threads
from dj_photon_codecs.movies.progress import Task
from dj_photon_codecs.storage.documents.canonical_json import canonical_json
from dj_photon_codecs.storage.documents.description import NAMES
from dj_photon_codecs.storage.movie_store import MovieNotFoundError, MovieStore

__all__ = ["faulty_parts"]

UNREACHED = (PermissionError, ConnectionError, TimeoutError)


def faulty_parts(store: MovieStore) -> list[str]:
    """Read every chunk and both documents, and name those that are not what was written.

    Keys of chunks that are missing, damaged or cannot be read, in the order of the chunks; then
    ``".zattrs"`` and ``".zarray"`` if they are missing or differ from the row. It is a
    `MovieNotFoundError` if nothing of the movie is there, or the store's own error if that refuses
    to hand out any chunk, or cannot be reached.
    """

    def chunk_fault(number: int) -> OSError | None:
        size = 0
        try:
            size = len(store.read_chunk(number))
        except MovieNotFoundError:
            raise
        except OSError as error:
            return error
        finally:
            task.advance(task.total / len(store.chunks), bytes_in=size)
        return None

    with Task("verify", store.documents["zarray"]["shape"]) as task:
        faults = in_threads(chunk_fault, range(len(store.chunks)), most=WAITING)
    refused = [fault for fault in faults if isinstance(fault, UNREACHED)]
    if refused and len(refused) == len(faults):
        raise refused[0]
    chunks = [store.chunks.key(number) for number, fault in enumerate(faults) if fault is not None]
    return chunks + [name for name in NAMES if _differs(store, name)]


def _differs(store: MovieStore, name: str) -> bool:
    """Return whether a document on the store is not the one in the row."""
    try:
        stored = store.files.read(name)
        found = None if stored is None else json.loads(stored)
    except (OSError, ValueError, RecursionError):
        return True
    expected = store.documents[NAMES[name]]  # type: ignore[literal-required]
    return canonical_json(found) != canonical_json(expected)
