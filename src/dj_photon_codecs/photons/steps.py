"""Codes in steps of the noise, and the photons that they stand for.

The code of a transformed value y is ``round(y / step)``. What a code decodes to has two parts:
a closed form for every code, and, where photons are few, a short table of numbers that was fitted
once (decoding.py) and is stored with the movie. Both use only additions, products, quotients and
square roots, which IEEE 754 fixes to the last bit, so that a movie decodes to the same photons
for ever. The fit may change; what was stored does not.
"""

from __future__ import annotations

import base64
import math
from dataclasses import asdict, dataclass
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.photons.table_lookup import look_up
from dj_photon_codecs.photons.transform import generalized_anscombe

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from dj_photon_codecs.photons.calibration import Calibration

    Floats = NDArray[np.float64]

__all__ = ["DecodeTable", "check_step", "quantize", "stepped_codes", "stepped_dtype"]

INTEGERS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")
ROOT = math.sqrt(3 / 8)  # the transform is 2 * ROOT where it turns linear
BLOCK = 1 << 18  # codes decoded at a time

DAMAGED = "it is damaged. Restore the movie's row from a backup of the database"


def check_step(step: Any) -> float:
    """Return a quantisation step, or refuse it.

    Parameters
    ----------
    step : float
        In units of the noise's standard deviation, ``0 < step <= 1``.

    Raises
    ------
    TypeError, ValueError
        If `step` is not a real number, or out of range.

    Examples
    --------
    >>> check_step(0.5)
    0.5
    """
    if isinstance(step, (bool, np.bool_)) or not isinstance(step, Real):
        raise TypeError(f"step is {step!r}; it must be a number, 0 < step <= 1, or None for exact")
    checked = float(step)
    if not 0 < checked <= 1:
        raise ValueError(
            f"step is {step}; it must be 0 < step <= 1 standard deviation of the noise. Half a "
            "standard deviation adds 1.04 % to the noise, 1 adds 4.1 %; from 2 on no decoding "
            "is unbiased. None stores the values exactly"
        )
    return checked


def quantize(y: ArrayLike, step: float, *, dtype: DTypeLike) -> NDArray[Any]:
    """Return the codes of transformed values, ``round(y / step)``, half to even.

    Parameters
    ----------
    y : array_like
        Transformed values, of any shape.
    step : float
        In units of the noise's standard deviation; ``abs(step * code - y) <= step / 2``, but for
        the rounding of y itself.
    dtype : dtype_like
        An integer dtype, such as `stepped_dtype` returns.

    Raises
    ------
    ValueError
        If a code does not fit, or a value is not finite: codes never wrap.

    Examples
    --------
    >>> quantize([1.22, 3.9, -0.3], 0.5, dtype="i1")
    array([ 2,  8, -1], dtype=int8)
    """
    codes = np.asarray(np.true_divide(y, check_step(step), dtype=np.float64))
    np.rint(codes, out=codes)
    if codes.size and not _holds(dtype, codes.min(), codes.max()):
        raise ValueError(
            f"codes from {codes.min():.17g} to {codes.max():.17g} do not fit into "
            f"{np.dtype(dtype)}; take the dtype from stepped_dtype, and finite values"
        )
    return codes.astype(dtype)


