"""`LinearFilter`: integer codes in the chunk, values that are linear in light in the array.

It is never stored. The views ``movie.raw`` and ``movie.photons`` name it in the place of
`AnscombeFilter`, over the same chunks.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.photons.decode_table import DecodeTable
from dj_photon_codecs.storage.filters.codes_filter import CodesFilter, check_codes

__all__ = ["LinearFilter"]


class LinearFilter(CodesFilter):
    """Numcodecs filter from codes to values that are linear in light; it only decodes.

    Parameters
    ----------
    codes : str
        The dtype of the codes, as in `AnscombeFilter`.
    dtype : str
        The dtype of the values.
    gain, offset : float
        Photons are ``(value - offset) / gain``.
    unit : {"ADU", "photon"}
        Values as they were inserted, or photons.
    table : dict, optional
        The `DecodeTable` of a movie that was stored in steps, as a dictionary.

    Examples
    --------
    >>> camera = LinearFilter(codes="<i2", dtype="<f4", gain=50, offset=100, unit="photon")
    >>> camera.decode(np.array([90, 100, 600], "int16"))
    array([-0.2,  0. , 10. ], dtype=float32)
    """

    codec_id: ClassVar[str] = "photon.linear"

    def __init__(
        self,
        codes: str,
        dtype: str,
        gain: float = 1.0,
        offset: float = 0.0,
        unit: Literal["ADU", "photon"] = "ADU",
        table: dict[str, Any] | None = None,
    ) -> None:
        if unit not in ("ADU", "photon"):
            raise ValueError(f"unit is {unit!r}; it must be 'ADU' or 'photon'")
        self.codes = check_codes(codes, stepped=table is not None)
        self.dtype = np.dtype(dtype).str
        self.gain, self.offset, self.unit, self.table = float(gain), float(offset), unit, table

    def encode(self, buf: Any) -> NDArray[Any]:  # noqa: ARG002
        """Refuse, with a `ValueError`: views of a stored movie cannot be written."""
        raise ValueError(
            "movie.raw and movie.photons are views of a stored movie, for reading only. An array "
            "that one is copied to must not take its filters: zarr.from_array(..., filters=None)"
        )

    def _decode_into(self, codes: NDArray[Any], values: NDArray[Any]) -> None:
        if self.unit == "ADU" and self.table is None:
            with np.errstate(over="ignore"):
                values[...] = codes  # a cast is faster than a table
            if not np.can_cast(codes.dtype, values.dtype):
                _refuse_changed(codes, values)
        else:
            super()._decode_into(codes, values)

    def _values(self, codes: NDArray[Any]) -> NDArray[Any]:
        if self.table is None:
            values = codes
            if self.unit == "photon":
                values = (codes.astype(np.float64) - self.offset) / self.gain
        else:
            photons = DecodeTable.from_dict(self.table).photons(codes)
            values = photons if self.unit == "photon" else self.offset + self.gain * photons
        return values.astype(self.dtype)

    @property
    def _dtype(self) -> str:
        return self.dtype


def _refuse_changed(codes: NDArray[Any], values: NDArray[Any]) -> None:
    """Refuse values that are not their codes any more, since their dtype cannot hold them."""
    if values.dtype.kind in "iu":
        limits = np.iinfo(values.dtype)
        kept = not codes.size or (limits.min <= codes.min() and codes.max() <= limits.max)
    else:
        kept = bool((values == codes).all())
    if not kept:
        raise ValueError(
            f"codes from {codes.min()} to {codes.max()} do not fit into {values.dtype}, which the "
            "movie is said to have been inserted in. The database row is damaged: restore it from "
            "a backup of the database"
        )
