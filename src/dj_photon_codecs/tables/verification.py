"""`verify`: read every movie of a table, and say which ones are not as they were written."""

from __future__ import annotations

import json
import operator
from collections import Counter, deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from dj_photon_codecs.arrays.photon_array import PhotonArray
from dj_photon_codecs.movies.progress import set_progress
from dj_photon_codecs.tables.findings import Fault, Finding, faults_of, key_in_words
from dj_photon_codecs.tables.queries import Key, as_query, decoded_rows, photon_attributes
from dj_photon_codecs.tables.row_progress import RowTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["Verification", "VerifiedRow", "verify"]

SHOWN = 20  # findings that a text shows
AHEAD = 2  # batches of rows that wait for each process


@dataclass(frozen=True)
class VerifiedRow:
    """A row whose movies were read, and those of them that are not as they were written."""

    key: dict[str, Any]
    damaged: tuple[Finding, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.damaged)) or f"{key_in_words(self.key)}: all is well"


Batch = list[tuple[Key, dict[str, Any]]]


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Attributes
    ----------
    attributes : tuple of str
        Those that were looked at.
    rows, movies, empty : int
        Rows; movies that were read; attributes that hold none (NULL).
    damaged : tuple of Finding
        Every movie that is not as it was written, or could not be read, in the order of the keys.
    """

    attributes: tuple[str, ...]
    rows: int
    movies: int
    empty: int
    damaged: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain dictionaries, lists, numbers and texts."""
        return {
            "attributes": list(self.attributes),
            "rows": self.rows,
            "movies": self.movies,
            "empty": self.empty,
            "problems": dict(Counter(found.problem for found in self.damaged)),
            "damaged": [found.to_dict() for found in self.damaged],
        }

    def to_json(self, *, indent: int | None = 1) -> str:
        """Return the report as JSON."""
        return json.dumps(self.to_dict(), indent=indent)

    def __str__(self) -> str:
        empty = f"; {self.empty:,} attributes hold no movie (NULL)" if self.empty else ""
        if not self.damaged:
            return f"All {self.movies:,} movies are as they were written{empty}."
        problems = Counter(found.problem for found in self.damaged)
        counts = ", ".join(f"{number:,} {problem}" for problem, number in problems.items())
        first = (
            f"{len(self.damaged):,} of {self.movies:,} movies are not as they were written "
            f"({counts}){empty}."
        )
        more = len(self.damaged) - SHOWN
        rest = [f"... and {more:,} more, in .damaged"] if more > 0 else []
        return "\n".join([first, *(f"  {found}" for found in self.damaged[:SHOWN]), *rest])

    __repr__ = __str__


def verify(
    table: Any,
    attributes: str | Sequence[str] | None = None,
    *,
    processes: int = 1,
    on_row: Callable[[VerifiedRow], object] | None = None,
) -> Verification:
    """Read every movie of a table, without decoding it, and report what is not as it was written.

    Rows are fetched, and movies read, a few hundred at a time; nothing is changed.

    Parameters
    ----------
    table : datajoint.Table or query
        A table, or a restriction of it, ``Recording & "session > 5"``.
    attributes : str or sequence of str, optional
        Which attributes; by default all of a photon type.
    processes : int
        How many processes read the movies. They are started anew (``spawn``), so a script needs
        ``if __name__ == "__main__":``. They get the movies from this process, and need no
        connection to the database. In each, up to eight movies are read at a time.
    on_row : callable, optional
        Called with the `VerifiedRow` of each row.

    Returns
    -------
    Verification
        It prints as one sentence, and a line for each movie that is not as it was written.

    Raises
    ------
    TypeError, ValueError
        If `table` is none, has no such attribute, or `processes` is less than 1.
    datajoint.errors.LostConnectionError
        If the database cannot be reached any more.

    Examples
    --------
    ::

        report = verify(Recording, processes=4)
        report.damaged            # every row that needs a backup
        report.to_json()
    """
    query = as_query(table)
    names = photon_attributes(query, attributes)
    if operator.index(processes) < 1:
        raise ValueError(f"processes is {processes}; it must be 1 or more")
    keys = query.keys(order_by="KEY")
    rows = movies = empty = 0
    damaged: list[Finding] = []
    with RowTask("verify", movies=len(keys) * len(names)) as task:
        batches = _announced(decoded_rows(query, names, keys), task)
        for batch, faults in _checked(batches, task, processes=processes):
            for (key, values), found in zip(batch, faults, strict=True):
                rows += 1
                empty += sum(value is None for value in values.values())
                movies += sum(value is not None for value in values.values())
                faulty = tuple(Finding(key, name, *fault) for name, fault in found if fault)
                damaged += faulty
                if on_row is not None:
                    on_row(VerifiedRow(key, faulty))
    return Verification(tuple(names), rows, movies, empty, tuple(damaged))


Faults = list[list[tuple[str, Fault | None]]]


def _announced(batches: Iterable[Batch], task: RowTask) -> Iterator[Batch]:
    """Yield batches as they are, and tell the task of their movies before."""
    for batch in batches:
        for value in _values(batch):
            task.begin(_frames(value))
        yield batch


def _frames(value: Any) -> int:
    return len(value) if isinstance(value, PhotonArray) else 0


def _checked(
    batches: Iterable[Batch], task: RowTask, *, processes: int
) -> Iterator[tuple[Batch, Faults]]:
    """Yield each batch of rows with the faults of its movies, by attribute."""
    if processes == 1:
        for batch in batches:
            yield batch, _by_row(batch, faults_of(_values(batch)))
        return
    waiting: deque[tuple[Batch, Any]] = deque()

    def oldest() -> tuple[Batch, Faults]:
        batch, future = waiting.popleft()
        faults = _by_row(batch, future.result())
        task.advance(sum(map(_frames, _values(batch))))
        return batch, faults

    # the processes show no progress of their own
    spawn = get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, set_progress, (None,)) as pool:
        try:
            for batch in batches:
                waiting.append((batch, pool.submit(faults_of, _values(batch))))
                if len(waiting) > AHEAD * processes:
                    yield oldest()
            while waiting:
                yield oldest()
        except BrokenProcessPool as error:
            raise RuntimeError(
                "a process that reads movies has ended. In a script, call verify() below "
                "'if __name__ == \"__main__\":'; where memory is short, take fewer processes"
            ) from error


def _values(batch: Batch) -> list[Any]:
    return [value for _, values in batch for value in values.values()]


def _by_row(batch: Batch, faults: Sequence[Fault | None]) -> Faults:
    remaining = iter(faults)
    return [[(name, next(remaining)) for name in values] for _, values in batch]
