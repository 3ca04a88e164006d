"""The row of a movie in the database: what ``<photon@>`` writes there, and reads from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from dj_photon_codecs.storage.documents.canonical_json import canonical_checksum
from dj_photon_codecs.storage.documents.checks import check_documents, format_version
from dj_photon_codecs.storage.documents.codec_checks import DAMAGED, require, shown
from dj_photon_codecs.storage.documents.description import Documents

__all__ = ["Row", "documents_checksum", "read_row", "write_row"]

CONSTANT = {"dtype": "float64", "transform": "anscombe"}
# DataJoint's types, by keys that only what they write has: DataJoint 2.3.5, builtin_codecs.
WRITERS = {
    "hash": "<blob@>, <attach@> or <hash@>",
    "item_count": "<object@>",
    "timestamp": "<filepath@>",
    "filename": "<attach@>",
    "dtype": "<npy@> or <zarr@>",
    "is_dir": "<object@> or <filepath@>",
    "path": "another type",
}
HOW_TO_MOVE = (
    "insert(query) copies what the database holds, and not the data. Insert row by row what was "
    "fetched, which dj_photon_codecs.migrate(Old, New, 'movie') does, and compares. Keep the old "
    "table until that is done"
)


class Row(NamedTuple):
    """What the row of a movie says.

    The path of its directory, relative to the location of the store, is not checked; the documents
    are.
    """

    path: str
    store: str
    documents: Documents


def write_row(documents: Documents, *, path: str, store: str) -> dict[str, Any]:
    """Return what the database keeps of a movie: plain finite JSON.

    Its directory's path is relative to the location of the store, whose own name is never empty.
    """
    zarray, zattrs = documents["zarray"], documents["zattrs"]
    return {
        "path": path,
        "store": store,
        "codec_version": zattrs["codec_version"],
        "shape": zarray["shape"],
        **CONSTANT,
        "crc32c": documents_checksum(documents),
        ".zarray": zarray,
        ".zattrs": zattrs,
    }


def read_row(stored: Any) -> Row:
    """Return what a row says of a movie, or refuse whatever else the column holds.

    It is a `ValueError` if another type wrote it, the format version is not 1.x, or it is damaged:
    its documents do not have its checksum, or what it says contradicts them or itself.
    """
    if not isinstance(stored, dict) or not {".zarray", ".zattrs"} & stored.keys():
        raise ValueError(_foreign(stored))
    for name in ("path", "store"):
        text = stored.get(name)
        require(name, text, isinstance(text, str) and text, "a text")
    # first, since a row of a later version may lack what this version needs
    written = format_version(stored.get("codec_version"))
    documents = Documents(zarray=stored.get(".zarray"), zattrs=stored.get(".zattrs"))  # type: ignore[typeddict-item]
    _check_checksum(stored, documents, required=written >= (1, 1))
    check_documents(documents)
    _check_agreement(stored, documents)
    return Row(stored["path"], stored["store"], documents)


def documents_checksum(documents: Documents) -> str:
    """Return the checksum of both documents, plain JSON, as eight hexadecimal digits."""
    return canonical_checksum({".zarray": documents["zarray"], ".zattrs": documents["zattrs"]})


def _check_checksum(stored: Mapping[str, Any], documents: Documents, *, required: bool) -> None:
    if "crc32c" not in stored and not required:
        return
    try:
        found = documents_checksum(documents)
    except (TypeError, RecursionError) as error:
        raise ValueError(
            f".zarray and .zattrs must be plain JSON, and are not ({shown(error)}). {DAMAGED}"
        ) from error
    if stored.get("crc32c") != found:
        raise ValueError(
            f"crc32c is {shown(stored.get('crc32c'))}, and the documents of the row have {found}. "
            f"{DAMAGED}"
        )


def _check_agreement(stored: Mapping[str, Any], documents: Documents) -> None:
    """Compare what stands twice."""
    expected = {
        "codec_version": documents["zattrs"]["codec_version"],
        "shape": documents["zarray"]["shape"],
        **CONSTANT,
    }
    for name, value in expected.items():
        found = stored.get(name)
        if type(found) is not type(value) or found != value or _has_booleans(found):
            raise ValueError(
                f"{name} is {shown(found)}; by the documents it must be {value!r}. {DAMAGED}"
            )


def _has_booleans(value: Any) -> bool:
    """Whether a list holds true, which Python finds equal to 1."""
    return isinstance(value, list) and any(isinstance(element, bool) for element in value)


def _foreign(stored: Any) -> str:
    """Say what else a column holds, and how to move it."""
    if isinstance(stored, dict):
        writer = next((name for key, name in WRITERS.items() if key in stored), "another type")
        keys = ", ".join(str(key)[:40] for key in list(stored)[:12]) or "none"
        return (
            f"this row holds no movie of <photon@>: it has no .zarray, and was written by {writer} "
            f"(its keys: {keys}). {HOW_TO_MOVE}"
        )
    if isinstance(stored, bytes | bytearray | memoryview):
        return (
            f"this row holds {len(stored)} bytes, as <blob> or <attach> write them, and no movie "
            f"of <photon@>. {HOW_TO_MOVE}"
        )
    return (
        f"this row holds the {type(stored).__name__} {shown(stored)}, and no movie of "
        "<photon@>. If it is the default of the column, declare the column without one, or with "
        f"null; if it was copied from another table: {HOW_TO_MOVE}"
    )
