"""What motion does to each pixel, beyond what the derivatives of the picture tell.

Details as fine as a pixel are blurred in the mean picture, and its derivatives are too small
there. But a pixel follows the movement of the scene by shares of its own, which regression of its
changes on the movement finds; what it finds is no noise.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.calibration.common_change import MOVEMENTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.calibration.tiles import Tiles

    Maps = NDArray[np.float32]

__all__ = ["PixelMotion"]

FEWEST = 3 * MOVEMENTS  # changes of a pixel from which as many shares can be learnt
RIDGE = 1e-6  # of the diagonal, for movements that are never seen


class PixelMotion:
    """Regression of the changes of each pixel on the movements of the scene, for each fold.

    Parameters
    ----------
    tiles : Tiles
        Of the frame.
    """

    def __init__(self, tiles: Tiles) -> None:
        self._tiles = tiles
        self._normal = np.zeros((2, *tiles.pixels.shape, MOVEMENTS, MOVEMENTS))
        height, width = tiles.spread(tiles.pixels).shape
        self._sums = np.zeros((2, MOVEMENTS, height, width), np.float32)

    def add(self, changes: Maps, *, movements: NDArray[np.float64], kept: Any, fold: int) -> None:
        """Add changes, (n, height, width), during n movements; they are 0 in tiles not kept."""
        self._normal[fold] += kept[..., None, None] * (movements.T @ movements)
        self._sums[fold] += np.einsum("nm,nyx->myx", movements.astype(np.float32), changes)

    def explained(self) -> Maps:
        """Return what the regression takes from sums of products.

        (3, 2, height, width): of the products of each pixel's changes with themselves, with those
        of the pixel below, and of the pixel to the right.
        """
        explained = np.zeros((3, *self._sums[:, 0].shape), np.float32)
        for fold, sums in enumerate(self._sums):
            shares = self._shares(fold)
            explained[0, fold] = (shares * sums).sum(axis=0)
            explained[1, fold, :-1] = (shares[:, :-1] * sums[:, 1:]).sum(axis=0)
            explained[2, fold, :, :-1] = (shares[..., :-1] * sums[..., 1:]).sum(axis=0)
        return explained

    def _shares(self, fold: int) -> Maps:
        """Solve the normal equations of each tile for its pixels."""
        normal, sums = self._normal[fold], self._sums[fold]
        sizes = np.sqrt(np.diagonal(normal, axis1=-2, axis2=-1))
        sizes = np.where(sizes > 0, sizes, 1)
        scale = sizes[..., :, None] * sizes[..., None, :]
        inverse = np.linalg.inv(normal / scale + RIDGE * np.eye(MOVEMENTS)) / scale
        shares = np.zeros_like(sums)
        for row, column in product(range(MOVEMENTS), repeat=2):
            factors = inverse[..., row, column].astype(np.float32)
            shares[row] += self._tiles.spread(factors) * sums[column]
        return shares
