"""Errors that say which library is broken, where one does not import or lacks a name."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

__all__ = ["naming_broken_libraries"]

US = __name__.partition(".")[0]
LIBRARIES = ("numpy", "google_crc32c", "numcodecs", "fsspec", "zarr")  # none needs a later one

# What the import of a library that is broken may raise.
IMPORT_ERRORS = (
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    SystemError,
    TypeError,
    ValueError,
)


@contextmanager
def naming_broken_libraries() -> Iterator[None]:
    """Say in one sentence which library is broken, and how to mend it.

    Raises
    ------
    ImportError
        In place of what was raised within, if that came from a library that does not import, or
        that lacks a name. All other errors pass unchanged.
    """
    try:
        yield
    except IMPORT_ERRORS as error:
        if not _is_of_a_library(error):
            raise
        library = _broken_library(error)
        raise ImportError(
            f"movies can be neither stored nor read here, since {library} is broken "
            f"({type(error).__name__}: {error}); install it again: "
            f"pip install --force-reinstall {library.replace('_', '-')}"
        ) from error


def _is_of_a_library(error: BaseException) -> bool:
    """Return whether a module lacks a name, or did not import."""
    lacking = isinstance(error, AttributeError) and isinstance(error.obj, ModuleType)
    return lacking or isinstance(error, ImportError) or _came_from_an_import(error.__traceback__)


def _came_from_an_import(traceback: TracebackType | None) -> bool:
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_name == "<module>" or code.co_filename.startswith("<frozen importlib"):
            return True
        traceback = traceback.tb_next
    return False


def _broken_library(error: BaseException) -> str:
    """Name the library by what the error tells, else by trying each; else it is this package."""
    module = ""
    if isinstance(error, ImportError):
        module = error.name or ""
    elif isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        module = error.obj.__name__
    named = module.partition(".")[0]
    if named not in ("", US):
        return named
    return next((library for library in LIBRARIES if not _imports(library)), US)


def _imports(library: str) -> bool:
    try:
        import_module(library)
    except IMPORT_ERRORS:
        return False
    return True
