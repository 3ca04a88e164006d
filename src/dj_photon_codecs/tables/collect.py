"""`collect`: delete the movies of schemas to which no row refers, beside inserts."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import datajoint as dj
from datajoint.codecs import is_codec_registered
from datajoint.hash_registry import get_store_backend

from dj_photon_codecs.tables.garbage import Orphan, sweep
from dj_photon_codecs.tables.queries import settings_of
from dj_photon_codecs.tables.references import hidden_tables, referenced_names
from dj_photon_codecs.tables.section import Section

__all__ = ["GRACE", "Garbage", "collect"]

GRACE = timedelta(days=7)
LONGEST = timedelta(days=36500)
LEAST = timedelta(hours=1)  # beside inserts


@dataclass(frozen=True)
class Garbage:
    """Movies to which no row refers, and what became of them.

    Attributes
    ----------
    orphans : tuple of Orphan
        Each has a store, a schema, a path, a size in bytes, the time from which on it may be
        deleted (`due`), and a state: "waiting", "due" (in a dry run) or "deleted".
    dry_run : bool
        Whether this was a look only.
    """

    orphans: tuple[Orphan, ...]
    dry_run: bool

    def sizes(self, state: str) -> dict[str, int]:
        """Return the bytes of the movies in a state, for each schema that has any."""
        total: Counter[str] = Counter()
        for orphan in self.orphans:
            total[orphan.schema] += orphan.size if orphan.state == state else 0
        return dict(+total)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain dictionaries, lists, numbers and texts; times are ISO 8601."""
        orphans = [asdict(each) | {"due": each.due.isoformat()} for each in self.orphans]
        return {"dry_run": self.dry_run, "orphans": orphans}

    def to_json(self, *, indent: int | None = 1) -> str:
        """Return all of it as JSON."""
        return json.dumps(self.to_dict(), indent=indent)

    def __str__(self) -> str:
        counts = Counter((each.schema, each.store, each.state) for each in self.orphans)
        if not counts:
            return "no movie is without a row"
        return "\n".join(
            f"{schema} in {store}: {number} {state}, {self._megabytes(schema, store, state):.1f} MB"
            for (schema, store, state), number in sorted(counts.items())
        )

    __repr__ = __str__

    def _megabytes(self, *where: str) -> float:
        sizes = (o.size for o in self.orphans if (o.schema, o.store, o.state) == where)
        return sum(sizes) / 1e6


def collect(
    *schemas: Any,
    grace: timedelta = GRACE,
    dry_run: bool = True,
    store: str | None = None,
    nothing_inserts: bool = False,
) -> Garbage:
    """Find the movies of schemas to which no row refers; delete those that have been so for long.

    It is safe beside inserts, in other processes and on other computers, if none of them takes
    longer than the grace period from the last file of a movie to the commit of its row. A movie is
    deleted by a run that finds it without a row, as a run did a grace period ago or more, and the
    runs between: the first run deletes nothing, and notes on the store what it found.

    Parameters
    ----------
    *schemas : datajoint.Schema
        Whose movies are looked for, on all configured stores. Rows that refer to them are looked
        for in all schemas that the connection may read; none must be hidden from it.
    grace : timedelta
        Longer than any insert and any transaction takes. To delete, an hour or more; with
        `nothing_inserts` also less, and zero deletes at once.
    dry_run : bool
        Whether to look only; nothing is deleted or noted.
    store : str, optional
        The one store to look at.
    nothing_inserts : bool
        That nothing else uses the schemas until this is over, which only you can know.

    Returns
    -------
    Garbage
        The movies without a row, and their states; `str` sums them up.

    Raises
    ------
    TypeError, ValueError
        If there is no schema, if the grace period is none or too short, or if the store is not
        configured.
    datajoint.errors.DataJointError
        If the type of a column is not loaded, or if rows cannot be read or are hidden; nothing is
        deleted.
    OSError
        If a store fails. What was not deleted will be by the next run. Where it refuses to delete
        a movie, the others are deleted before this is raised.
    """
    connection = _checked_connection(schemas, grace)
    schemas = tuple({schema.database: schema for schema in schemas}.values())  # each once
    if grace < LEAST and not (dry_run or nothing_inserts):
        raise ValueError(
            f"grace is {grace}; to delete beside inserts it must be longer than each of them "
            f"takes, {LEAST} or more. If nothing inserts, say so: nothing_inserts=True "
            "(--nothing-inserts of the command)"
        )
    _check_types(schemas)
    sections = list(_sections(schemas, connection, store=store, dry_run=dry_run))
    references = partial(referenced_names, connection)
    orphans = sweep(sections, references, grace=grace, dry_run=dry_run)
    return Garbage(tuple(orphans), dry_run)


def _checked_connection(schemas: tuple[Any, ...], grace: timedelta) -> Any:
    """Return the connection of the schemas, which must see what others have committed by now."""
    if not schemas:
        raise ValueError("no schema is given; give the dj.Schema objects whose garbage to collect")
    if not isinstance(grace, timedelta):
        raise TypeError(f"grace is {grace!r}; it must be a timedelta, such as timedelta(days=7)")
    if not timedelta(0) <= grace <= LONGEST:
        raise ValueError(
            f"grace is {grace}; it must not be negative, nor above a century. The default is 7 days"
        )
    connections = {id(schema.connection): schema.connection for schema in schemas}
    if len(connections) > 1:
        raise ValueError("the schemas have several connections; collect for each by itself")
    (connection,) = connections.values()
    if connection.in_transaction:
        raise ValueError(
            "a transaction is open, which does not see what others commit meanwhile; commit it, "
            "then collect"
        )
    return connection


def _check_types(schemas: tuple[Any, ...]) -> None:
    """Refuse columns of types that are not loaded, and hidden rows, whatever they refer to."""
    for name in ("photon", "photon_dense"):
        dj.get_codec(name)
    for schema in schemas:
        if hidden := hidden_tables(schema.connection, schema.database):
            raise dj.DataJointError(
                f"rows of {schema.database} are hidden from this user of the database, those of "
                f"{', '.join(hidden)}: nobody knows what they refer to; nothing was deleted. Let a "
                "user collect who may select from all tables of the schema"
            )
        for table in schema.list_tables():
            for name, attribute in schema.get_table(table).heading.attributes.items():
                codec = attribute.codec
                if codec is not None and not is_codec_registered(codec.name):
                    raise dj.DataJointError(
                        f"the column {name} of {schema.database}.{table} has the type "
                        f"{codec.name}, which is not loaded; nothing was deleted. Import the "
                        "module that defines it, or install the package that brings it"
                    )


def _sections(
    schemas: tuple[Any, ...], connection: Any, *, store: str | None, dry_run: bool
) -> Iterator[Section]:
    """Find each schema's section of each store, once where a place has several names."""
    settings = settings_of(connection)
    stores = {name for name, spec in settings.stores.items() if isinstance(spec, dict)}
    if store is not None and store not in stores:
        raise ValueError(f"the store is {store!r}; the configured ones are {sorted(stores)}")
    seen = set()
    for name in sorted(stores if store is None else {store}):
        prefix = settings.get_store_spec(name)["schema_prefix"].strip("/")
        place = get_store_backend(name, config=settings).get_fsmap("")
        root = re.sub("(?<=.)//+", "/", place.root).rstrip("/")  # as an insert does
        if (place.fs, root, prefix) not in seen:
            seen.add((place.fs, root, prefix))
            for schema in schemas:
                yield Section(place.fs, root, prefix, name, schema.database, dry_run)
