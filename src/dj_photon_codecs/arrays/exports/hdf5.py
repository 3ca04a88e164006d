"""HDF5, with the names under which suite2p and CaImAn look for a movie."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dj_photon_codecs.movies.files.libraries import library

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dj_photon_codecs.arrays.exports.exported import Exported

__all__ = ["HDF5File", "write_hdf5"]

SUITE2P, CAIMAN = "data", "mov"  # by default


def write_hdf5(exported: Exported, path: Path) -> None:
    """Write one dataset, uncompressed, with two names."""
    with HDF5File(path) as disk, disk.opened() as file:
        dataset = file.create_dataset(SUITE2P, exported.shape, exported.dtype)
        file[CAIMAN] = dataset
        dataset.attrs.update(exported.attributes)
        if exported.frame_rate is not None:
            dataset.attrs["fr"] = exported.frame_rate  # as CaImAn calls it
        for axis, name in zip(dataset.dims, exported.axis_names, strict=True):
            axis.label = name
        for place, values in exported.slabs():
            dataset[place] = values
            disk.check()


class HDF5File(io.FileIO):
    """A new file that HDF5 writes to, and that keeps errors of the disk from it.

    A file that HDF5 cannot close, as the disk is full, ends the process with a segmentation fault
    when something else of HDF5 is used. So what cannot be written is kept in memory until the file
    is closed, and `check` raises: call it after every slab.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+")
        self._failure: OSError | None = None
        self._kept: list[tuple[int, bytes]] = []  # what could not be written, and where

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Yield the `h5py.File`, and close it."""
        try:
            with library("h5py").File(self, "w") as file:
                yield file
        finally:
            self.check()

    def check(self) -> None:
        """Raise what kept anything from being written until now."""
        if self._failure is not None:
            raise self._failure

    def write(self, content: Any) -> int:
        """Write or keep all of it."""
        rest, start = memoryview(content).cast("B"), self.tell()
        number = len(rest)
        try:
            while self._failure is None and rest:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self._failure = error
        if rest:
            self._kept.append((start + number - len(rest), bytes(rest)))
        return number

    def readinto(self, buffer: Any) -> int:
        """Read what was written or kept."""
        view, start = memoryview(buffer).cast("B"), self.tell()
        number = super().readinto(view)
        for place, content in self._kept:
            first, last = max(start, place), min(start + len(view), place + len(content))
            if first < last:
                view[first - start : last - start] = content[first - place : last - place]
        return len(view) if self._kept else number

    def truncate(self, size: int | None = None) -> int:
        """Change the size, or keep the error."""
        try:
            return super().truncate(size)
        except OSError as error:
            self._failure = error
            return size or 0
