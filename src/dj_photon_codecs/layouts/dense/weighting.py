"""The weights of the features with which the next frame is predicted best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.dense.brightness import FEATURES, SCALES, UNIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Weighting"]

LARGEST = 64 * UNIT  # of a weight
# These are measured by benchmarks/constants.py.
SAMPLE = 1 << 15  # pixels to which weights are fitted
BINS = 32  # of brightness, with as many pixels each, in which the noise is measured
EAGER, EVERY = 8, 4  # the first 8 frames have weights of their own, then every fourth
RIDGE = 1e-5  # times the mean square of the features; keeps the weights of similar ones small
LEAST_VARIANCE = 0.02  # codes**2


class Weighting:
    """Fits weights to a sample of the pixels by least squares, in units of their noise.

    Parameters
    ----------
    codes : ndarray of unsigned integers, shape (frames, height, width)
        Codes of a chunk.
    """

    def __init__(self, codes: NDArray[Any]) -> None:
        pixels = codes[0].size
        step = max(1, pixels // SAMPLE)
        self._sample = np.arange(step // 2, pixels, step + (step > 1 and step % 2 == 0))
        sample = codes.reshape(len(codes), -1)[:, self._sample]
        self._brightness, self._variance = _noise_profile(sample)
        self._weights = np.zeros(FEATURES, np.int32)
        self._weights[0] = UNIT

    def fit(
        self, features: Sequence[NDArray[np.float32]], frame: NDArray[Any], *, number: int
    ) -> NDArray[np.int32]:
        """Return the weights for a frame: fitted to it, or those of the frame before.

        Parameters
        ----------
        features : sequence of ndarrays, shape (height, width)
            `Brightness.features` before the frame.
        frame : ndarray of unsigned integers, shape (height, width)
            Its codes.
        number : int
            The number of the frame.
        """
        if 0 < number <= EAGER or (number and number % EVERY == 0):
            sampled = [
                image.ravel()[self._sample].astype(np.float64) / scale
                for image, scale in zip(features, SCALES, strict=False)
            ]
            sampled.append(np.ones(self._sample.size))
            values = frame.ravel()[self._sample] + 1.0
            precision = 1 / np.interp(sampled[2], self._brightness, self._variance)
            weights = _least_squares(np.stack(sampled), values, precision)
            self._weights = np.rint(np.clip(weights * UNIT, -LARGEST, LARGEST)).astype(np.int32)
        return self._weights


def _noise_profile(sample: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean brightness of each bin, and the variance of its codes in time."""
    brightness = sample.mean(axis=0) + 1
    change = np.diff(sample.astype(np.float32), axis=0)
    variance = (change * change).sum(axis=0, dtype=np.float64) / (2 * max(len(change), 1))
    order = np.argsort(brightness, kind="stable")
    parts = np.array_split(order, min(BINS, order.size))
    means = np.array([brightness[part].mean() for part in parts])
    noise = np.array([variance[part].mean() for part in parts])
    return means, np.maximum(noise, LEAST_VARIANCE)


def _least_squares(
    features: NDArray[np.float64], values: NDArray[np.float64], precision: NDArray[np.float64]
) -> NDArray[np.float64]:
    weighted = features * precision
    products = weighted @ features.T
    products += np.eye(len(features)) * RIDGE * np.trace(products) / len(features)
    return np.asarray(np.linalg.solve(products, weighted @ values), np.float64)
