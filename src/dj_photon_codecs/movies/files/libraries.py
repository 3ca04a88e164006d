"""Libraries that read and write the formats of files, which are extras."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["library"]


def library(name: str) -> Any:
    """Import a library of the extra ``formats``, or a module of it.

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
        package = name.partition(".")[0].replace("_", "-")
        older = ", which is for Python 3.12 or later" if package == "hdmf-zarr" else ""
        raise ImportError(
            f"this file needs {package}{older} ({error}): pip install 'dj-photon-codecs[formats]'"
        ) from error
