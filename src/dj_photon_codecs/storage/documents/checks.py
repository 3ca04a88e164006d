"""What the documents of a movie must say before anything of it is read.

They come from a database row, which may be damaged, edited by hand, newer than this library, or
another program's. Nothing here reads the store, builds an array, or takes long.
"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np

from dj_photon_codecs.layouts.blosc_chunks import MAX_BYTES
from dj_photon_codecs.photons.decode_table import GRAIN, DecodeTable
from dj_photon_codecs.storage.documents.chunk_index import DIGITS
from dj_photon_codecs.storage.documents.codec_checks import DAMAGED, check_filters, require, shown
from dj_photon_codecs.storage.documents.description import (
    PARAMETERS,
    STDERRS,
    Document,
    Documents,
    dimensions,
)
from dj_photon_codecs.storage.filters.anscombe import AnscombeFilter

__all__ = ["check_documents", "format_version", "is_number"]

MAJOR = 1
MOST_CHUNKS = 10_000_000  # of a movie without checksums, by which its chunks could be counted
ORIGINALS = {
    str(dtype)
    for code in "?bhilqBHILQefd"
    for dtype in (np.dtype(code), np.dtype(code).newbyteorder())
}
FILLS = ("NaN", "Infinity", "-Infinity")
TABLE_TYPES = {"whole": bool, "first": int, "table": str}


def check_documents(documents: Documents) -> None:
    """Refuse documents from a row that this version of the library cannot read, or must not.

    It is a `ValueError` if a key is missing or of another type, the documents contradict each other
    or themselves, a codec is named that movies are not written with, or the format version is not
    1.x.
    """
    if not all(isinstance(document, dict) for document in documents.values()):
        raise ValueError(f".zarray and .zattrs must be JSON objects. {DAMAGED}")
    zarray, zattrs = documents["zarray"], documents["zattrs"]
    written = format_version(zattrs.get("codec_version"))
    _check_array(zarray)
    transform = check_filters(zarray, checked=written >= (1, 1))
    _check_checksums(zarray, zattrs, required=transform is not None)
    if transform is not None:
        _check_shown(zattrs)
        _check_movie(documents, transform)
        _check_table(zattrs, transform, written=written)


def format_version(written: Any) -> tuple[int, ...]:
    """Return a format version, such as ``"1.1"``, as numbers; refuse all but 1.x."""
    text = written if isinstance(written, str) else ""
    numbers = tuple(map(int, text.split("."))) if re.fullmatch(r"\d{1,9}(\.\d{1,9})*", text) else ()
    if written is None:
        raise ValueError(
            "movie has no codec_version: another program wrote this array, or its .zattrs is "
            "damaged. Open another program's with zarr.open_array, and insert it"
        )
    if numbers[:1] != (MAJOR,):
        raise ValueError(
            f"movie was written in format version {str(written)[:80]}; this dj-photon-codecs "
            f"{version('dj-photon-codecs')} reads {MAJOR}.x. Upgrade it: "
            "pip install --upgrade dj-photon-codecs"
        )
    return numbers


def is_number(value: Any) -> bool:
    """Return whether a value of a JSON document is a finite number, and no boolean."""
    limit = sys.float_info.max
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= limit


def _check_array(zarray: Document) -> None:
    """Check what describes an array, whoever wrote it."""
    for name in ("shape", "chunks", "filters", "compressor", "fill_value"):
        if name not in zarray:
            raise ValueError(f".zarray has no {name}. {DAMAGED}")
    kind = zarray.get("zarr_format"), zarray.get("dtype"), zarray.get("order")
    if kind != (2, "<f8", "C") or type(kind[0]) is not int:
        raise ValueError(
            f"movie is described as Zarr format {shown(kind[0])} of dtype {shown(kind[1])} in "
            f"order {shown(kind[2])}; it must be format 2 of '<f8' in order 'C'. {DAMAGED}"
        )
    _check_lengths(zarray)
    fill, separator = zarray["fill_value"], zarray.get("dimension_separator", ".")
    is_fill = fill is None or is_number(fill) or (isinstance(fill, str) and fill in FILLS)
    require("fill_value", fill, is_fill, "'NaN'")
    require("dimension_separator", separator, separator in (".", "/"), "'.'")


def _check_lengths(zarray: Document) -> None:
    for name in ("shape", "chunks"):
        lengths = zarray[name]
        legal = isinstance(lengths, list | tuple) and lengths and all(map(_is_length, lengths))
        require(name, lengths, legal, "a list of positive integers")
    if len(zarray["shape"]) != len(zarray["chunks"]):
        raise ValueError(
            f"chunks is {shown(zarray['chunks'])} for the shape {shown(zarray['shape'])}; they "
            f"must have the same number of dimensions. {DAMAGED}"
        )


def _check_shown(zattrs: Document) -> None:
    """Check what a movie may say of itself for people to read: standard errors and its size."""
    for name in (f"anscombe_{name}" for name in STDERRS):
        require(name, zattrs.get(name), is_number(zattrs.get(name, 0)), "a number")
    size = zattrs.get("stored_bytes", 1)
    require("stored_bytes", size, _is_length(size), "a positive whole number")


def _check_checksums(zarray: Document, zattrs: Document, *, required: bool) -> None:
    """Compare the number of chunks with that of the checksums, before any list of them is made."""
    pairs = zip(zarray["shape"], zarray["chunks"], strict=True)
    chunks = math.prod(-(-length // chunk) for length, chunk in pairs)
    digits: Any = zattrs.get("crc32c", None if required else "")
    hexadecimal = isinstance(digits, str) and not digits.strip("0123456789abcdef")
    require("crc32c", digits, hexadecimal, "a string of hexadecimal digits")
    if (digits or required) and len(digits) != DIGITS * chunks:
        raise ValueError(
            f"movie has {chunks} chunks, and checksums for {len(digits) / DIGITS:g}. {DAMAGED}"
        )
    if chunks > MOST_CHUNKS and not digits:
        raise ValueError(f"movie has {chunks} chunks, more than {MOST_CHUNKS}. {DAMAGED}")


def _check_movie(documents: Documents, transform: AnscombeFilter) -> None:
    """Check what holds for an array that this library wrote."""
    zarray, zattrs = documents["zarray"], documents["zattrs"]
    shape, chunks = zarray["shape"], zarray["chunks"]
    if len(shape) < 3 or chunks[1:] != shape[1:] or chunks[0] > shape[0]:
        raise ValueError(
            f"chunks is {chunks} for the shape {shape}; a chunk must hold whole frames of a movie "
            f"of 3 dimensions or more, and no more frames than it has. {DAMAGED}"
        )
    if math.prod(chunks) * np.dtype(transform.codes).itemsize > MAX_BYTES:
        raise ValueError(f"chunks is {chunks}; Blosc holds {MAX_BYTES} bytes at most. {DAMAGED}")
    expected = {
        "codec_name": "photon",
        "_ARRAY_DIMENSIONS": dimensions(len(shape)),
        **_parameters(transform),
    }
    for name, value in expected.items():
        if name not in zattrs or not _same(zattrs[name], value):
            raise ValueError(
                f"{name} is {shown(zattrs.get(name))} in .zattrs; by .zarray it must be "
                f"{value!r}. {DAMAGED}"
            )
    if zarray["fill_value"] != "NaN" or zarray.get("dimension_separator") != ".":
        raise ValueError(
            f"fill_value is {shown(zarray['fill_value'])} and dimension_separator "
            f"{shown(zarray.get('dimension_separator'))}; they must be 'NaN' and '.'. {DAMAGED}"
        )
    _check_original(zattrs.get("original_dtype"), transform)


def _parameters(transform: AnscombeFilter) -> dict[str, Any]:
    named = {f"anscombe_{name}": getattr(transform, name) for name in PARAMETERS}
    return {**named, "quantization_step": transform.step}


def _check_original(name: Any, transform: AnscombeFilter) -> None:
    """Check that the inserted values had a dtype that holds the codes of the smallest dtype."""
    original, codes = np.dtype(str(name)) if _is_original(name) else None, np.dtype(transform.codes)
    if original is not None and transform.step is None:
        fits = {
            "b": codes == np.uint8,
            "u": codes.kind == "u" and codes.itemsize <= original.itemsize,
            "i": codes.kind in "iu" and codes.itemsize <= original.itemsize,
            "f": codes.kind in "iu" or codes == original.newbyteorder("<"),
        }
        original = original if fits[original.kind] else None
    if original is None:
        raise ValueError(
            f"original_dtype is {shown(name)}, and the dtype of the codes {codes}; it must be "
            f"that of a movie which has such codes. {DAMAGED}"
        )


def _check_table(zattrs: Document, transform: AnscombeFilter, *, written: tuple[int, ...]) -> None:
    """Check the table that the codes of a movie in steps decode by."""
    document = zattrs.get("decode_table")
    if (document is None) != (transform.step is None):
        raise ValueError(
            f"step is {transform.step}, and decode_table is {shown(document)}; a movie has a "
            f"decode table if, and only if, it is stored in steps. {DAMAGED}"
        )
    if document is None:
        return
    expected = {name: getattr(transform, name) for name in (*PARAMETERS, "step")}
    right = isinstance(document, dict) and document.keys() == {*expected, *TABLE_TYPES}
    right = right and all(_same(document[name], value) for name, value in expected.items())
    right = right and all(type(document[name]) is kind for name, kind in TABLE_TYPES.items())
    if not right or abs(document["first"]) > 1 << 53:
        raise ValueError(
            f"decode_table is {shown(document)}; it must hold {expected}, whole, first and table. "
            f"{DAMAGED}"
        )
    table = DecodeTable.from_dict(document)
    if written < (1, 1):
        _check_fit(table)


def _check_fit(table: DecodeTable) -> None:
    """Check a table of version 1.0, whose row has no checksum, as far as that can be.

    Its photons are multiples of 1 / GRAIN, and mostly within half a code of the closed form.
    """
    size = len(table.table) * 3 // 16
    codes = table.first + np.arange(size, dtype=np.float64)
    photons, closed = table.photons(codes), replace(table, first=0, table="")
    width = (closed.photons(codes + 1) - closed.photons(codes - 1)) / 2
    apart = np.abs(photons - closed.photons(codes))[width > 0] / width[width > 0]
    if (photons * GRAIN % 1).any() or (apart.size and np.median(apart) > 0.6):
        raise ValueError(f"decode_table does not fit the transform of the movie. {DAMAGED}")


def _is_length(value: Any) -> bool:
    return type(value) is int and 0 < value < 1 << 53


def _is_original(value: Any) -> bool:
    return isinstance(value, str) and value in ORIGINALS


def _same(value: Any, expected: Any) -> bool:
    """Compare JSON values; numbers by what they are worth, as databases write 1.0 as 1."""
    if is_number(expected):
        return is_number(value) and value == expected
    return type(value) is type(expected) and value == expected
