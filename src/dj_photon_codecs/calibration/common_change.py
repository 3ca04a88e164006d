"""What a whole frame does at once: flicker, a drifting offset, motion.

Of a rigid movement by less than the size of the details, each frame is the mean image plus a few
of its derivatives; of flicker, it is a multiple of it. Regression on these patterns finds how
much of each a frame has, from all of its pixels at once, and takes it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.calibration.tiles import Tiles

    Maps = NDArray[np.float32]

__all__ = ["MOVEMENTS", "remove_common_change"]

FEWEST_TILES = 32  # for which the noise that a common change takes with it is negligible
MOVEMENTS = 5  # the patterns that motion makes; first the slopes, whose shares are pixels
DEPENDENT = 1e-5  # of the largest eigenvalue; patterns that are so alike are not told apart


def remove_common_change(
    changes: Maps, image: Maps, tiles: Tiles
) -> tuple[NDArray[np.float64], float]:
    """Subtract from each change of the image what all pixels have in common, in place.

    Parameters
    ----------
    changes : numpy.ndarray
        (..., height, width), float32. Differences between frames.
    image : numpy.ndarray
        (height, width), float32. The mean of these frames.
    tiles : Tiles
        Of the frame. If there are fewer than 32, nothing is done. Tiles that never change, where
        no light falls, are left as they are.

    Returns
    -------
    tuple
        The movement in each change, (..., 5): down and to the right, in pixels, and three terms
        of second order; and its mean square along an axis, less what noise feigns.
    """
    energy = tiles.sum(changes.reshape(-1, *image.shape) ** 2).mean(axis=0) / tiles.pixels
    alive = energy > 0
    if np.count_nonzero(alive) < FEWEST_TILES:
        return np.zeros((*changes.shape[:-2], MOVEMENTS)), 0.0
    weights = np.divide(energy[alive].mean(), energy, where=alive, out=np.zeros_like(energy))
    weights = tiles.spread(weights)
    patterns = _patterns(image)
    sizes = np.sqrt((patterns**2).mean(axis=(1, 2))) + np.float32(1e-30)
    patterns = patterns / sizes[:, None, None] * (weights > 0)
    flat = changes.reshape(-1, *image.shape)
    normal = _products(patterns * weights, patterns)
    inverse = np.linalg.pinv(normal, rcond=DEPENDENT, hermitian=True)
    shares = inverse @ _products(patterns * weights, flat)
    flat -= np.einsum("kn,kyx->nyx", shares.astype(np.float32), patterns)
    shares, feigned = shares / sizes[:, None], energy[alive].mean() * np.diag(inverse) / sizes**2
    square = (shares**2).mean(axis=1) - feigned
    movements = shares[:MOVEMENTS].T.reshape(*changes.shape[:-2], MOVEMENTS)
    return movements, float(square[:2].mean())


def _products(some: Maps, others: Maps) -> NDArray[np.float64]:
    """Sum the products of images with images over all pixels."""
    # Not the product of matrices: its threads wait for each other where processors are busy.
    rows = np.einsum("kyx,nyx->kny", some, others)
    return np.asarray(rows.sum(axis=-1, dtype=np.float64))


def _patterns(image: Maps) -> Maps:
    """Stack what changes by motion, to second order, by flicker and by a shift of the offset."""
    below, right = _slope(image, 0), _slope(image, 1)
    curvatures = [_slope(below, 0), _slope(below, 1), _slope(right, 1)]
    patterns = np.stack([below, right, *curvatures, image, np.zeros_like(image)])
    patterns -= patterns.mean(axis=(1, 2), keepdims=True)
    patterns[-1] = 1
    return patterns


def _slope(image: Maps, axis: int) -> Maps:
    """Take half the difference of a pixel's two neighbours."""
    slope = np.zeros_like(image)
    inside, ahead, behind = ([slice(None), slice(None)] for _ in range(3))
    inside[axis], ahead[axis], behind[axis] = slice(1, -1), slice(2, None), slice(None, -2)
    slope[tuple(inside)] = (image[tuple(ahead)] - image[tuple(behind)]) / 2
    return slope
