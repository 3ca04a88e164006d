"""Rows of tables that hold movies: which attributes hold them, and what can be fetched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from datajoint.errors import LostConnectionError
from datajoint.expression import QueryExpression

from dj_photon_codecs.movies.kinds import is_a
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.tables.findings import fault_of

__all__ = [
    "Key",
    "as_query",
    "decoded_rows",
    "is_of_row",
    "is_photon",
    "photon_attributes",
    "settings_of",
]

Key = dict[str, Any]

LOST = ("OperationalError", "InterfaceError")  # which DataJoint passes on as they are
SHUTDOWN = "57P"  # how the codes of PostgreSQL begin where it ends a connection
BATCH = 100  # rows that are fetched together


def as_query(table: Any) -> Any:
    """Return a table, given as its class or an object, or a query, as a query; refuse all else."""
    if isinstance(table, type) and issubclass(table, QueryExpression):
        table = table()
    if not isinstance(table, QueryExpression):
        raise TypeError(
            f"table is a {type(table).__name__}; it must be a table of DataJoint or a query on "
            "tables, such as Recording & {'session': 3}"
        )
    return table


def settings_of(connection: Any) -> Any:
    """Return the settings of a connection: those of its `Instance`, where it has one."""
    return connection._config  # noqa: SLF001 - `Instance.config`; a query knows no instance


def is_photon(codec: Any) -> bool:
    """Return whether a codec of DataJoint is a `PhotonCodec`, by the attributes of one."""
    try:
        Policy.of(codec)
    except TypeError:
        return False
    return True


def photon_attributes(query: Any, named: str | Iterable[str] | None = None) -> list[str]:
    """Return the attributes of a query that hold stored movies: all of them, or those named."""
    found = [name for name in query.heading.names if is_photon(query.heading[name].codec)]
    wanted = [named] if isinstance(named, str) else list(found if named is None else named)
    strange = [name for name in wanted if name not in found]
    if strange or not wanted:
        fault = (
            f"{strange[0]!r} is no attribute of a photon type"
            if strange
            else "the table has no attribute of a photon type"
        )
        raise ValueError(
            f"{fault}, such as <photon@>; those of {', '.join(query.heading.names)} that are: "
            f"{', '.join(found) or 'none'}"
        )
    return wanted


def decoded_rows(
    query: Any, attributes: Sequence[str], keys: Sequence[Key]
) -> Iterator[list[tuple[Key, dict[str, Any]]]]:
    """Yield rows in batches, in the order of their keys: the key, and the value of each attribute.

    In the place of a value that cannot be decoded is its `Fault`. Rows that are gone are left out.
    """
    for start in range(0, len(keys), BATCH):
        batch = keys[start : start + BATCH]
        try:
            rows = (query & batch).proj(*attributes).to_dicts(order_by="KEY")
        except BaseException as error:
            if not is_of_row(error):
                raise
            rows = [_row(query & key, attributes) | key for key in batch if query & key]
        names = query.primary_key
        yield [
            ({name: row[name] for name in names}, {name: row[name] for name in attributes})
            for row in rows
        ]


def is_of_row(error: BaseException) -> bool:
    """Return whether an error says nothing of other rows; it may be any of a user's function."""
    code = getattr(error, "pgcode", None) or SHUTDOWN  # none where the server says nothing
    lost = any(is_a(error, "psycopg2", name) for name in LOST) and code.startswith(SHUTDOWN)
    passed_on = isinstance(error, LostConnectionError | ImportError)
    return isinstance(error, Exception) and not (lost or passed_on)


def _row(row: Any, attributes: Sequence[str]) -> dict[str, Any]:
    """Fetch the attributes of one row, one by one; of what cannot be decoded its fault."""
    values: dict[str, Any] = {}
    for name in attributes:
        try:
            values[name] = row.fetch1(name)
        except BaseException as error:
            if not is_of_row(error):
                raise
            values[name] = fault_of(error)
    return values
