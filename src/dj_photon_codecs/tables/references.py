"""Which movies the rows of a database refer to: all rows, at one moment."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["hidden_tables", "referenced_names"]

# Names of directories of movies: an attribute of DataJoint and a token, ASCII both. They are
# compared without the path, which a file system may spell otherwise (capitals, accents).
# A name begins a word: the long checksums of a document are looked through once.
NAME = re.compile(r"\b\w+_[\w-]{4,16}\.zarr", re.ASCII)
# Those that DataJoint's types are kept in; MariaDB's JSON is a longtext.
COLUMNS = """
(SELECT c.table_schema, c.table_name, c.column_name
FROM information_schema.columns c JOIN information_schema.tables t
ON c.table_schema = t.table_schema AND c.table_name = t.table_name
WHERE t.table_type = 'BASE TABLE' AND c.data_type IN ('json', 'jsonb', 'longtext')
AND c.table_schema NOT IN ('information_schema', 'pg_catalog', 'mysql', 'performance_schema', 'sys')
ORDER BY 1, 2, 3)
"""
# Where the catalogue has all tables: whose rows, or some of them, are hidden from the user.
HIDDEN = """
SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname = %s
AND (NOT has_table_privilege(c.oid, 'SELECT') OR row_security_active(c.oid)) ORDER BY 1
"""


def hidden_tables(connection: Any, schema: str) -> list[str]:
    """Return the tables of a schema that its user may not read; MySQL tells of none of them."""
    if connection.adapter.backend != "postgresql":
        return []
    return [name for (name,) in connection.query(HIDDEN, args=(schema,))]


def referenced_names(connection: Any) -> set[str]:
    """Return the names of all movies' directories that any row of any schema mentions.

    Rows that were copied refer to movies of other schemas, so all schemas that the user may read
    are read, whatever the type of a column says. One statement sees all tables at one moment: a
    row that is moved from a table to another is seen in one of them.
    """
    columns: list[tuple[str, ...]] = []
    names: set[str] = set()
    while (now := list(map(tuple, connection.query(COLUMNS)))) != columns:
        columns = now  # again, if a table was declared meanwhile
        documents = connection.query(_statement(columns, connection.adapter))
        names = {name for (document,) in documents for name in NAME.findall(document)}
    return names


def _statement(columns: list[tuple[str, ...]], adapter: Any) -> str:
    """Read all columns in one statement; in brackets, so that no cache of queries answers it."""
    kind = "text" if adapter.backend == "postgresql" else "char"
    parts = []
    for schema, table, column in columns:
        text = f"CAST({adapter.quote_identifier(column)} AS {kind})"
        source = adapter.make_full_table_name(schema, table)
        parts.append(f"(SELECT {text} FROM {source} WHERE POSITION('.zarr' IN {text}) > 0)")  # noqa: S608
    return " UNION ALL ".join(parts)
