"""The files of one stored movie, read by name from wherever they lie."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from dj_photon_codecs.storage.files.forking import keep_across_forks, own_filesystem
from dj_photon_codecs.storage.files.store_errors import store_errors

__all__ = ["MovieFiles"]


class MovieFiles:
    """The files in the directory of one movie: `path` on `fs`; `is_local` if that is a local disk.

    The path is no URL, where ``#`` and ``?`` have a meaning. A relative one is made absolute.
    """

    def __init__(self, fs: AbstractFileSystem, path: str) -> None:
        self.is_local = isinstance(fs, LocalFileSystem)
        self.path = str(Path(path).absolute()) if self.is_local else path.rstrip("/")
        self._fs, self._process = fs, os.getpid()
        if not self.is_local:
            keep_across_forks(fs)

    @property
    def fs(self) -> AbstractFileSystem:
        """The filesystem; after a fork, one of the new process with the same options."""
        if self._process != os.getpid():
            self._fs, self._process = own_filesystem(self._fs), os.getpid()
        return self._fs

    def read(
        self, name: str, *, most: int | None = None, timeout: float | None = None
    ) -> bytes | None:
        """Return what a file holds, or its first bytes; None if there is no such file.

        An object store that does not answer is given up after a timeout, in seconds. If the store
        fails, or refuses, the error names the file and, if rights are missing, which.
        """
        try:
            with store_errors(f"{name} of {self}", doing="reading", writes=False):
                if self.is_local:
                    with open(f"{self.path}/{name}", "rb", buffering=0) as file:  # noqa: PTH123 - faster
                        return file.read() if most is None else file.read(most)
                waits = {"timeout": timeout} if timeout and self.fs.async_impl else {}
                stored: bytes = self.fs.cat_file(f"{self.path}/{name}", end=most, **waits)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        return stored

    def exists(self, name: str) -> bool:
        """Return whether there is a file of this name."""
        if self.is_local:
            return Path(self.path, name).is_file()
        return bool(self.fs.exists(f"{self.path}/{name}"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MovieFiles) and self._place == other._place

    def __hash__(self) -> int:
        return hash(self.path)

    def __str__(self) -> str:
        return str(self._fs.unstrip_protocol(self.path))

    def __reduce__(self) -> tuple[Any, ...]:
        return MovieFiles, (self._fs, self.path)

    @property
    def _place(self) -> tuple[Any, ...]:
        options = None if self.is_local else (self._fs.storage_args, self._fs.storage_options)
        return type(self._fs), options, self.path
