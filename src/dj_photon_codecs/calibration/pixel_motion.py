"""The variance that motion adds to single pixels, beyond what derivatives of the image explain.

Details as fine as a pixel are blurred in the mean image, whose derivatives are then too small. So
the changes of each pixel are also regressed on the movements of the scene, with coefficients of
its own. The variance that the regression explains is motion, not noise, and is subtracted.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.calibration.common_change import MOVEMENTS
from dj_photon_codecs.calibration.tiles import Tiles

__all__ = ["PixelMotion"]

Maps = NDArray[np.float32]

# benchmarks/constants_calibration.py tries other values of these.
FEWEST = 3 * MOVEMENTS  # changes of a pixel that are needed to fit its coefficients
RIDGE = 1e-6  # relative to the diagonal; keeps the equations solvable where nothing moves


class PixelMotion:
    """Regression of the changes of each pixel on the movements of the scene, in each fold."""

    def __init__(self, tiles: Tiles) -> None:
        self._tiles = tiles
        self._normal = np.zeros((2, *tiles.pixels.shape, MOVEMENTS, MOVEMENTS))
        height, width = tiles.spread(tiles.pixels).shape
        self._sums = np.zeros((2, MOVEMENTS, height, width), np.float32)

    def add(self, changes: Maps, *, movements: NDArray[np.float64], kept: Any, fold: int) -> None:
        """Add n changes, (n, height, width), and the movements that caused them, (n, 5).

        `kept` is 1 for the tiles that count, and 0 for those in which the changes were set to 0.
        """
        self._normal[fold] += kept[..., None, None] * (movements.T @ movements)
        self._sums[fold] += np.einsum("nm,nyx->myx", movements.astype(np.float32), changes)

    def explained(self) -> Maps:
        """Return the part of sums of products that the regression explains.

        Shape (3, 2, height, width): products of each pixel's changes with themselves, with those
        of the pixel below, and with those of the pixel to the right, in each fold.
        """
        explained = np.zeros((3, *self._sums[:, 0].shape), np.float32)
        for fold, sums in enumerate(self._sums):
            coefficients = self._coefficients(fold)
            explained[0, fold] = (coefficients * sums).sum(axis=0)
            explained[1, fold, :-1] = (coefficients[:, :-1] * sums[:, 1:]).sum(axis=0)
            explained[2, fold, :, :-1] = (coefficients[..., :-1] * sums[..., 1:]).sum(axis=0)
        return explained

    def _coefficients(self, fold: int) -> Maps:
        """Solve the normal equations; all pixels of a tile share the same matrix."""
        normal, sums = self._normal[fold], self._sums[fold]
        sizes = np.sqrt(np.diagonal(normal, axis1=-2, axis2=-1))
        sizes = np.where(sizes > 0, sizes, 1)
        scale = sizes[..., :, None] * sizes[..., None, :]
        inverse = np.linalg.inv(normal / scale + RIDGE * np.eye(MOVEMENTS)) / scale
        coefficients = np.zeros_like(sums)
        for row, column in product(range(MOVEMENTS), repeat=2):
            factors = inverse[..., row, column].astype(np.float32)
            coefficients[row] += self._tiles.spread(factors) * sums[column]
        return coefficients
