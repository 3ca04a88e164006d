"""The transform under the contract of numcodecs: integer codes in the chunk, float64 in the array.

`AnscombeFilter` is what a stored movie names in its ``.zarray``; any Zarr reader in Python finds
it through its entry point, and reads the transformed movie. `LinearFilter` is never stored: the
views ``movie.raw`` and ``movie.photons`` put it in its place, over the same chunks.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_contiguous_ndarray, ensure_ndarray
from numpy.typing import NDArray

from dj_photon_codecs.photons.steps import DecodeTable, check_step, quantize
from dj_photon_codecs.photons.table_lookup import look_up
from dj_photon_codecs.photons.transform import exact_inverse, generalized_anscombe

__all__ = ["AnscombeFilter", "LinearFilter"]

TABULATED = 2  # bytes; codes up to this size are decoded through a table of all their values


class _CodesFilter(Codec):  # type: ignore[misc]
    """What decodes codes element by element, through a table where the codes are small."""

    # In a slot, not in __dict__, so that a movie's state is the same whether it was read or not.
    __slots__ = ("_known_table",)

    codes: str

    def decode(self, buf: Any, out: Any = None) -> NDArray[Any]:
        """Return the values of codes.

        Parameters
        ----------
        buf : buffer
            Codes, as bytes or as an array.
        out : writeable buffer, optional
            Where to put the result: room for as many values as there are codes.

        Returns
        -------
        numpy.ndarray
            Values, flat; they lie in `out` if that was given.

        Raises
        ------
        ValueError
            If `buf` is not a whole number of codes, or `out` has another size.
        """
        codes = _flat(buf, self.codes)
        values = np.empty(codes.size, self._dtype) if out is None else _flat(out, self._dtype)
        if values.size != codes.size:
            raise ValueError(f"out holds {values.size} values; the chunk has {codes.size}")
        self._decode_into(codes, values)
        return values

    def _decode_into(self, codes: NDArray[Any], values: NDArray[Any]) -> None:
        if codes.dtype.kind in "iu" and codes.itemsize <= TABULATED:
            look_up(self._table, codes.view(f"u{codes.itemsize}"), out=values)
        else:
            values[...] = self._values(codes)

    @property
    def _table(self) -> NDArray[Any]:
        """The value of each code, in the order of the codes' bits read as an unsigned number."""
        if not hasattr(self, "_known_table"):
            size = np.dtype(self.codes).itemsize
            bits = np.arange(1 << (8 * size), dtype=f"u{size}")
            self._known_table = self._values(bits.view(self.codes))
        return self._known_table

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


class AnscombeFilter(_CodesFilter):
    """Numcodecs filter between transformed float64 values and the codes that are stored.

    Parameters
    ----------
    codes : str
        The dtype of the codes, such as ``"|u1"`` or ``"<u2"``: integers, or floats for movies
        whose values are not whole numbers.
    gain, offset, variance : float
        The parameters of `generalized_anscombe`: ADU per photon, ADU, ADU squared.
    step : float, optional
        None: the codes are the values as they were inserted. A number ``0 < step <= 1``: they
        are the transformed values in steps of it, in units of the noise's standard deviation.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or the codes of a step are not integers.

    Examples
    --------
    >>> counts = AnscombeFilter(codes="|u1")
    >>> counts.decode(np.array([0, 1, 250], "uint8")).round(3)
    array([ 1.225,  2.345, 31.647])
    >>> counts.encode(counts.decode(np.array([0, 1, 250], "uint8")))
    array([  0,   1, 250], dtype=uint8)
    """

    codec_id: ClassVar[str] = "photon.anscombe"
    _dtype = "<f8"

    def __init__(
        self,
        codes: str,
        gain: float = 1.0,
        offset: float = 0.0,
        variance: float = 0.0,
        step: float | None = None,
    ) -> None:
        self.codes = _checked_codes(codes, stepped=step is not None)
        self.gain, self.offset, self.variance = float(gain), float(offset), float(variance)
        self.step = None if step is None else check_step(step)
        self._values(np.zeros(0, self.codes))  # refuses parameters out of range

    def encode(self, buf: Any) -> NDArray[Any]:
        """Return the codes of transformed values.

        Parameters
        ----------
        buf : array_like
            Float64 values, of any shape.

        Returns
        -------
        numpy.ndarray
            Codes, in the shape of `buf`. Lossless: ``decode(encode(y)) == y`` to the last bit.
            With a step: the nearest multiple of it.

        Raises
        ------
        ValueError
            If a value is not the transform of any code, does not fit the dtype of the codes, or
            is NaN where the codes are integers.
        """
        y = ensure_ndarray(buf).view(np.float64)
        if self.step is None:
            return exact_inverse(y, self.codes, **self._parameters)
        return quantize(y, self.step, dtype=self.codes)

    def _values(self, codes: NDArray[Any]) -> NDArray[Any]:
        if self.step is None:
            return np.asarray(generalized_anscombe(codes, **self._parameters))
        return np.multiply(codes, self.step, dtype=np.float64)

    @property
    def _parameters(self) -> dict[str, float]:
        return {"gain": self.gain, "offset": self.offset, "variance": self.variance}


class LinearFilter(_CodesFilter):
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
        self.codes = _checked_codes(codes, stepped=table is not None)
        self.dtype = np.dtype(dtype).str
        self.gain, self.offset, self.unit, self.table = float(gain), float(offset), unit, table

    def encode(self, buf: Any) -> NDArray[Any]:  # noqa: ARG002
        """Refuse: views of a stored movie cannot be written.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(
            "movie.raw and movie.photons are views of a stored movie, for reading only"
        )

    def _decode_into(self, codes: NDArray[Any], values: NDArray[Any]) -> None:
        if self.unit == "ADU" and self.table is None:
            values[...] = codes  # a cast is faster than a table
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


def _checked_codes(codes: str, *, stepped: bool) -> str:
    dtype = np.dtype(codes)
    allowed = "iu" if stepped else "iuf"
    if dtype.kind not in allowed or dtype.itemsize > 8 or dtype.byteorder == ">":
        kinds = "integers" if stepped else "integers or floats"
        raise ValueError(f"codes is {codes!r}; it must be a dtype of little-endian {kinds}")
    return dtype.str


def _flat(buf: Any, dtype: str) -> NDArray[Any]:
    """View a buffer as a flat array of a dtype, without a copy."""
    flat = ensure_contiguous_ndarray(buf).view(np.uint8)
    if flat.size % np.dtype(dtype).itemsize:
        raise ValueError(f"a chunk of {flat.size} bytes is not a whole number of {dtype} values")
    return flat.view(dtype)
