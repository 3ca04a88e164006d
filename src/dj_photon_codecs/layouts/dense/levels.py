"""Levels: ranges of predicted brightness, each with a base and a table of symbol frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.dense.brightness import BRIGHTEST, DARKEST
from dj_photon_codecs.layouts.layout import DamagedChunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "ESCAPE",
    "KEYS",
    "LEVEL",
    "MOST_BITS",
    "MOST_TABLES",
    "TABLE",
    "Levels",
    "brightness_keys",
    "key_brightness",
]

# All of these are parts of the stored format.
ESCAPE = 255  # the symbol of escapes
DROPPED = 13  # low bits of a float32 that a key is without, so that a key is a range of 0.1 %
FIRST_KEY = int(DARKEST.view(np.int32)) >> DROPPED
KEYS = (int(BRIGHTEST.view(np.int32)) >> DROPPED) - FIRST_KEY + 1
MOST_BITS, MOST_TABLES = 16, 256
LEVEL = np.dtype([("key", "<u2"), ("table", "u1"), ("base", "<u4")])
TABLE = np.dtype([("low", "u1"), ("frequencies", "<u2", (ESCAPE + 1,))])


def brightness_keys(expected: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the keys of brightnesses: their float32 bits, without the last 13.

    Parameters
    ----------
    expected : ndarray of float32
        From `DARKEST` to `BRIGHTEST`.

    Returns
    -------
    ndarray of int32
        From 0 to `KEYS` - 1, in the order of brightness.

    Examples
    --------
    >>> brightness_keys(np.array([0.5, 1, 1.0001, 1.001, 2**25], np.float32)).tolist()
    [0, 1024, 1024, 1025, 26624]
    """
    keys = expected.view(np.int32) >> np.int32(DROPPED)
    keys -= np.int32(FIRST_KEY)
    return keys


def key_brightness() -> NDArray[np.float64]:
    """Return the lowest brightness of each key."""
    bits = (np.arange(KEYS, dtype=np.int32) + np.int32(FIRST_KEY)) << np.int32(DROPPED)
    return bits.view(np.float32).astype(np.float64)


@dataclass(frozen=True)
class Levels:
    """The levels of a chunk, and their tables.

    Attributes
    ----------
    level : ndarray of LEVEL
        For each level its first key, in ascending order; its table; and its base.
    table : ndarray of TABLE
        For each table how many low bits are stored apart from the symbol, and the frequencies of
        the 256 symbols, which add up to 2**12.

    Raises
    ------
    ValueError
        If these numbers cannot be levels and tables.
    """

    level: NDArray[Any]
    table: NDArray[Any]

    def __post_init__(self) -> None:
        level, table = self.level, self.table
        sums = table["frequencies"].sum(axis=1, dtype=np.int64)
        if (
            not level.size
            or table.size > MOST_TABLES
            or int(level["table"].max()) >= table.size
            or (table["low"] > MOST_BITS).any()
            or (sums != 1 << 12).any()
            or (np.diff(level["key"].astype(int)) <= 0).any()
            or int(level["base"].max()) >= 1 << 24
        ):
            raise DamagedChunk(f"damaged chunk: {level.size} levels with {table.size} tables")

    def by_key(self, name: str) -> NDArray[np.uint32]:
        """Return the field `table` or `base` of the level of each key."""
        return self.level[name].astype(np.uint32)[self.numbers_of(self.level)]

    def low_by_key(self) -> NDArray[np.uint32]:
        """Return the number of low bits at each key."""
        return self.table["low"].astype(np.uint32)[self.by_key("table")]

    @staticmethod
    def numbers_of(level: NDArray[Any]) -> NDArray[np.intp]:
        """Return the number of the level of each key; keys below the first level have the first."""
        found = np.searchsorted(level["key"], np.arange(KEYS), "right") - 1
        return np.maximum(found, 0)