def stepped_codes(
    values: NDArray[Any], calibration: Calibration, *, step: float, dtype: DTypeLike
) -> NDArray[Any]:
    """Return the codes of camera values: those that `quantize` gives to their transforms.

    Parameters
    ----------
    values : numpy.ndarray
        ADU, of any real dtype and shape. Integers are faster than floats where their range holds
        fewer numbers than there are values: each number is coded once, for all that are equal.
    calibration : Calibration
        Gain, offset and variance of the transform.
    step : float
        In units of the noise's standard deviation.
    dtype : dtype_like
        What `stepped_dtype` returned.

    Returns
    -------
    numpy.ndarray
        Codes, of `dtype`, in the shape of `values`.

    Raises
    ------
    ValueError
        If a code does not fit, a value is not finite, or something writes to integers meanwhile.

    Examples
    --------
    >>> from dj_photon_codecs import Calibration
    >>> values = np.array([[100, 130, 160], [130, 100, 160]], "uint16")
    >>> stepped_codes(values, Calibration(gain=30, offset=100), step=0.5, dtype="u1")
    array([[2, 5, 6],
           [5, 2, 6]], dtype=uint8)
    """
    possible = _possible(values)
    codes = quantize(_transform(possible, calibration), step, dtype=dtype)
    return codes if possible is values else _from_table(codes, values, first=possible[0])


def stepped_dtype(
    lowest: float, highest: float, calibration: Calibration, *, step: float
) -> np.dtype[Any]:
    """Return the smallest dtype for the codes of all values in a range.

    Parameters
    ----------
    lowest, highest : float
        The range of the values, ADU.
    calibration : Calibration
        Gain, offset and variance of the transform.
    step : float
        In units of the noise's standard deviation.

    Returns
    -------
    numpy.dtype
        Of little-endian integers, unsigned where possible. Since the transform never falls,
        every value between `lowest` and `highest` has a code that fits.

    Raises
    ------
    ValueError
        If a limit is not finite, or its code would need more than 64 bits.
    """
    limits = np.array([lowest, highest], np.float64)
    codes = np.rint(_transform(limits, calibration) / check_step(step))
    for name in INTEGERS:
        if _holds(name, codes.min(), codes.max()):
            return np.dtype(name).newbyteorder("<")
    raise ValueError(
        f"values from {lowest} to {highest} have no 64-bit codes in steps of {step}; they must be "
        "finite. Replace such values, or store the movie exactly, with step=None"
    )


@dataclass(frozen=True)
class DecodeTable:
    """What the codes of a movie stored in steps decode to, for ever.

    Parameters
    ----------
    gain, offset, variance : float
        Of the transform: ADU per photon, ADU, ADU squared.
    step : float
        In units of the noise's standard deviation.
    whole : bool
        Whether the values were whole numbers of ADU.
    first : int
        The first tabulated code.
    table : str
        Photons of the codes from `first` on, float32, little-endian, as base64. May be empty.

    Raises
    ------
    ValueError
        If `table` is damaged: not base64, not finite, or falling anywhere.

    Examples
    --------
    >>> closed = DecodeTable(gain=1, offset=0, variance=0, step=0.5, whole=True)
    >>> closed.photons([2, 5, 6, 12]).round(2)
    array([0. , 1. , 2. , 8.43])
    """

    gain: float
    offset: float
    variance: float
    step: float
    whole: bool
    first: int = 0
    table: str = ""

    def __post_init__(self) -> None:
        """Refuse a damaged table."""
        try:
            photons = self._tabulated
        except ValueError as error:
            raise ValueError(f"table is not base64 of float32: {DAMAGED}") from error
        if not (np.isfinite(photons).all() and (np.diff(photons) >= 0).all()):
            raise ValueError(f"table holds photons that are not finite, or that fall: {DAMAGED}")

    def photons(self, codes: ArrayLike) -> Floats:
        """Return the photons of codes.

        Parameters
        ----------
        codes : array_like of int
            Any codes, whether they can occur or not, of any shape.

        Returns
        -------
        numpy.ndarray
            Photons, float64, of the shape of `codes`; they never fall as the code rises.
        """
        codes = np.asarray(codes)
        flat, photons = codes.reshape(-1), np.empty(codes.size)
        for start in range(0, flat.size, BLOCK):
            distinct, places = np.unique(flat[start : start + BLOCK], return_inverse=True)
            photons[start : start + BLOCK] = self._decode(distinct.astype(np.float64))[places]
        return photons.reshape(codes.shape)

    def edges(self, codes: Floats) -> Floats:
        """Return where codes begin, in ADU; between two whole numbers if all values are whole."""
        y = (codes - 0.5) * self.step
        argument = np.where(y >= 2 * ROOT, y * y / 4, 3 / 8 + (y - 2 * ROOT) * ROOT)
        shift = 3 / 8 + self.variance / (self.gain * self.gain)
        edges: Floats = self.offset + self.gain * (argument - shift)
        if self.whole:
            edges = np.floor(edges) - 1
            for _ in range(3):  # rounding may have misplaced the inverse, by less than one
                edges += np.rint(_transform(edges, self) / self.step) < codes
            edges -= 0.5
        return edges

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary of plain JSON, from which `from_dict` builds an equal table."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> DecodeTable:
        """Return the table that `to_dict` wrote down."""
        return cls(**document)

    @cached_property
    def _tabulated(self) -> Floats:
        return np.frombuffer(base64.b64decode(self.table, validate=True), "<f4").astype(np.float64)

    def _decode(self, codes: Floats) -> Floats:
        photons = self._closed_form(codes)
        tabulated = (codes >= self.first) & (codes < self.first + self._tabulated.size)
        photons[tabulated] = self._tabulated[(codes[tabulated] - self.first).astype(np.intp)]
        return photons

    def _closed_form(self, codes: Floats) -> Floats:
        """Return the middle of a code's values, less what the growth of the codes' widths adds.

        The density of values, linear over a code, makes an error of its slope times the moment
        ``width**3 / 12``; written as a difference between the neighbours it is taken from them.
        """
        edges = self.edges(codes + np.arange(-2.0, 4.0)[:, None])
        width, middle = np.diff(edges, axis=0), (edges[1:] + edges[:-1]) / 2
        moment = width * (width * width - self.whole) / 12
        below = _quotient(moment[1], middle[2] - middle[0])
        above = _quotient(moment[3], middle[4] - middle[2])
        middles = middle[2] + _quotient(below - above, width[2])
        return np.asarray((middles - self.offset) / self.gain)


