"""Small square tiles of a frame, over which neighbouring pixels are added up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tiles"]

Maps = NDArray[np.float32]

# benchmarks/constants_calibration.py tries other values of these.
TILE = 8  # pixels; small enough to lie in a cell, large enough to see a change of one sigma


class Tiles:
    """The division of a frame into tiles of 8 x 8 pixels; those at the far edges may be smaller."""

    def __init__(self, height: int, width: int) -> None:
        self._height, self._width = height, width
        self.pixels: Maps = self.sum(np.ones((height, width), np.float32))

    def sum(self, image: NDArray[Any]) -> Maps:
        """Add up the pixels of each tile; leading axes of `image` are kept."""
        rows, columns = (np.arange(0, size, TILE) for size in (self._height, self._width))
        tall: Maps = np.add.reduceat(np.asarray(image, np.float32), rows, axis=-2)
        total: Maps = np.add.reduceat(tall, columns, axis=-1)
        return total

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Give every pixel the value of its tile."""
        tall: NDArray[Any] = np.repeat(values, TILE, axis=-2)[..., : self._height, :]
        spread: NDArray[Any] = np.repeat(tall, TILE, axis=-1)[..., : self._width]
        return spread
