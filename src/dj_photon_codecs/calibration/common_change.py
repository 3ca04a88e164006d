"""Changes that all pixels of a frame share: flicker, a drifting offset, motion.

They are not noise, and must not count as such. A scene that moves by less than the size of its
details changes by a few derivatives of the mean image, flicker by a multiple of the image, a
drifting offset by a constant. The change of each frame is fitted by these patterns, by least
squares over all pixels, and the fit is subtracted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.calibration.tiles import Tiles

__all__ = ["MOVEMENTS", "remove_common_change"]

Maps = NDArray[np.float32]

# benchmarks/constants_calibration.py tries other values of these.
FEWEST_TILES = 32  # from which on the noise that the fit of seven patterns takes is negligible
MOVEMENTS = 5  # patterns of motion: two slopes, whose coefficients are pixels, three curvatures
DEPENDENT = 1e-5  # of the largest eigenvalue, below which patterns count as the same


def remove_common_change(
    changes: Maps, image: Maps, tiles: Tiles
) -> tuple[NDArray[np.float64], float]:
    """Subtract from differences of frames, (..., height, width), in place, what all pixels share.

    If fewer than 32 tiles ever change, nothing is subtracted; `image` is the mean of the frames.
    Returns the movement in each difference, (..., 5): down and right, in pixels, and three terms of
    second order; and the mean square of the movement along an axis, in pixels squared, less the
    part that noise makes up.
    """
    energy = tiles.sum(changes.reshape(-1, *image.shape) ** 2).mean(axis=0) / tiles.pixels
    alive = energy > 0
    if np.count_nonzero(alive) < FEWEST_TILES:
        return np.zeros((*changes.shape[:-2], MOVEMENTS)), 0.0
    weights = np.divide(energy[alive].mean(), energy, where=alive, out=np.zeros_like(energy))
    weights = tiles.spread(weights)
    patterns = _patterns(image)
    sizes = np.sqrt((patterns**2).mean(axis=(1, 2)))
    sizes[sizes == 0] = 1  # as of movement down in a line scan
    patterns = patterns / sizes[:, None, None] * (weights > 0)
    flat = changes.reshape(-1, *image.shape)
    normal = _products(patterns * weights, patterns)
    inverse = np.linalg.pinv(normal, rcond=DEPENDENT, hermitian=True)
    coefficients = inverse @ _products(patterns * weights, flat)
    flat -= np.einsum("kn,kyx->nyx", coefficients.astype(np.float32), patterns)
    coefficients, by_noise = (
        coefficients / sizes[:, None],
        energy[alive].mean() * np.diag(inverse) / sizes**2,
    )
    square = (coefficients**2).mean(axis=1) - by_noise
    movements = coefficients[:MOVEMENTS].T.reshape(*changes.shape[:-2], MOVEMENTS)
    return movements, float(square[:2].mean())


def _products(images: Maps, others: Maps) -> NDArray[np.float64]:
    """Return the sum over all pixels of the product of each pair of images."""
    # Not a product of matrices: BLAS threads wait for each other on busy processors.
    rows = np.einsum("kyx,nyx->kny", images, others)
    return np.asarray(rows.sum(axis=-1, dtype=np.float64))


def _patterns(image: Maps) -> Maps:
    """Return the patterns of motion, to second order, of flicker, and of a shifted offset."""
    below, right = _slope(image, 0), _slope(image, 1)
    curvatures = [_slope(below, 0), _slope(below, 1), _slope(right, 1)]
    patterns = np.stack([below, right, *curvatures, image, np.zeros_like(image)])
    patterns -= patterns.mean(axis=(1, 2), keepdims=True)
    patterns[-1] = 1
    return patterns


def _slope(image: Maps, axis: int) -> Maps:
    """Return half the difference of each pixel's two neighbours; 0 at the border."""
    slope = np.zeros_like(image)
    inside, ahead, behind = ([slice(None), slice(None)] for _ in range(3))
    inside[axis], ahead[axis], behind[axis] = slice(1, -1), slice(2, None), slice(None, -2)
    slope[tuple(inside)] = (image[tuple(ahead)] - image[tuple(behind)]) / 2
    return slope