def _possible(values: NDArray[Any]) -> NDArray[Any]:
    """Return all numbers from the lowest integer to the highest, or `values` if that is fewer."""
    if values.dtype.kind not in "iu" or not values.size:
        return values
    lowest, highest = values.min(), values.max()
    number = int(highest) - int(lowest) + 1
    if number >= values.size:
        return values
    unsigned = f"u{values.itemsize}"  # sums and differences of signed numbers wrap into it
    return (np.arange(number, dtype=unsigned) + lowest.view(unsigned)).view(lowest.dtype)


def _from_table(table: NDArray[Any], values: NDArray[Any], *, first: Any) -> NDArray[Any]:
    """Return the entry of each value in a table that begins with that of the value `first`."""
    numbers = (values - first).view(f"u{values.itemsize}").reshape(-1)
    if numbers.max() >= table.size:
        raise ValueError(
            "movie has changed while it was coded. Insert it when nothing writes to it"
        )
    found = np.empty(values.shape, table.dtype)
    look_up(table, numbers, out=found.reshape(-1))
    return found


def _transform(x: NDArray[Any], parameters: Calibration | DecodeTable) -> Floats:
    y = generalized_anscombe(x, parameters.gain, parameters.offset, parameters.variance)
    return np.asarray(y, np.float64)


def _holds(dtype: DTypeLike, lowest: float, highest: float) -> bool:
    """Say whether whole numbers fit; those beyond 2**53 are compared as they are, not rounded."""
    limits = np.iinfo(dtype)
    return float(limits.min) <= lowest and highest < float(limits.max // 2 + 1) * 2


def _quotient(dividend: Floats, divisor: Floats) -> Floats:
    """Divide, but return 0 where codes are so narrow that they hold no value."""
    return np.divide(dividend, divisor, out=np.zeros_like(dividend), where=divisor > 0)
