"""A new file, or a new directory, in its place when it is whole, and not before."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["published"]


@contextmanager
def published(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield where to write, beside `path`, and put what was written there in its place.

    If anything fails, KeyboardInterrupt included, what was written is removed, and what was at
    `path` stays. A directory is replaced only if it is a Zarr group, as an export writes it.

    Raises
    ------
    FileExistsError
        If there is something at `path` that may not be replaced.
    ValueError
        If `path` is within a Zarr array, such as the movie itself.
    FileNotFoundError
        If the directory above it does not exist.
    """
    _refuse_occupied(path, overwrite=overwrite)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the directory {path.parent} does not exist; make it first")
    for above in (path.parent.resolve(), *path.parent.resolve().parents):
        if (above / ".zarray").exists():
            raise ValueError(f"{path} is within the stored array {above}; give another path")
    part = path.with_name(f".{uuid4().hex[:8]}-{path.name}")  # libraries look at its suffix
    try:
        yield part
        _wait_for_disk(part)
        _refuse_occupied(path, overwrite=overwrite)
        _replace(path, part)
    except BaseException as error:
        _remove(part)
        if type(error) is OSError and error.errno is None:  # NumPy's, of what it could not write
            raise OSError(f"writing {path} failed ({error}): is the disk full?") from error
        raise


def _refuse_occupied(path: Path, *, overwrite: bool) -> None:
    if not os.path.lexists(path):
        return
    if not overwrite:
        raise FileExistsError(f"{path} exists already; overwrite=True replaces it")
    if not (path.is_file() or path.is_dir() or path.is_symlink()):
        raise FileExistsError(f"{path} is neither a file nor a directory, and is not replaced")
    if path.is_dir() and not (path / "zarr.json").is_file():
        raise FileExistsError(
            f"{path} is a directory that no export has written, and is not replaced; give another "
            "path, or remove it first"
        )


def _wait_for_disk(part: Path) -> None:
    """Wait until all is on the disk, which may turn out to be full only now."""
    for file in [part] if part.is_file() else filter(os.path.isfile, part.rglob("*")):
        opened = os.open(file, os.O_RDWR)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _replace(path: Path, part: Path) -> None:
    if not path.is_dir() and not (part.is_dir() and path.exists()):
        part.replace(path)
        return
    former = part.with_name(f"{part.name}.former")  # no system replaces a directory that is full
    path.rename(former)
    try:
        part.rename(path)
    except BaseException:
        former.rename(path)
        raise
    _remove(former)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
