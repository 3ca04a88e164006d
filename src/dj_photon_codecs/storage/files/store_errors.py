"""Errors of a store that name the store and the path."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fsspec import AbstractFileSystem

__all__ = ["error_kind", "store_errors"]

RIGHTS = (
    ". Movies need the rights to list a bucket and to read, write and delete objects: "
    "s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject"
)


@contextmanager
def store_errors(
    fs: AbstractFileSystem, path: str, *, doing: str, store: str | None = None
) -> Iterator[None]:
    """Name the store and the path in errors that a file system raises in a block.

    Libraries of object stores raise errors of many classes that do not say what was asked for. An
    OSError is raised from them, of the same built-in subclass if they have one. Errors of local
    file systems get the path, where they name none, and a note.

    Parameters
    ----------
    fs : fsspec.AbstractFileSystem
        What is used in the block.
    path : str
        What it is used on.
    doing : str
        What is done: ``"writing"``.
    store : str, optional
        The name of the store in DataJoint's configuration.
    """
    try:
        yield
    except BaseException as error:  # those of botocore and aiohttp are no OSErrors
        if not isinstance(error, Exception):  # an interrupt
            raise
        where = f"{path} in the store {store!r}" if store else path
        if not fs.async_impl:
            # errors of fsync and of a full disk name no file
            if isinstance(error, OSError) and error.errno and error.filename is None:
                error.filename = path
            error.add_note(f"This happened while {doing} {where}")
            raise
        rights = RIGHTS if isinstance(error, PermissionError) else ""
        raise error_kind(error)(f"{doing} {where} failed: {error}{rights}") from error


def error_kind(error: Exception) -> type[OSError]:
    """Return the built-in kind of OSError that an error is.

    Libraries of object stores translate what a server answers; their other errors, which are no
    OSErrors, are those of connections.
    """
    for kind in type(error).__mro__:
        if kind.__module__ == "builtins" and issubclass(kind, OSError):
            return kind
    return ConnectionError
