"""What a way to store movies is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from subjects import Movie


def is_exact(movie: Movie) -> bool:
    """Say whether all of a movie is wanted back."""
    return movie.step is None


def is_in_steps(movie: Movie) -> bool:
    """Say whether a movie is to be stored in steps."""
    return movie.step is not None


def is_any(_movie: Movie) -> bool:
    """Take every movie."""
    return True


@dataclass(frozen=True)
class Way:
    """A way to store a movie at a path, and to read it.

    Parameters
    ----------
    name : str
        What the tables and plots call it.
    write : callable
        Stores a movie at a path, a file or a directory, and returns what reading it needs.
    read : callable
        Returns the values from what `write` returned, and the path.
    read_transformed : callable, optional
        Returns the transformed values; by default `read` does, and NumPy transforms them.
    takes : callable
        Which movies it stores.
    """

    name: str
    write: Callable[[Movie, Path], Any]
    read: Callable[[Any, Path], NDArray[Any]]
    read_transformed: Callable[[Any, Path], NDArray[Any]] | None = None
    takes: Callable[[Movie], bool] = is_exact

    def transformed(self, movie: Movie, stored: Any, path: Path) -> NDArray[Any]:
        """Read a movie as transformed float64."""
        if self.read_transformed is not None:
            return self.read_transformed(stored, path)
        return movie.transform(self.read(stored, path))
