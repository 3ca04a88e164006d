"""Linear regression with instrumental variables, for maps of pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.calibration.tiles import Tiles

__all__ = ["instrumental_regression"]

Floats = NDArray[np.float64]


def instrumental_regression(
    response: NDArray[Any],
    regressors: list[NDArray[Any]],
    instruments: list[NDArray[Any]],
    *,
    weights: Floats,
) -> tuple[Floats, Floats] | None:
    """Find how a response depends on regressors whose errors correlate with its own.

    All of shape (2, height, width). Instruments correlate with the regressors, but not with the
    errors; a weight of 0 leaves a response out. Returns coefficients and their sandwich covariance,
    or None if they are not determined.
    """
    normal = np.array([[(weights * z * x).sum() for x in regressors] for z in instruments])
    try:
        inverse = np.linalg.inv(normal)
    except np.linalg.LinAlgError:  # as where all pixels are equally bright
        return None
    found = inverse @ np.array([(weights * z * response).sum() for z in instruments])
    residual = response - sum(f * x for f, x in zip(found, regressors, strict=True))
    scores = np.stack([weights * residual * z for z in instruments])
    return found, inverse @ _score_covariance(scores) @ inverse.T


def _score_covariance(scores: Floats) -> Floats:
    """Add up squares of scores, of pixels or of tiles, whichever is more.

    Neighbours' noise may be correlated, and then tiles are independent while pixels are not; but
    a few tiles tell little.
    """
    by_pixel = scores.reshape(len(scores), -1)
    tiles = Tiles(*scores.shape[-2:])
    by_tile = tiles.sum(scores.sum(axis=1)).reshape(len(scores), -1).astype(np.float64)
    alone, together = by_pixel @ by_pixel.T, by_tile @ by_tile.T
    return alone if alone[1, 1] > together[1, 1] else together
