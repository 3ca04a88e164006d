"""The lowest or the highest value of a movie, and how often each pixel shows it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ExtremeValue"]

Maps = NDArray[np.float32]


class ExtremeValue:
    """Running count of the lowest (`numpy.min`) or the highest (`numpy.max`) value so far.

    Attributes
    ----------
    level : float
        The value, in ADU; NaN before the first frame.
    counts : numpy.ndarray
        (2, height, width). How often each pixel shows it, in each fold.
    beside : float
        How often the integer next to it (below the highest, above the lowest) occurs in all.
    """

    def __init__(self, choose: Callable[[Any], Any], shape: tuple[int, ...]) -> None:
        self._choose = choose
        self._inwards = 1 if choose is np.min else -1
        self.level = math.nan
        self.counts: Maps = np.zeros((2, *shape), np.float32)
        self.beside = 0.0

    def add(self, frames: NDArray[Any], kept: Maps, *, fold: int) -> None:
        """Count in frames, (n, height, width), the pixels where `kept` is 1."""
        level = float(self._choose(frames))
        if math.isnan(self.level) or self._choose((level, self.level)) != self.level:
            next_to_old = self.level == level + self._inwards
            self.beside = float(self.counts.sum()) if next_to_old else 0.0
            self.level = level
            self.counts[...] = 0  # no earlier sample can have the new extreme value
        if level == self.level:
            self.counts[fold] += kept * np.count_nonzero(frames == level, axis=0)
        self.beside += float((kept * (frames == self.level + self._inwards)).sum())
