"""What the filters have in common that decode integer codes, element by element."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numpy.typing import NDArray

from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.storage.filters.buffers import as_codes, room_for_values

__all__ = ["CodesFilter", "check_codes"]

LARGEST_IN_TABLE = 2  # bytes of a code; up to this size codes are decoded once, into a table
FIRST = 1 << 12  # codes that a table has at first; most movies have no others


class CodesFilter(Codec):  # type: ignore[misc]
    """A numcodecs filter that decodes each code by itself; small codes by looking them up."""

    # In a slot, not in __dict__, so that a movie's state is the same whether it was read or not.
    __slots__ = ("_filled_table",)

    codes: str
    _filled_table: NDArray[Any]

    def decode(self, buf: Any, out: Any = None) -> NDArray[Any]:
        """Return the values of codes, given as bytes or as an array, in `out` if that is given.

        They are flat, in the order in which the codes lie in memory. Where `buf` is not a whole
        number of codes, or `out` has another size or dtype, it is a `ValueError` or a `TypeError`.
        """
        codes = as_codes(buf, self.codes, apart_from=out)
        values = room_for_values(codes.size, self._dtype, out)
        self._decode_into(codes, values)
        return values

    def _decode_into(self, codes: NDArray[Any], values: NDArray[Any]) -> None:
        aligned = codes.flags.aligned and values.flags.aligned
        if codes.dtype.kind not in "iu" or codes.itemsize > LARGEST_IN_TABLE or not aligned:
            values[...] = self._values(codes)
            return
        numbers = codes.view(f"u{codes.itemsize}")
        for entries in (FIRST, 1 << 16):
            if kernel().look_up(self._table(entries), numbers, values) == numbers.size:
                return

    def _table(self, entries: int) -> NDArray[Any]:
        """The values of so many codes or more, in the order of their bits as unsigned numbers."""
        itemsize = np.dtype(self.codes).itemsize
        size = min(entries, 1 << (8 * itemsize))
        if not hasattr(self, "_filled_table") or self._filled_table.size < size:
            bits = np.arange(size, dtype=f"u{itemsize}")
            self._filled_table = self._values(bits.view(self.codes))
        return self._filled_table

    @abstractmethod
    def _values(self, codes: NDArray[Any]) -> NDArray[Any]: ...

    @property
    @abstractmethod
    def _dtype(self) -> str: ...

    def get_config(self) -> dict[str, Any]:
        """Return the configuration, plain JSON, from which `from_config` builds an equal filter."""
        public = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return {"id": self.codec_id, **public}

    def __reduce__(self) -> tuple[Any, ...]:
        # a pickle carries the configuration, not the table
        config = self.get_config()
        del config["id"]
        return type(self).from_config, (config,)


def check_codes(codes: str, *, stepped: bool) -> str:
    """Return the name of a dtype of codes as NumPy writes it, or refuse it.

    Codes are little-endian integers of 1 to 8 bytes or, for lossless movies, floats of 2 to 8
    bytes; those of steps of the noise must be integers.
    """
    allowed = "iu" if stepped else "iuf"
    kinds = "integers" if stepped else "integers or floats"
    message = f"codes is {codes!r}; it must be a dtype of little-endian {kinds}"
    try:
        dtype = np.dtype(codes or "None")  # NumPy takes None for float64
    except (TypeError, ValueError, SyntaxError) as error:  # NumPy parses it as it would Python
        raise ValueError(message) from error
    if dtype.kind not in allowed or dtype.itemsize > 8 or dtype.byteorder == ">":
        raise ValueError(message)
    return dtype.str
