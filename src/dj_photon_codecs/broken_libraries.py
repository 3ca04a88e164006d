"""Errors that say which library is broken, where one does not import or lacks a name."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import PathFinder
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["naming_broken_libraries"]

US = __name__.partition(".")[0]
LIBRARIES = ("numpy", "google_crc32c", "numcodecs", "fsspec", "zarr")  # none needs a later one
# Those whose imports are this package's affair; what a movie's reader imports is the user's.
OURS = {US, *LIBRARIES, "s3fs", "datajoint"}
IMPORTERS = {"importlib", "_frozen_importlib", "_frozen_importlib_external"}
# Neither Ctrl-C nor a lack of memory during an import says that the library is broken.
PASSING = (KeyboardInterrupt, GeneratorExit, MemoryError)


@contextmanager
def naming_broken_libraries() -> Iterator[None]:
    """Say in one sentence which library is broken, and how to mend it: with an `ImportError`.

    It takes the place of what was raised within, whatever its type, if this package or a library of
    its own could not import a module, or lacks a name in one. All other errors pass unchanged.
    """
    try:
        yield
    except BaseException as error:  # an import may raise anything, SystemExit too
        if isinstance(error, PASSING) or not _is_of_a_library(error):
            raise
        raise ImportError(_advice(_broken_library(error), error)) from error


def _is_of_a_library(error: BaseException) -> bool:
    """Return whether this package, or a library of its own, failed to import what it needs."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    imports = (number for number, frame in enumerate(frames) if _is_import(frame))
    lacking = isinstance(error, AttributeError) and isinstance(error.obj, ModuleType)
    failed = len(frames) if lacking or isinstance(error, ImportError) else 0
    asking = next(imports, failed) - 1  # the frame that wants the module
    return asking >= 0 and _owner(frames[asking]) in OURS


def _is_import(frame: FrameType) -> bool:
    return frame.f_code.co_name == "<module>" or _owner(frame) in IMPORTERS


def _owner(frame: FrameType) -> str:
    return _top(str(frame.f_globals.get("__name__")))


def _broken_library(error: BaseException) -> str:
    """Name the first library that does not import, else the module that the error names."""
    if broken := next((library for library in LIBRARIES if not _imports(library)), None):
        return broken
    while error.__cause__ is not None:  # fsspec says "Install s3fs" of whatever s3fs lacks
        error = error.__cause__
    module = ""
    if isinstance(error, ImportError):
        module = error.name or ""
    elif isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        module = error.obj.__name__
    return _top(module) or US


def _imports(library: str) -> bool:
    try:
        import_module(library)
    except PASSING:
        raise
    except BaseException:  # noqa: BLE001 - an import may raise anything
        return False
    return True


def _advice(library: str, error: BaseException) -> str:
    cause = f"{type(error).__name__}: {error}".rstrip(": ")
    hiding = _hiding_file(library)
    return (
        f"movies can be neither stored nor read here, since {library} is broken ({cause}); "
        + (f"if {hiding} is yours, rename it, since it hides {library}; else " if hiding else "")
        + f"install it again: pip install --force-reinstall {library.replace('_', '-')}"
    )


def _hiding_file(library: str) -> str | None:
    """Return the file that Python takes for a library, unless pip put it there."""
    spec = PathFinder.find_spec(library)
    file = (spec and spec.origin) or ""
    installed = library == US or {"site-packages", "dist-packages"} & set(Path(file).parts)
    return None if installed else file


def _top(module: str) -> str:
    return module.partition(".")[0]
