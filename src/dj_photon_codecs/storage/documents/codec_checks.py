"""Which codecs a movie may name in its ``.zarray``: those that give back what they were given.

The document comes from a database and is not to be trusted. A codec of numcodecs may run what it
reads (``pickle``), allocate what its configuration says (``astype`` to a text of 100000 letters),
or change the values (``quantize``); so of numcodecs' own only those are read that are listed here.
Codecs of other packages are read where they are installed: a user's own compressor is legal.
"""

from __future__ import annotations

from typing import Any

import numcodecs
import numpy as np
from numcodecs.abc import Codec

from dj_photon_codecs.policy import LOSSLESS
from dj_photon_codecs.storage.filters.anscombe import AnscombeFilter
from dj_photon_codecs.storage.filters.checksum import ChecksumFilter

__all__ = ["DAMAGED", "check_filters", "load_codec", "require", "shown"]

DAMAGED = "The database row is damaged: restore it from a backup of the database"


def check_filters(zarray: dict[str, Any], *, checked: bool) -> AnscombeFilter | None:
    """Check the filters and the compressor of a movie; return its transform, if it has one.

    It has none if it was stored as plain transformed values. `checked` says whether the format
    version puts a `ChecksumFilter` into each chunk. What are no codecs, ones that no movie is
    written with, or ones that are not installed, are a `ValueError`.
    """
    filters, compressor = zarray["filters"], zarray["compressor"]
    require("filters", filters, isinstance(filters, list | None), "a list of codecs, or null")
    loaded = [load_codec(config) for config in filters or []]
    if compressor is not None:
        load_codec(compressor)
    transform = loaded[0] if loaded and isinstance(loaded[0], AnscombeFilter) else None
    _check_places([codec.codec_id for codec in loaded], transform, checked=checked)
    return transform


def load_codec(config: Any) -> Codec:
    """Return the codec of a configuration as numcodecs writes it: data, not to be trusted.

    It is a `ValueError` if it is no configuration, names a codec that is not installed, or one of
    numcodecs' that movies are not written with; an `ImportError` if what is installed of it is
    broken: the row is not.
    """
    has_id = isinstance(config, dict) and isinstance(config.get("id"), str)
    require("a codec", config, has_id, "an object with an id")
    _check_dtypes(config)
    try:
        codec = numcodecs.get_codec(dict(config))
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"the codec {shown(config)} cannot be made ({shown(error)}). If it is of another "
            f"package, install that; else: {DAMAGED}"
        ) from error
    package = type(codec).__module__.split(".")[0]
    if package == "numcodecs" and config["id"] not in LOSSLESS:
        raise ValueError(
            f"the movie names the codec {config['id']!r}, which does not give back, or not safely, "
            "what it was given; no movie was ever written so. Find out who changed the database row"
        )
    return codec


def _check_dtypes(config: dict[str, Any]) -> None:
    """Refuse dtypes that are not numbers before a codec is made, which might allocate them."""
    for name in {"dtype", "astype"} & config.keys():
        try:
            dtype = np.dtype(config[name])
        except (TypeError, ValueError, SyntaxError) as error:
            raise ValueError(f"{shown(config)} names no dtype: {error}. {DAMAGED}") from error
        if dtype.kind not in "biuf" or dtype.itemsize > 8:
            raise ValueError(
                f"{shown(config)} names the dtype {dtype}; codes are numbers of at most 8 bytes. "
                f"{DAMAGED}"
            )


def _check_places(names: list[str], transform: AnscombeFilter | None, *, checked: bool) -> None:
    if "photon.linear" in names or AnscombeFilter.codec_id in names[1:]:
        raise ValueError(f"filters are {names}; photon.anscombe must be the first. {DAMAGED}")
    if transform is None:
        return
    expected = [len(names) - 1] if checked else []
    if [place for place, name in enumerate(names) if name == ChecksumFilter.codec_id] != expected:
        where = "the last one must be photon.crc32c" if checked else "version 1.0 has no checksum"
        raise ValueError(f"filters are {names}; {where}. {DAMAGED}")


def require(name: str, value: Any, holds: Any, what: str) -> None:
    """Refuse what a row says if it does not hold, and say what it must be."""
    if not holds:
        raise ValueError(f"{name} is {shown(value)}; it must be {what}. {DAMAGED}")


def shown(value: Any) -> str:
    """Return a value of unknown size as it is shown in an error: at most 80 characters of it."""
    try:
        text = repr(value)
    except RecursionError:
        text = f"a {type(value).__name__} that is nested too deep"
    return text if len(text) <= 80 else f"{text[:77]}..."
