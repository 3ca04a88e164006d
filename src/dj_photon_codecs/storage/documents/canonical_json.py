"""One text for each JSON value, however a database rewrites it, and the checksum of that text.

PostgreSQL and MySQL keep JSON values, not JSON text: they sort keys, drop white space, and may
write 1.0 as 1 or 1e+22 as 10000000000000000000000. Neither changes what is computed here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

import google_crc32c

__all__ = ["canonical_checksum", "canonical_json"]


def canonical_json(value: Any) -> str:
    r"""Return the canonical text of a JSON value, whose numbers are finite.

    Keys are sorted by their characters' code points, there is no white space, texts are ASCII
    (``\u`` escapes), whole numbers have neither point nor exponent, and other numbers are written
    as C's ``%.17g`` does, which is exact.

    Examples
    --------
    >>> canonical_json({"step": 0.1, "gain": 2.0, "axes": ["y", None, True]})
    '{"axes":["y",null,true],"gain":2,"step":0.10000000000000001}'
    """
    return WRITERS.get(type(value), _converted)(value)  # 10,000 rows would wait for isinstance


def _object(value: dict[str, Any]) -> str:
    names = sorted(value)
    texts = [WRITERS.get(type(value[name]), _converted)(value[name]) for name in names]
    return "{" + ",".join(map("{}:{}".format, map(_quoted, names), texts)) + "}"


def _array(value: list[Any]) -> str:
    return "[" + ",".join([WRITERS.get(type(each), _converted)(each) for each in value]) + "]"


def _number(value: float) -> str:
    return f"{int(value)}" if value.is_integer() else f"{value:.17g}"


def _converted(value: Any) -> str:
    return canonical_json(json.loads(json.dumps(value)))  # a tuple, or a number of NumPy


WRITERS: dict[type, Callable[[Any], str]] = {
    dict: _object,
    list: _array,
    str: _quoted,
    int: str,
    float: _number,
    bool: json.dumps,
    type(None): {None: "null"}.__getitem__,
}


def canonical_checksum(value: Any) -> str:
    """Return the CRC-32C of a JSON value's canonical text, as eight hexadecimal digits."""
    return f"{google_crc32c.value(canonical_json(value).encode()):08x}"
