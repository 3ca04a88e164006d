"""`Section`: one schema's movies on one store, listed with their times, and deleted."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dj_photon_codecs.layouts.threads import WAITING, in_threads
from dj_photon_codecs.storage.files.store_errors import store_errors
from dj_photon_codecs.storage.files.worker_files import UNFINISHED
from dj_photon_codecs.storage.preview import PREVIEW
from dj_photon_codecs.tables.garbage import StoredMovie

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["MARKS", "Section"]

MARKS = "_photon_garbage"  # the directory of a store where a collector notes what it saw
DOCUMENTS = (".zarray", ".zattrs")
HALF = rf"(\.[0-9a-f]{{32}}{re.escape(UNFINISHED)})?"  # at which a worker of a cluster was killed
# what a movie consists of
FILE = re.compile(rf"\.zarray|\.zattrs|{re.escape(PREVIEW)}|\d+(\.\d+)*{HALF}")
# When a file changed, as the file systems of fsspec call it. A local one also says when the entry
# was made or changed ("created", ctime), which no copy from a backup sets back.
TIMES = ("mtime", "created", "LastModified", "last_modified", "updated")


@dataclass(frozen=True)
class Section:
    """What DataJoint keeps of a schema under ``{prefix}/{schema}/`` of a store."""

    fs: AbstractFileSystem
    root: str  # of the store, on `fs`
    prefix: str
    store: str
    schema: str
    dry_run: bool  # nothing is written, not even to learn the store's time

    def time(self) -> datetime:
        """Return what the store's clock says: that of a file written to it now."""
        if self.dry_run:
            return datetime.now(UTC)
        return self._written("clock", b"clock")

    def movies(self) -> list[StoredMovie]:
        """List the directories that hold what movies consist of, and nothing else."""
        with self._listing():
            try:
                tables = self.fs.ls(f"{self.root}/{self._path}", detail=True)
            except FileNotFoundError:
                return []
        found = [movie for table in tables for movie in self._movies_of(table["name"])]
        return list({movie.path: movie for movie in found}.values())  # a folder may list itself

    def _movies_of(self, table: str) -> Iterator[StoredMovie]:
        """List the movies of one table: what a store says of a million files takes a gigabyte."""
        # DataJoint's path: table, primary key, attribute_token.zarr
        movie = re.compile(
            rf"(?:^|/)({re.escape(self._path)}/[^/=]+/(?:[^/=]+=[^/]*/)*\w+_[\w-]{{4,16}}\.zarr)/(.+)",
            re.ASCII,
        )
        with self._listing():
            found = self.fs.find(table, detail=True)
        directories: dict[str, dict[str, Any]] = {}
        for name, entry in found.items():
            # some object stores list for a while what was deleted, as files of no bytes
            if (match := movie.search(name)) and (entry["size"] or not self.fs.async_impl):
                directories.setdefault(match[1], {})[sys.intern(match[2])] = entry
        for path, entries in directories.items():
            if all(map(FILE.fullmatch, entries)):
                name, entry = next(iter(entries.items()))
                yield StoredMovie(
                    path=path,
                    place=entry["name"].removesuffix(f"/{name}"),
                    files=tuple(entries),
                    size=sum(entry["size"] or 0 for entry in entries.values()),
                    newest=max(map(_changed, entries.values())),
                )

    @property
    def _path(self) -> str:
        return "/".join(part for part in (self.prefix, self.schema) if part)

    @contextmanager
    def _listing(self) -> Iterator[None]:
        with store_errors(f"{self.root}/{self._path}", doing="listing", store=self.store):
            self.fs.invalidate_cache()  # of what was listed before, by others or by this
            yield

    def is_ours(self, movie: StoredMovie) -> bool:
        """Return whether an insert of ours wrote a directory, or began to: documents come last."""
        if ".zarray" not in movie.files:
            return True
        if ".zattrs" not in movie.files:
            return False
        try:
            attributes = json.loads(self._read(f"{movie.place}/.zattrs") or b"{}")
        except ValueError:
            return False
        return isinstance(attributes, dict) and attributes.get("codec_name") == "photon"

    def marks(self) -> dict[str, datetime]:
        """Return since when movies have been without a row, as `keep` noted it."""
        try:
            noted = json.loads(self._read(self._mark("json")) or b"{}")
            times = {path: datetime.fromisoformat(time) for path, time in noted.items()}
        except (AttributeError, TypeError, ValueError):  # a run was killed as it wrote: begin anew
            return {}
        return {path: time.astimezone(UTC) for path, time in times.items()}

    def keep(self, marks: Mapping[str, datetime]) -> None:
        """Note since when movies have been without a row, for the next run, wherever it runs."""
        noted = {path: time.isoformat() for path, time in marks.items()}
        self._written("json", json.dumps(noted, indent=1).encode())

    def delete(self, movie: StoredMovie) -> None:
        """Delete a movie, so that what a killed run leaves is an unfinished one, to be taken next.

        Without ``.zarray`` no program takes it for an array, and all chunks it lacks for dark.
        """
        chunks = sorted(name for name in movie.files if name not in DOCUMENTS)
        documents = [name for name in DOCUMENTS if name in movie.files]
        with store_errors(movie.path, doing="deleting", store=self.store):
            for name in documents:
                self._remove(f"{movie.place}/{name}")
            in_threads(lambda name: self._remove(f"{movie.place}/{name}"), chunks, most=WAITING)
            if not self.fs.async_impl:  # object stores have no directories
                self._prune(movie.place, movie.path)

    def _remove(self, file: str) -> None:
        with suppress(FileNotFoundError):  # another collector was faster
            self.fs.rm_file(file)  # unlike rm, it takes no character of a key for a wildcard

    def _prune(self, directory: str, path: str) -> None:
        """Remove a movie's directory and those of its key, where they are empty."""
        while "=" in path or path.endswith(".zarr"):
            try:
                self.fs.rmdir(directory)
            except OSError:  # in use
                return
            directory, path = directory.rpartition("/")[0], path.rpartition("/")[0]

    def _mark(self, kind: str) -> str:
        return f"{self.root}/{MARKS}/{self.schema}.{kind}"

    def _read(self, file: str) -> bytes:
        with store_errors(file, doing="reading", store=self.store, writes=False):
            try:
                content: bytes = self.fs.cat_file(file)
            except FileNotFoundError:
                return b""
        return content

    def _written(self, kind: str, content: bytes) -> datetime:
        """Write a file beside the movies, and return the store's time of it."""
        with store_errors(self._mark(kind), doing="writing", store=self.store):
            if not self.fs.async_impl:
                self.fs.makedirs(f"{self.root}/{MARKS}", exist_ok=True)
            self.fs.pipe_file(self._mark(kind), content)
            return _changed(self.fs.info(self._mark(kind)))


def _changed(entry: Mapping[str, Any]) -> datetime:
    """Return when a file changed last."""
    times = [entry[name] for name in TIMES if entry.get(name) is not None]
    if not times:
        raise ValueError(
            f"the store does not say when {entry['name']} was written, so that an insert under way "
            "could lose it; garbage is collected on local, S3, Google and Azure stores"
        )
    return max(map(_time, times))


def _time(value: datetime | float | str) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    return datetime.fromtimestamp(value, UTC)
