"""`MovieFolder`: the directory of a new movie, written whole and durably or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Literal

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from dj_photon_codecs.layouts.threads import WAITING, in_threads
from dj_photon_codecs.storage.files.forking import keep_across_forks
from dj_photon_codecs.storage.files.store_errors import store_errors
from dj_photon_codecs.storage.files.worker_files import NOT_SHARED, UNFINISHED

__all__ = ["MovieFolder"]

# What systems answer that cannot flush a directory, or not for this user.
NO_DIRECTORY_SYNC = {errno.EINVAL, errno.EBADF, errno.EACCES, errno.ENOTSUP}
COLLECTED = "If garbage was collected meanwhile, insert again; else check the store"


@dataclass(eq=False)
class MovieFolder:
    """The directory of a new movie.

    Examples
    --------
    >>> import tempfile
    >>> folder = MovieFolder(LocalFileSystem(), f"{tempfile.mkdtemp()}/movie.zarr")
    >>> with folder.publish():
    ...     folder.write("0.0.0", b"codes")
    """

    fs: AbstractFileSystem
    path: str  # a directory that does not exist yet
    store: str | None = None  # its name in DataJoint's configuration, for error messages
    # The directory above `path` where the store begins: the entries of all directories from there
    # on are made durable. By default those of the directories that do not exist yet.
    root: str | None = None
    durable: bool = True  # whether all is on the disk of a local store when `publish` ends
    _written: dict[str, int] = field(default_factory=dict, init=False)  # bytes of each file
    _unsynced: list[str] = field(default_factory=list, init=False)  # paths of files
    _lock: Lock = field(default_factory=Lock, init=False)

    @contextmanager
    def publish(self) -> Iterator[None]:
        """Make the directory, and keep what the block writes to it if everything succeeds.

        When the block ends, all that was written is on the store, in its full size, and durable. If
        anything fails, KeyboardInterrupt included, all that was written is removed again. Something
        that is at `path` is a `FileExistsError`; a store that fails, or does not hold what was
        written, an `OSError` that names the store and the path.
        """
        keep_across_forks(self.fs)
        missing = self._missing_directories()
        try:
            with self._errors_named("writing"):
                if not self.fs.async_impl:  # object stores have no directories
                    self.fs.makedirs(self.path, exist_ok=True)
            yield
            self._check_listing()
            self._sync_rest(missing)
        except BaseException as error:
            self._remove_after(error, missing)
            raise

    def write(
        self, name: str, content: bytes, *, sync: Literal["now", "later", "never"] = "now"
    ) -> None:
        """Write a file of the movie; several threads may do so at once.

        If the movie must be durable, it waits until the file is on the disk of a local store, now;
        or `publish` does when its block ends.
        """
        path = f"{self.path}/{name}"
        with self._lock:  # before it is written, so that what is there in part is removed, too
            self._written[name] = len(content)
        with self._errors_named("writing", name):
            self.fs.pipe_file(path, content)
            if sync == "now" and self._syncs:  # fsspec does not, and closes the file
                _sync(path)
        if sync == "later":
            self._unsynced.append(path)

    def expect(self, names: Iterable[str]) -> None:
        """Let other processes write files of the movie; if `publish` fails, remove these, too."""
        self._written.update(dict.fromkeys(names, 0))

    def receive(self, sizes: dict[str, int]) -> None:
        """Take over files of some sizes, in bytes, that other processes have written.

        It is an `OSError` if one is not there in its full size.
        """
        self._written.update(sizes)
        self._remove_unfinished()
        self._check_listing(NOT_SHARED)

    @property
    def _syncs(self) -> bool:
        return self.durable and isinstance(self.fs, LocalFileSystem)

    def _errors_named(self, doing: str, name: str = "") -> AbstractContextManager[None]:
        path = f"{self.path}/{name}" if name else self.path
        return store_errors(path, doing=doing, store=self.store)

    def _missing_directories(self) -> list[str]:
        """Return the movie's directory and missing ones above it, the innermost first."""
        missing = [self.path]
        with self._errors_named("reading"):
            is_there = self.fs.isdir if self.fs.async_impl else self.fs.exists  # by one request
            occupied = is_there(self.path)
            parent = self.path.rpartition("/")[0]
            while not self.fs.async_impl and parent and not self.fs.exists(parent):
                missing.append(parent)
                parent = parent.rpartition("/")[0]
        if occupied:
            raise FileExistsError(
                f"{self.path} exists already, and belongs to another movie; insert again"
            )
        return missing

    def _check_listing(self, advice: str = COLLECTED) -> None:
        """Make sure, before a row refers to a movie, that all of it is on the store."""
        with self._errors_named("listing"):
            self.fs.invalidate_cache(self.path)
            listed = self.fs.ls(self.path, detail=True)
        sizes = {PurePosixPath(entry["name"]).name: entry["size"] for entry in listed}
        wrong = [name for name, size in self._written.items() if sizes.get(name) != size]
        if wrong:
            more = f" and {len(wrong) - 1} more" if wrong[1:] else ""
            raise OSError(
                f"{self.path} lacks {min(wrong)}{more} just after it was written. {advice}"
            )

    def _remove_unfinished(self) -> None:
        """Remove the files in whose middle another process was killed."""
        if isinstance(self.fs, LocalFileSystem):
            for file in Path(self.path).glob(f"*{UNFINISHED}"):
                file.unlink(missing_ok=True)

    def _sync_rest(self, missing: list[str]) -> None:
        """Wait for the files that nobody waited for, and for the entries of the directories."""
        if not self._syncs:
            return
        waits = [partial(_sync, file) for file in self._unsynced]
        if os.name != "nt":  # Windows opens no directories
            waits += [partial(_sync_directory, path) for path in self._directories(missing)]
        with self._errors_named("writing"):
            in_threads(lambda wait: wait(), waits, most=WAITING)

    def _directories(self, missing: list[str]) -> list[str]:
        """Return the directories that have new entries, or may have them of another insert."""
        parents = [parent.as_posix() for parent in PurePosixPath(self.path).parents]
        last = len(missing) - 1  # the innermost directory that was there
        if self.root is not None and (root := PurePosixPath(self.root).as_posix()) in parents:
            last = max(last, parents.index(root))
        return [self.path, *parents[: last + 1]]

    def _remove_after(self, error: BaseException, missing: list[str]) -> None:
        """Remove what was written, by the keys that it was written under."""
        failures: list[BaseException] = []
        try:
            self._remove_unfinished()
        except OSError as failure:
            failures.append(failure)
        for name in self._written:
            try:
                # unlike rm, it takes no character of a key for a wildcard
                self.fs.rm_file(f"{self.path}/{name}")
            except FileNotFoundError:
                continue
            except BaseException as failure:  # noqa: BLE001 - not all that stores raise is an OSError
                failures.append(failure)
        if not self.fs.async_impl:
            for directory in missing:
                with suppress(OSError):  # in use by another insert
                    self.fs.rmdir(directory)
        if failures:
            error.add_note(
                f"Part of the movie may be left at {self.path}, because removing it failed too "
                f"({failures[0]}). No row refers to it; DataJoint's garbage collection will remove "
                "it"
            )


def _sync(path: str) -> None:
    """Wait until a file, or the entries of a directory, are on the disk."""
    opened = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _sync_directory(path: str) -> None:
    try:
        _sync(path)
    except OSError as error:
        if error.errno not in NO_DIRECTORY_SYNC:
            raise
