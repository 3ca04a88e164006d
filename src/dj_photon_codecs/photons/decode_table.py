"""What the codes of a movie stored in steps decode to.

The photons of a code have two parts: a closed form for every code, and a table for the codes of
dim pixels, which is fitted once (decode_table_fit.py) and stored with the movie. Both use only
sums, products, quotients and square roots, which IEEE 754 rounds exactly, so that a stored movie
decodes to the same photons on every machine and with every later version.
"""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dj_photon_codecs.photons.transform import generalized_anscombe

__all__ = ["GRAIN", "DecodeTable"]

Floats = NDArray[np.float64]

JUNCTION = 2 * math.sqrt(3 / 8)  # the transformed value below which the transform is linear
GRAIN = 8192  # entries are multiples of 1 / GRAIN photon, so that whole photons are exact
BLOCK = 1 << 18  # codes decoded at a time (benchmarks/constants_reading.py)

DAMAGED = "it is damaged. Restore the movie's row from a backup of the database"


@dataclass(frozen=True)
class DecodeTable:
    """Photons of the codes of a movie that is stored in steps.

    A `table` that is not base64, or whose photons are not finite or fall as the code rises, is a
    `ValueError`.

    Examples
    --------
    >>> without_table = DecodeTable(gain=1, offset=0, variance=0, step=0.5, whole=True)
    >>> without_table.photons([2, 5, 6, 12]).round(2)
    array([0.  , 1.  , 2.  , 8.43])
    """

    gain: float  # of the transform, ADU per photon
    offset: float  # ADU
    variance: float  # ADU squared
    step: float  # in units of the noise's standard deviation
    whole: bool  # whether all values of the movie were whole numbers of ADU
    first: int = 0  # the code of the first entry of the table
    table: str = ""  # photons of the codes from `first` on: float32, little-endian, as base64
    _entries: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Decode the table once; refuse a damaged one."""
        object.__setattr__(self, "_entries", _entries(self.table))

    def photons(self, codes: ArrayLike) -> Floats:
        """Return the photons of codes, in their shape; they never fall as the code rises.

        Codes that no value of the movie has are allowed.
        """
        codes = np.asarray(codes)
        flat, photons = codes.reshape(-1), np.empty(codes.size)
        for start in range(0, flat.size, BLOCK):
            distinct, places = np.unique(flat[start : start + BLOCK], return_inverse=True)
            photons[start : start + BLOCK] = self._decode(distinct.astype(np.float64))[places]
        return photons.reshape(codes.shape)

    def edges(self, codes: Floats) -> Floats:
        """Return the value, ADU, at which each code begins.

        If all values are whole numbers, it lies in the middle between the last whole number below
        the code and the first one of the code.
        """
        y = (codes - 0.5) * self.step
        argument = np.where(y >= JUNCTION, y * y / 4, 3 / 8 + (y - JUNCTION) * (JUNCTION / 2))
        shift = 3 / 8 + self.variance / (self.gain * self.gain)
        edges: Floats = self.offset + self.gain * (argument - shift)
        if self.whole:
            edges = np.floor(edges) - 1
            for _ in range(3):  # rounding displaces the inverse by less than one
                edges += np.rint(self._transform(edges) / self.step) < codes
            edges -= 0.5
        return edges

    def with_entries(self, photons: Floats, *, first: int) -> DecodeTable:
        """Return a table with other entries: photons of the codes from `first` on, rising.

        They are rounded to 1/8192 photon and lie between what the closed form gives for the codes
        before and after them. There are none where that leaves no room, at steps so fine that all
        these codes are less than 1/8192 photon apart.
        """
        closed = replace(self, first=0, table="")
        below, above = closed.photons([first - 1, first + photons.size]) * GRAIN
        if np.ceil(below) > np.floor(above):
            return closed
        grains = np.clip(np.rint(photons * GRAIN), np.ceil(below), np.floor(above))
        entries = base64.b64encode((grains / GRAIN).astype("<f4").tobytes()).decode("ascii")
        return replace(closed, first=first, table=entries)

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary of plain JSON values, which `from_dict` makes an equal table of."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.init}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> DecodeTable:
        """Build a table from what `to_dict` returned."""
        return cls(**document)

    def _transform(self, values: Floats) -> Floats:
        y = generalized_anscombe(values, self.gain, self.offset, self.variance)
        return np.asarray(y, np.float64)

    def _decode(self, codes: Floats) -> Floats:
        photons = self._closed_form(codes)
        in_table = (codes >= self.first) & (codes < self.first + self._entries.size)
        photons[in_table] = self._entries[(codes[in_table] - self.first).astype(np.intp)]
        return photons

    def _closed_form(self, codes: Floats) -> Floats:
        """Return the middle of each code's values, corrected for the widths of its neighbours.

        Where the density of values changes linearly across a code, its mean is displaced by the
        slope of the density times ``width**3 / 12``. Codes grow wider with brightness, and so do
        these displacements; the difference between both neighbours is subtracted.
        """
        edges = self.edges(codes + np.arange(-2.0, 4.0)[:, None])
        width, middle = np.diff(edges, axis=0), (edges[1:] + edges[:-1]) / 2
        moment = width * (width * width - self.whole) / 12
        below = _quotient(moment[1], middle[2] - middle[0])
        above = _quotient(moment[3], middle[4] - middle[2])
        middles = middle[2] + _quotient(below - above, width[2])
        return np.asarray((middles - self.offset) / self.gain)


def _entries(table: str) -> Floats:
    try:
        entries = np.frombuffer(base64.b64decode(table, validate=True), "<f4")
        with np.errstate(invalid="ignore"):  # signalling NaN, which is refused right here
            entries = entries.astype(np.float64)
    except ValueError as error:
        raise ValueError(f"table is not base64 of float32: {DAMAGED}") from error
    if not (np.isfinite(entries).all() and (np.diff(entries) >= 0).all()):
        raise ValueError(f"table holds photons that are not finite, or that fall: {DAMAGED}")
    return entries


def _quotient(dividend: Floats, divisor: Floats) -> Floats:
    """Divide; 0 where the divisor is 0, at codes so narrow that they hold no value."""
    return np.divide(dividend, divisor, out=np.zeros_like(dividend), where=divisor > 0)
