"""How the noise of a chunk grows with brightness, measured from one frame to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["KNOTS", "Noise"]

# These are measured by benchmarks/constants.py.
KNOTS = 24  # brightnesses at which the variance is known


class Noise(NamedTuple):
    """The variance of numbers at increasing brightnesses.

    Attributes
    ----------
    mean, variance : ndarray of float64, shape (knots,)
        In between, the variance is on straight lines; above, it grows with the mean.
    depth : ndarray of float64, shape (knots,)
        Standard deviations of the noise from the first knot to each.
    """

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    depth: NDArray[np.float64]

    def variance_at(self, mean: NDArray[Any]) -> NDArray[np.float64]:
        """Return the variance at given means."""
        above = np.maximum(mean / max(self.mean[-1], 1e-9), 1)
        found: NDArray[np.float64] = np.interp(mean, self.mean, self.variance) * above
        return found

    def depth_at(self, mean: NDArray[Any]) -> NDArray[np.float64]:
        """Return how many standard deviations given means are above the first knot; 0 below it."""
        last, spread = max(self.mean[-1], 1e-9), np.sqrt(self.variance[-1])
        above = 2 * (np.sqrt(np.maximum(mean / last, 1)) - 1) * last / spread
        found: NDArray[np.float64] = np.interp(mean, self.mean, self.depth) + above
        return found

    def mean_at(self, depth: NDArray[Any]) -> NDArray[np.float64]:
        """Return the means that are so many standard deviations above the first knot."""
        last, spread = max(self.mean[-1], 1e-9), np.sqrt(self.variance[-1])
        above = 1 + np.maximum(depth - self.depth[-1], 0) * spread / (2 * last)
        found: NDArray[np.float64] = np.interp(depth, self.depth, self.mean) * above * above
        return found
