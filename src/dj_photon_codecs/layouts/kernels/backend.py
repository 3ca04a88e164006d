"""The choice between the compiled kernel and its reference in NumPy: once for each process."""

from __future__ import annotations

import os
import warnings
import zlib
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["ADVICE", "VARIABLE", "kernel", "kernel_in_use"]

VARIABLE = "DJ_PHOTON_KERNEL"
FOLDER = Path(__file__).parent
ADVICE = (
    "chunks are the same, and take many times longer. Install a wheel, or from source with "
    f"`pip install --force-reinstall --no-deps`; {VARIABLE}=numpy silences this"
)


def kernel_in_use() -> str:
    """Return how chunks are encoded and decoded: "compiled", or "numpy", which takes longer.

    Both write and read the same bytes. The compiled kernel is used unless it is missing, or the
    environment variable ``DJ_PHOTON_KERNEL`` is "numpy" when it is first asked for.

    Examples
    --------
    >>> kernel_in_use() in ("compiled", "numpy")
    True
    """
    return "numpy" if kernel().__name__.endswith(".reference") else "compiled"


@cache
def kernel() -> Any:
    """Return the module whose functions encode and decode: `_kernel`, or else `reference`."""
    asked = os.environ.get(VARIABLE, "")
    if asked not in ("", "numpy"):
        raise ValueError(f"{VARIABLE} is {asked!r}; it must be 'numpy', or not set")
    compiled = None if asked == "numpy" else _compiled()
    return compiled or import_module("dj_photon_codecs.layouts.kernels.reference")


def _compiled() -> Any:
    """Return the compiled kernel; None with a warning if it is missing, broken or outdated."""
    try:
        compiled = import_module("dj_photon_codecs.layouts.kernels._kernel")
    except (ImportError, SystemError) as error:
        warnings.warn(f"no compiled kernel ({error}): {ADVICE}", RuntimeWarning, stacklevel=3)
        return None
    sources = sorted(FOLDER.glob("*.[ch]"))  # beside it in an editable installation only
    written = b"".join(path.read_bytes() for path in sources)
    if sources and zlib.crc32(written) & 0x7FFFFFFF != compiled.SOURCES:
        warnings.warn(
            "the compiled kernel is older than its sources: run `python hatch_build.py`; until "
            f"then {ADVICE}",
            RuntimeWarning,
            stacklevel=3,
        )
        return None
    return compiled
