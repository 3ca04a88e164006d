"""The files that a path, a pattern, a folder or a list of paths means, in the order of time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from glob import glob, has_magic
from os import PathLike
from pathlib import Path
from typing import Any

__all__ = ["in_natural_order", "movie_paths", "represent", "tiffs_in"]

TIFF = (".tif", ".tiff", ".btf", ".tf8", ".tf2", ".lsm", ".stk")


def movie_paths(path: Any) -> list[Path]:
    """Return the files, or the folder, that are meant.

    Parameters
    ----------
    path : str, Path, or list of these
        Those of a list are in its order, others in natural order: 2 comes before 10. ``~`` is the
        home directory.

    Raises
    ------
    FileNotFoundError
        If there are none.
    TypeError
        If it is no path.
    ValueError
        If it is a URL, or a list names a file twice.
    """
    if isinstance(path, str | PathLike):
        _refuse_no_path(str(path))
        paths = [Path(path).expanduser()]
        if not paths[0].exists() and has_magic(str(path)):
            found = glob(str(paths[0]))  # noqa: PTH207 - may be absolute
            paths = in_natural_order(map(Path, found))
    elif isinstance(path, list | tuple):
        paths = [Path(each).expanduser() for each in path]
    else:
        raise TypeError(
            f"path is a {type(path).__name__}; it must be a path, a pattern such as "
            "'folder/movie_*.tif', or a list of paths. Arrays need no read_movie"
        )
    for each in paths:
        if not each.exists():
            raise FileNotFoundError(f"there is no file {each}")
    if not paths:
        raise FileNotFoundError(f"there is no file {path}")
    files = [each.resolve() for each in paths]
    twice = [each for number, each in enumerate(files) if each in files[:number]]
    if twice and not isinstance(path, str | PathLike):
        raise ValueError(f"the list of paths names {twice[0]} twice; name each file once")
    return paths


def _refuse_no_path(path: str) -> None:
    if not path:
        raise FileNotFoundError("path is empty; give that of a file, or '.' for this folder")
    if url := re.match(r"\w+://", path):  # which may hold a password
        raise ValueError(
            f"path begins with {url.group()!r}; read_movie opens files of this machine. Download "
            "it, mount it, or open it with its library, and insert the array: "
            "zarr.open_array(url), dask.array.from_zarr(url)"
        )


def tiffs_in(folder: Path) -> list[Path]:
    """Return the TIFF files in a folder, in natural order; not those that are hidden.

    Raises
    ------
    FileNotFoundError
        If there are none.
    """
    files = [each for each in folder.glob("[!.]*") if each.suffix.lower() in TIFF]
    files = [each for each in files if not each.is_dir()]
    if not files:
        raise FileNotFoundError(f"there are no TIFF files in {folder}; give the path of the movie")
    return in_natural_order(files)


def in_natural_order(paths: Iterable[Path]) -> list[Path]:
    """Sort paths by the numbers in them: 2 comes before 10, and what has none before both.

    Examples
    --------
    >>> names = ["a-10.tif", "a-2.tif", "a.tif"]
    >>> [path.name for path in in_natural_order(map(Path, names))]
    ['a.tif', 'a-2.tif', 'a-10.tif']
    """

    def numbered(name: str) -> list[tuple[int, str]]:
        parts = re.split(r"(\d+)", name)
        return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]

    return sorted(
        paths, key=lambda path: (numbered(str(path.with_suffix(""))), numbered(path.suffix), path)
    )


def represent(movie: Any, paths: Sequence[Path], **chosen: str | None) -> str:
    """Return the repr of a movie in files: where it is, shape, dtype, and what was chosen."""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    parts = [f"{str(paths[0])!r}{more}", f"shape={movie.shape}", f"dtype={movie.dtype}"]
    parts += [f"{what}={name!r}" for what, name in chosen.items() if name is not None]
    return f"{type(movie).__name__}({', '.join(parts)})"
