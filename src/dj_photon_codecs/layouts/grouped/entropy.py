"""The entropy of the noise: about how many bits a code takes when its pixels are grouped."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["noise_entropy"]

# None of these matters (benchmarks/constants.py).
CLASSES = 16  # of brightness, with as many pixels each
HISTOGRAM_BITS = 10
SYMBOLS = 1 << HISTOGRAM_BITS
COMMON = 0.98  # quantile of the size of the noise; the histogram reaches at least twice as far
SAMPLED = 7  # every seventh code, from which the quantile is taken


def noise_entropy(frames: NDArray[Any]) -> float:
    """Return the entropy of codes relative to the mean of their pixel, given their brightness.

    Grouped codes whose noise is independent from frame to frame take a few per cent more; others
    can take less. Rare codes far from the mean of their pixel, as those of hot pixels, are counted
    as nearer to it.

    Parameters
    ----------
    frames : ndarray of integers, shape (frames, ...)
        Codes; at least one.

    Returns
    -------
    float
        Bits per code: Shannon's entropy [1]_, from the frequencies of codes, with Miller's
        correction of its bias [2]_.

    References
    ----------
    .. [1] Shannon CE (1948). A mathematical theory of communication. Bell System Technical
       Journal 27, 379-423. https://doi.org/10.1002/j.1538-7305.1948.tb01338.x
    .. [2] Paninski L (2003). Estimation of entropy and mutual information. Neural Computation 15,
       1191-1253. https://doi.org/10.1162/089976603321780272

    Examples
    --------
    >>> rates = np.repeat([3.0, 50.0], 500)
    >>> counts = np.random.default_rng(0).poisson(rates, (100, 1000)).astype("u1")
    >>> of_normal_noise = np.log2(2 * np.pi * np.e * rates) / 2
    >>> f"{noise_entropy(counts):.1f} bits, {of_normal_noise.mean():.1f} if it were normal"
    '3.8 bits, 3.9 if it were normal'
    """
    pixels = frames.reshape(len(frames), -1)
    mean = pixels.mean(axis=0)
    symbols, coarse = _symbols(pixels, mean)
    edges = np.sort(mean)[np.arange(1, CLASSES) * mean.size // CLASSES]
    symbols += np.searchsorted(edges, mean) * SYMBOLS
    counts = np.bincount(symbols.ravel(), minlength=CLASSES * SYMBOLS).reshape(CLASSES, SYMBOLS)
    of_counts = _sum_x_log2_x(counts.sum(axis=1)) - _sum_x_log2_x(counts)
    unseen = (np.count_nonzero(counts) - CLASSES) / 2 / np.log(2)
    return (of_counts + max(unseen, 0.0)) / symbols.size + coarse


def _symbols(pixels: NDArray[Any], mean: NDArray[Any]) -> tuple[NDArray[np.intp], int]:
    """Return the noise as numbers below `SYMBOLS`, and how many low bits were left out."""
    with np.errstate(invalid="ignore"):  # codes of nearly 64 bits may get any base
        base = np.rint(mean).astype(pixels.dtype)
    noise = (pixels - base).view(f"i{pixels.itemsize}")
    # a quantile, so that a few hot pixels do not make all of the noise coarse
    common = np.quantile(np.abs(noise.reshape(-1)[::SAMPLED].astype(np.float64)), COMMON)
    coarse = max(0, math.frexp(common)[1] + 2 - HISTOGRAM_BITS)
    symbols = (noise >> coarse).astype(np.intp) + SYMBOLS // 2
    return np.clip(symbols, 0, SYMBOLS - 1, out=symbols), coarse


def _sum_x_log2_x(counts: NDArray[np.intp]) -> float:
    used = counts[counts > 0]
    return float((used * np.log2(used)).sum())
