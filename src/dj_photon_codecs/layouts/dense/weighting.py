"""The weights of what is known of a pixel, for the prediction that fits the next frame best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.dense.brightness import FEATURES, SCALES, UNIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Weighting"]

SAMPLE = 1 << 15  # pixels
BINS = 32  # of equal population, in which noise is measured against brightness
EAGER, EVERY = 8, 4  # all of the first frames are fitted, and one in so many later
RIDGE = 1e-5  # of the mean square of the features, so that weights of like ones stay small
LEAST_VARIANCE = 0.02
LARGEST = 64 * UNIT


class Weighting:
    """Fits weights to a sample of the pixels, each as certain as it is free of noise.

    Parameters
    ----------
    codes : ndarray of unsigned integers, shape (frames, height, width)
        Codes of a chunk.
    """

    def __init__(self, codes: NDArray[Any]) -> None:
        pixels = codes[0].size
        step = max(1, pixels // SAMPLE)
        self._some = np.arange(step // 2, pixels, step + (step > 1 and step % 2 == 0))
        sample = codes.reshape(len(codes), -1)[:, self._some]
        self._brightness, self._variance = _noise_profile(sample)
        self._last = np.zeros(FEATURES, np.int32)
        self._last[0] = UNIT

    def fit(
        self, features: Sequence[NDArray[np.float32]], frame: NDArray[Any], *, number: int
    ) -> NDArray[np.int32]:
        """Return the weights for a frame: fitted to it, or those of the one before.

        Parameters
        ----------
        features : sequence of ndarrays, shape (height, width)
            What is known before the frame.
        frame : ndarray of unsigned integers, shape (height, width)
            Its codes.
        number : int
            The number of the frame.
        """
        if 0 < number <= EAGER or (number and number % EVERY == 0):
            known = [
                each.ravel()[self._some].astype(np.float64) / scale
                for each, scale in zip(features, SCALES, strict=False)
            ]
            known.append(np.ones(self._some.size))
            values = frame.ravel()[self._some] + 1.0
            certain = 1 / np.interp(known[2], self._brightness, self._variance)
            weights = _least_squares(np.stack(known), values, certain)
            self._last = np.rint(np.clip(weights * UNIT, -LARGEST, LARGEST)).astype(np.int32)
        return self._last


def _noise_profile(sample: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The variance of codes in time, at some brightnesses."""
    brightness = sample.mean(axis=0) + 1
    change = np.diff(sample.astype(np.float32), axis=0)
    variance = (change * change).sum(axis=0, dtype=np.float64) / (2 * max(len(change), 1))
    order = np.argsort(brightness, kind="stable")
    parts = np.array_split(order, min(BINS, order.size))
    means = np.array([brightness[part].mean() for part in parts])
    noise = np.array([variance[part].mean() for part in parts])
    return means, np.maximum(noise, LEAST_VARIANCE)


def _least_squares(
    known: NDArray[np.float64], values: NDArray[np.float64], certain: NDArray[np.float64]
) -> NDArray[np.float64]:
    weighted = known * certain
    products = weighted @ known.T
    products += np.eye(len(known)) * RIDGE * np.trace(products) / len(known)
    return np.asarray(np.linalg.solve(products, weighted @ values), np.float64)
