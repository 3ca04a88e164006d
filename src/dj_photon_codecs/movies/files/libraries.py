"""Libraries that read the formats of files, which are extras."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["library"]


def library(name: str, *, extra: str = "formats") -> Any:
    """Import a library that reads files.

    Raises
    ------
    ImportError
        If it is not installed; the message names the extra that brings it.

    Examples
    --------
    >>> library("json").loads("[1]")
    [1]
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"to read this file needs {name.partition('.')[0]} ({error}): "
            f"pip install 'dj-photon-codecs[{extra}]'"
        ) from error
