"""The row of a movie in the database: what `<photon@>` writes there, as plain JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import google_crc32c

if TYPE_CHECKING:
    from dj_photon_codecs.storage.documents import Documents

__all__ = ["documents_checksum", "write_row"]


def write_row(documents: Documents, *, path: str, store: str) -> dict[str, Any]:
    """Return what the database keeps of a movie.

    Parameters
    ----------
    documents : Documents
        Those on the store.
    path : str
        Of the movie's directory, relative to the location of the store.
    store : str
        The store's own name, never empty.

    Returns
    -------
    dict
        Plain finite JSON.
    """
    zarray, zattrs = documents["zarray"], documents["zattrs"]
    return {
        "path": path,
        "store": store,
        "codec_version": zattrs["codec_version"],
        "shape": zarray["shape"],
        "dtype": "float64",
        "transform": "anscombe",
        "crc32c": documents_checksum(documents),
        ".zarray": zarray,
        ".zattrs": zattrs,
    }


def documents_checksum(documents: Documents) -> str:
    """Return the CRC-32C of both documents, as eight hexadecimal digits.

    It is that of their canonical JSON, ``{".zarray":...,".zattrs":...}``, which databases that
    rewrite JSON leave as it is: keys sorted, no white space, ASCII, whole numbers as integers, and
    other numbers as C's ``%.17g`` prints them.

    Parameters
    ----------
    documents : Documents
        Plain finite JSON.
    """
    named = {".zarray": documents["zarray"], ".zattrs": documents["zattrs"]}
    return f"{google_crc32c.value(_canonical(named).encode()):08x}"


def _canonical(value: Any) -> str:
    if isinstance(value, dict):
        items = (f"{json.dumps(key)}:{_canonical(value[key])}" for key in sorted(value))
        return "{" + ",".join(items) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, float):
        return f"{int(value)}" if value.is_integer() else f"{value:.17g}"
    return json.dumps(value)
