"""Errors of a store that name the store and the path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dj_photon_codecs.movies.kinds import is_a

__all__ = ["store_errors"]

KEYS = (
    "dj.config['stores'] (those of a URL in the environment: AWS_ACCESS_KEY_ID, "
    "AWS_SECRET_ACCESS_KEY, and AWS_ENDPOINT_URL where the store is not Amazon's)"
)
RIGHTS = {
    "reading": (
        "to read its files (on S3: s3:GetObject), and on S3 s3:ListBucket too, without which a "
        "missing file is reported as a refusal"
    ),
    "writing": (
        "to list, read, write and delete files (on S3: s3:ListBucket, s3:GetObject, s3:PutObject, "
        "s3:DeleteObject)"
    ),
}


@contextmanager
def store_errors(
    path: str, *, doing: str, store: str | None = None, writes: bool = True
) -> Iterator[None]:
    """Name the store and the path in errors that a file system raises in a block.

    Libraries of object stores raise errors of many kinds, with no word of what was asked for, and
    what logs an error seldom logs its notes. So all but TypeErrors and ValueErrors become an
    OSError, of the kind that they were where that is known; they are its cause. Interrupts pass,
    too. `doing` is what is done: ``"writing"``; whoever only reads needs fewer rights.
    """
    try:
        yield
    except BaseException as error:  # those of botocore and aiohttp are no OSErrors
        if not isinstance(error, Exception) or isinstance(error, (TypeError, ValueError)):
            raise  # an interrupt, or a fault that is not the store's
        where = f"{path} in the store {store!r}" if store else path
        reason = str(getattr(error, "strerror", None) or error).rstrip(".")
        fault = f"{doing} {where} failed: {reason}. {_advice(error, writes=writes)}"
        raise _renamed(error, fault) from error


def _advice(error: Exception, *, writes: bool) -> str:
    if is_a(error, "botocore", "NoCredentialsError"):
        return f"Give the keys in {KEYS}"
    if not isinstance(error, PermissionError):
        return "Try again, or check the store"
    task = "writing" if writes else "reading"
    return (
        f"{task.capitalize()} a movie needs the right {RIGHTS[task]}. Are the user, or the keys in "
        f"{KEYS}, the right ones? If so, ask whoever runs the store"
    )


def _renamed(error: Exception, text: str) -> OSError:
    """Return an OSError of the same kind and number, with another text.

    Libraries of object stores translate what a server answers; their other errors, which are no
    OSErrors, are those of connections.
    """
    kinds = (kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
    kind = next((kind for kind in kinds if issubclass(kind, OSError)), ConnectionError)
    renamed: OSError = kind(text)
    renamed.errno = getattr(error, "errno", None)
    return renamed
