"""Files of a new movie that are written by other processes than that of its `MovieFolder`.

Such a process may be killed, and its work be done again by another one, or it may be believed dead
and go on. So a file gets its name when all of it is there, and a process can be told to write no
more to a directory: `stop_writing`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from dj_photon_codecs.storage.files.store_errors import store_errors

__all__ = ["NOT_SHARED", "UNFINISHED", "WorkerFiles", "stop_writing"]

UNFINISHED = ".unfinished"  # ending of the name of a file until all of it is there
NOT_SHARED = (
    "The store is not shared with the workers of dask, or garbage was collected meanwhile: every "
    "worker must see the same disk at the same path. Mount it there, or take a store on S3; or "
    "insert without the workers, in a block of dask.config.set(scheduler='threads')"
)
_changing = threading.Lock()
_under_way: Counter[str] = Counter()  # files that this process is writing, for each directory
_stopped: set[str] = set()  # directories that it must not write to any more


@dataclass(frozen=True)
class WorkerFiles:
    """The directory that a `MovieFolder` has made, for a process that writes files to it.

    It pickles, with whatever secrets the file system has; its representation has none.
    """

    fs: AbstractFileSystem = field(repr=False)
    path: str
    store: str | None  # its name in DataJoint's configuration, for error messages
    durable: bool  # whether files are on the disk of a local store when they were written

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all; what another process wrote under its name is replaced.

        It is a `FileNotFoundError` if the store is a disk of another computer, and an `OSError` if
        the store fails.
        """
        local = isinstance(self.fs, LocalFileSystem)
        if local and not Path(self.path).is_dir():
            raise FileNotFoundError(
                f"{self.path}, which is to hold the movie, is not there on {socket.gethostname()}. "
                f"{NOT_SHARED}"
            )
        path = f"{self.path}/{name}"
        with _writing(self.path), store_errors(path, doing="writing", store=self.store):
            if local:
                self._replace(path, content)
            else:
                self.fs.pipe_file(path, content)

    def _replace(self, path: str, content: bytes) -> None:
        unfinished = Path(f"{path}.{uuid4().hex}{UNFINISHED}")
        try:
            with unfinished.open("xb") as file:
                file.write(content)
                file.flush()
                if self.durable:
                    os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


async def stop_writing(path: str) -> None:
    """Let this process write no more files to a directory; return when it writes none any more."""
    with _changing:
        _stopped.add(path)
    while _under_way[path]:
        await asyncio.sleep(0.02)


@contextmanager
def _writing(path: str) -> Iterator[None]:
    with _changing:
        if path in _stopped:
            raise RuntimeError(f"the insert of {path} was given up, and writes no more chunks")
        _under_way[path] += 1
    try:
        yield
    finally:
        with _changing:
            _under_way[path] -= 1
            if not _under_way[path]:
                del _under_way[path]
