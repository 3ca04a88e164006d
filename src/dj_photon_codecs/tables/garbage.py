"""What is garbage: the order of looking, and the decision, without a store or a database.

A movie is deleted when two looks, a grace period apart, found no row that refers to it. Each look
lists the stores first and reads the rows afterwards, and counts only movies that had been left
alone for a grace period. Why that loses nothing is in docs/how-to/garbage.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dj_photon_codecs.tables.section import Section

__all__ = ["Orphan", "StoredMovie", "since_when_unreferenced", "sweep"]


@dataclass(frozen=True)
class StoredMovie:
    """A directory of a movie, whole or in part."""

    path: str  # from the root of the store
    place: str  # where the file system has it
    files: tuple[str, ...]  # their names
    size: int  # bytes of all files
    newest: datetime  # when a file of it changed last, by the store's clock

    @property
    def name(self) -> str:
        """The directory's own name, whose token is drawn at random for each insert."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Orphan:
    """A movie to which no row refers.

    Attributes
    ----------
    store, schema, path : str
        Where it lies.
    size : int
        Its bytes.
    due : datetime
        From when on it may be deleted, by the store's clock.
    state : "waiting", "due" or "deleted"
        What a run made of it; "due" is what a dry run would have deleted.
    """

    store: str
    schema: str
    path: str
    size: int
    due: datetime
    state: Literal["waiting", "due", "deleted"]


def sweep(
    sections: Sequence[Section],
    references: Callable[[], AbstractSet[str]],
    *,
    grace: timedelta,
    dry_run: bool,
) -> Iterator[Orphan]:
    """Look once, delete what is due, and yield all movies without a row.

    The order keeps movies: what an insert commits after the listing was not listed, or is young.
    """
    refused: list[PermissionError] = []  # of single movies, such as another user's
    looks = [(section, section.time(), section.movies()) for section in sections]
    names = references()  # in one snapshot of the database, after all listings
    for section, begun, listed in looks:
        lonely = [each for each in listed if each.name not in names and section.is_ours(each)]
        # An observation counts from its end; without a grace period nothing else runs.
        now = section.time() if grace else begun
        since = since_when_unreferenced(lonely, section.marks(), begun=begun, now=now, grace=grace)
        if not dry_run:
            section.keep(since)  # before a deletion, which may take hours
        for movie in lonely:
            due = since.get(movie.path, movie.newest + grace) + grace
            state: Literal["waiting", "due", "deleted"] = "waiting"
            if movie.path in since and due <= begun:
                state = "due" if dry_run else "deleted"
            if state == "deleted":
                try:
                    section.delete(movie)
                except PermissionError as error:
                    refused.append(error)
            yield Orphan(section.store, section.schema, movie.path, movie.size, due, state)
    if refused:
        raise refused[0]


def since_when_unreferenced(
    lonely: Sequence[StoredMovie],
    marks: Mapping[str, datetime],
    *,
    begun: datetime,
    now: datetime,
    grace: timedelta,
) -> dict[str, datetime]:
    """Return since when each movie without a row has been without one in all looks.

    A movie that changed within the grace period may belong to an insert under way: it does not
    count yet. One that had a row in a look between has lost its mark, and begins anew.
    """
    idle = [movie.path for movie in lonely if movie.newest + grace <= begun]
    return {path: marks.get(path, now) for path in idle}
