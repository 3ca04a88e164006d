"""How far a task is that goes through the movies of many rows, whose lengths it does not know."""

from __future__ import annotations

from dj_photon_codecs.movies.progress import Task

__all__ = ["RowTask"]


class RowTask(Task):
    """A task of many movies; how many frames it has is extrapolated from the movies so far.

    Examples
    --------
    >>> with RowTask("migrate", movies=10) as task:
    ...     task.begin(200)
    ...     task.total
    2000
    """

    def __init__(self, what: str, *, movies: int = 1) -> None:
        super().__init__(what, (1,))
        self.movies = movies
        self._begun = self._expected = 0

    def begin(self, frames: int) -> None:
        """Count one more movie, of so many frames, before any of them."""
        self._begun += 1
        self._expected += frames
        self.total = max(1, self._expected * self.movies // self._begun)
