"""`migrate`: move the movies of a table to a column of a photon type, row by row, each compared."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import datajoint as dj

from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.tables.comparison import compare_movies
from dj_photon_codecs.tables.findings import Fault, key_in_words, plain_key, told
from dj_photon_codecs.tables.migration_checks import (
    check_copied,
    check_tables,
    check_way,
    named_movies,
)
from dj_photon_codecs.tables.old_movies import fetched_row, refuse_undecided
from dj_photon_codecs.tables.queries import Key, as_query, decoded_rows, is_of_row
from dj_photon_codecs.tables.row_progress import RowTask
from dj_photon_codecs.tables.table_report import TableReport, sample_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["MigratedRow", "Migration", "migrate"]

SHOWN = 20  # rows that a text shows
SAMPLED = 10  # movies that a dry run reads


@dataclass(frozen=True)
class MigratedRow:
    """What became of one row: ``"moved"``, ``"there"`` before, or ``"failed"``, and why.

    In a dry run one that would be moved is ``"waiting"``.
    """

    key: dict[str, Any]
    outcome: Literal["moved", "there", "failed", "waiting"]
    error: str = ""

    def __str__(self) -> str:
        return f"{key_in_words(self.key)}: {self.error or self.outcome}"


@dataclass(frozen=True)
class Migration:
    """What `migrate` did.

    Attributes
    ----------
    outcomes : tuple of MigratedRow
        What became of each row of the old table, in the order of the keys.
    costs : tuple of TableReport
        In a dry run, of each attribute, what the movies take that wait, and what they would take.
    """

    outcomes: tuple[MigratedRow, ...]
    costs: tuple[TableReport, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows the old table has."""
        return len(self.outcomes)

    @property
    def moved(self) -> int:
        """How many rows were inserted, read back and compared by this call."""
        return self._number("moved")

    @property
    def there(self) -> int:
        """How many rows were there before, or were inserted by another process meanwhile."""
        return self._number("there")

    @property
    def failed(self) -> tuple[MigratedRow, ...]:
        """The rows that could not be moved, or are there and are not what they should be."""
        return tuple(row for row in self.outcomes if row.outcome == "failed")

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain dictionaries, lists, numbers and texts."""
        return {
            "rows": self.rows,
            "moved": self.moved,
            "there": self.there,
            "waiting": self._number("waiting"),
            "failed": [{"key": plain_key(row.key), "error": row.error} for row in self.failed],
            "costs": [cost.to_dict() for cost in self.costs],
        }

    def to_json(self, *, indent: int | None = 1) -> str:
        """Return the result as JSON."""
        return json.dumps(self.to_dict(), indent=indent)

    def __str__(self) -> str:
        first = (
            f"{self.moved:,} of {self.rows:,} rows were moved, read back and compared; "
            f"{self.there:,} were there before; {len(self.failed):,} failed."
        )
        if self.costs:
            first = (
                f"A dry run: {self._number('waiting'):,} of {self.rows:,} rows would be "
                f"moved; {self.there:,} are there; {len(self.failed):,} have failed."
            )
        more = len(self.failed) - SHOWN
        rest = [f"... and {more:,} more, in .failed"] if more > 0 else []
        rest += [f"{cost}\n{cost.by_row()}" for cost in self.costs]
        return "\n".join([first, *(f"  {row}" for row in self.failed[:SHOWN]), *rest])

    __repr__ = __str__

    def _number(self, outcome: str) -> int:
        return sum(row.outcome == outcome for row in self.outcomes)


def migrate(  # noqa: PLR0913 - ways of one movie, as keywords
    old: Any,
    new: Any,
    attribute: str | Mapping[str, str],
    *,
    calibration: Calibration | None = None,
    step: float | None = None,
    convert: Callable[[dict[str, Any], Any], Any] | None = None,
    dry_run: bool = False,
    recheck: bool = False,
    on_row: Callable[[MigratedRow], object] | None = None,
) -> Migration:
    """Move movies to a column of a photon type, row by row; call it again to continue.

    Each row is inserted, read back from the store and compared with the old values in one
    transaction: a row that is in the new table was compared, and what was interrupted, killed even,
    is not there. Nothing is deleted, and no row that is there is changed. One movie at a time is
    opened; ``<npy@>`` and Zarr arrays are not read into memory.

    Parameters
    ----------
    old : datajoint.Table or query
        Where the movies are: a table, a restriction of it, or any other query with the primary key
        of `new`. `proj` renames attributes, or leaves some out. The movies may be in ``<blob>``,
        ``<npy@>``, ``<zarr@>``, ``<attach>`` or ``<filepath@>`` (files that `read_movie`
        opens), ``longblob`` of DataJoint 0.14, another photon type, or be paths of files.
    new : datajoint.Table
        The table to insert into, which you have declared. Rows that it has without a movie (NULL)
        are given theirs: so it may be `old` itself, with a new column.
    attribute : str or mapping
        The attribute with the movie, or the old names to the new ones, ``{"movie": "photons"}``.
        All others are copied.
    calibration : Calibration, optional
        What the values mean, if they are of a camera and share one calibration; for photon counts
        none is needed.
    step : float, optional
        Store in steps (see `CameraMovie`); it needs a calibration.
    convert : callable, optional
        ``convert(row, movie)`` returns what to insert, an array or a `CameraMovie`, for anything
        else: calibrations in other attributes of the row, axes in another order. A file that has
        several channels, planes or arrays, or is of no known format, is given as its `Path`.
    dry_run : bool
        Write nothing, and say what the rows that are not there yet would cost: of up to ten of
        them, each, and in all.
    recheck : bool
        Compare the rows that are there before, too, such as those that something else inserted.
        Otherwise only what the database says of them is checked.
    on_row : callable, optional
        Called with the `MigratedRow` of each row.

    Returns
    -------
    Migration
        It prints as one sentence, and a line for each row that failed. A row that fails, also in
        the comparison, is not in the new table, and stops no other.

    Raises
    ------
    TypeError, ValueError
        If the tables or attributes do not fit; before anything is written.
    datajoint.errors.LostConnectionError, ImportError
        If the database is lost (or what psycopg2 raises then), or a library is missing;
        KeyboardInterrupt passes, too.

    Examples
    --------
    ::

        migrate(OldRecording, Recording, "movie")
        migrate(
            OldRecording & "session > 5",
            Recording,
            {"movie": "photons"},
            convert=lambda row, movie: CameraMovie(movie, Calibration(gain=row["gain"])),
        )
    """
    move = _Move.of(old, new, attribute, calibration=calibration, step=step, convert=convert)
    if dry_run:
        return move.rehearsal()
    rows = []
    with RowTask("migrate") as task:
        for row in move.rows(task, recheck=recheck):
            rows.append(row)
            if on_row is not None:
                on_row(row)
    return Migration(tuple(rows))


@dataclass(frozen=True)
class _Move:
    """From where to where movies move, and as what."""

    old: Any
    new: Any
    movies: dict[str, str]  # attributes of the old table to those of the new one
    copied: list[str]
    calibration: Calibration | None
    step: float | None
    convert: Callable[[dict[str, Any], Any], Any] | None

    @classmethod
    def of(cls, old: Any, new: Any, attribute: str | Mapping[str, str], **how: Any) -> _Move:
        """Refuse what does not fit together."""
        old, new = as_query(old), as_query(new)
        movies = named_movies(attribute)
        check_way(**how)
        check_tables(old, new, movies)
        targets = {*movies, *movies.values()}
        copied = [name for name in old.heading.names if name not in targets]
        check_copied(old, new, copied, movies)
        return cls(old, new, movies, copied, **how)

    def rehearsal(self) -> Migration:
        """Return what would become of each row, and what that would cost."""
        rows = tuple(self.rows(None, recheck=False))
        keys = [row.key for row in rows if row.outcome == "waiting"]
        return Migration(rows, tuple(self._cost(name, keys) for name in self.movies))

    def _cost(self, source: str, keys: list[Key]) -> TableReport:
        codec = self.new.heading[self.movies[source]].codec
        empty = {self._name(key) for key in (self.old & {source: None}).proj().to_dicts()}
        keys = [key for key in keys if self._name(key) not in empty]
        return sample_table(
            self.old,
            source,
            keys,
            ways={f"as <{codec.name}>": (Policy.of(codec), "own")},
            prepare=self._prepared,
            rows=SAMPLED,
            empty=len(empty),
        )

    def rows(self, task: RowTask | None, *, recheck: bool) -> Iterator[MigratedRow]:
        """Yield what became of each row; without a task, what would become of it."""
        keys = self.old.keys(order_by="KEY")
        there = {self._name(key) for key in self.new.proj().to_dicts()}
        for target in self.movies.values():
            there -= {self._name(key) for key in (self.new & {target: None}).proj().to_dicts()}
        kept = [key for key in keys if self._name(key) in there]
        faults = {} if recheck else self._faults(kept)
        if task is not None:
            task.movies = len(self.movies) * (len(keys) - (0 if recheck else len(kept)))
        for key in keys:
            name = self._name(key)
            if task is None and name not in there:
                yield MigratedRow(key, "waiting")
            elif task is not None and (name not in there or recheck):
                action = self._compare if name in there else self._move
                yield self._outcome(key, partial(action, task=task))
            elif name in faults:
                yield MigratedRow(key, "failed", faults[name])
            else:
                yield MigratedRow(key, "there")

    def _name(self, key: Key) -> tuple[Any, ...]:
        return tuple(key[name] for name in self.new.primary_key)

    def _faults(self, keys: list[Key]) -> dict[tuple[Any, ...], str]:
        """Return what is wrong with rows that are there, as far as the database knows."""
        batches = decoded_rows(self.new, list(self.movies.values()), keys)
        return {
            self._name(key): value.message
            for batch in batches
            for key, values in batch
            for value in values.values()
            if isinstance(value, Fault)
        }

    def _outcome(self, key: Key, action: Callable[[Key], Any]) -> MigratedRow:
        try:
            return MigratedRow(key, action(key))
        except dj.errors.DuplicateError as error:
            if self.new & key:  # of another process that moves rows
                return MigratedRow(key, "there")
            return MigratedRow(key, "failed", told(error))
        except BaseException as error:
            if not is_of_row(error):
                raise
            return MigratedRow(key, "failed", told(error))

    def _move(self, key: Key, *, task: RowTask) -> Literal["moved", "there"]:
        present = bool(self.new & key)
        missing = {
            source: target
            for source, target in self.movies.items()
            if not present or self.new & key & {target: None}
        }
        with fetched_row(self.old, key, missing) as row:
            inserted = {
                target: self._prepared(row, row[source]) for source, target in missing.items()
            }
            if present and all(value is None for value in inserted.values()):
                return "there"
            for movie in inserted.values():
                task.begin(_frames(movie))
            with self.new.connection.transaction:
                if present:
                    self.new.update1(key | inserted)
                else:
                    copied = {name: row[name] for name in self.copied}
                    self.new.insert1(copied | inserted, allow_direct_insert=True)
                self._check(key, inserted)
        return "moved"

    def _compare(self, key: Key, *, task: RowTask) -> Literal["there"]:
        with fetched_row(self.old, key, self.movies) as row:
            for name, target in self.movies.items():
                movie = self._prepared(row, row[name])
                task.begin(_frames(movie))
                self._check(key, {target: movie})
                task.advance(_frames(movie))
        return "there"

    def _prepared(self, row: dict[str, Any], movie: Any) -> Any:
        """Return what to insert for a movie of the old table."""
        if movie is None:
            return None
        if self.convert is not None:
            return self.convert(row, movie)
        refuse_undecided(movie)
        if self.calibration is not None:
            return CameraMovie(movie, self.calibration, self.step)
        return movie

    def _check(self, key: Key, inserted: dict[str, Any]) -> None:
        """Read back what is in the new table, and compare it."""
        stored = (self.new & key).proj(*inserted).fetch1()
        for name, value in inserted.items():
            if value is not None and stored[name] is not None:
                step = Policy.of(self.new.heading[name].codec).step
                compare_movies(value, stored[name], step=step)
            elif value is not stored[name]:
                raise ValueError(f"{name} is NULL in one table, and not in the other")


def _frames(movie: Any) -> int:
    """Return how many frames a movie has that is to be inserted; what is none has no frames."""
    shape = getattr(getattr(movie, "values", movie), "shape", None)
    return int(shape[0]) if shape else 0
