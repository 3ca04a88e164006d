"""Bins of numbers: consecutive ones that share a symbol, since which of them it was is noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.adaptive.prediction import values_of
from dj_photon_codecs.layouts.static.bins import RESOLUTION, find_bins
from dj_photon_codecs.layouts.static.noise import Noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["choose_bins"]

# These were found by ablation on real and simulated movies.
SHARE = 0.5  # of the noise that a bin may be wide
COUNTED, COMPARED = 1 << 17, 1 << 13  # pixels in which numbers are counted, and noise is measured
PRICES = 20.0, 500.0  # bits of a further bin; the second, where a window would not hold the noise
REACHED = 6  # standard deviations of the noise that shall be within
FLOOR = 0.3  # numbers, of which no noise is less, as logarithms are taken of it
WINDOW = 180  # bins, with which a level does without escapes


def choose_bins(
    numbers: NDArray[np.uint16], values: NDArray[np.float32], noise: NDArray[Any]
) -> NDArray[np.uint8]:
    """Choose bins half as wide as the noise, whose numbers occur about equally often.

    So a spike where a detector clips has a bin of its own.

    Parameters
    ----------
    numbers : ndarray of uint16, shape (frames, height, width)
        Numbers.
    values : ndarray of float32, shape (highest number + 1,)
        The value of each number, which rises.
    noise : ndarray, shape (highest number + 1,)
        The standard deviation of the noise at each value.

    Returns
    -------
    ndarray of uint8, shape (bins,)
        The low bits of each bin: it has 2**bits consecutive numbers, the first of which divides
        by 2**bits.
    """
    spacing = np.maximum(np.gradient(values), 1) if values.size > 1 else np.ones(1)
    if ((noise + FLOOR) * SHARE < 2 * spacing).all():
        return np.zeros(values.size, np.uint8)
    flat = numbers.reshape(-1)
    counts = np.bincount(flat[:: flat.size // COUNTED | 1], minlength=values.size)
    spread = np.square(_robust_noise(numbers, values) * SHARE * RESOLUTION / spacing)
    widest = Noise(np.arange(values.size, dtype=float), spread, spread)
    low, high = (np.searchsorted(values, values + side * noise) for side in (-REACHED, REACHED))
    high = np.minimum(high, values.size - 1)
    for price in PRICES:
        bits = find_bins(counts, widest, price=price)
        if not bits.size:
            return np.zeros(values.size, np.uint8)
        bin_of = np.repeat(np.arange(bits.size), np.left_shift(1, bits, dtype=np.int64))
        if (bin_of[high] - bin_of[low] <= WINDOW).all():
            break
    return bits


def _robust_noise(numbers: NDArray[np.uint16], values: NDArray[np.float32]) -> NDArray[Any]:
    """Return about how far numbers are from what is expected, at each value.

    It is the least of what differences in time, along rows, and of both tell.
    """
    frames, height, width = numbers.shape
    last = np.unique(np.linspace(min(1, frames - 1), frames - 1, 12).astype(int))
    rows = numbers[:, :: last.size * height * width // COMPARED | 1]  # odd, as rows may alternate
    now, before = (values_of(rows[at], values) for at in (last, np.maximum(last - 1, 0)))
    across = (now[..., 1:] - now[..., :-1]) / np.sqrt(2)
    along = now[..., 1:] - before[..., 1:]
    both = (along - now[..., :-1] + before[..., :-1]) / 2
    found = [across] if frames == 1 else [along / np.sqrt(2), across, both]
    at = now[..., 1:].ravel()
    order = np.argsort(rows[last][..., 1:].ravel(), kind="stable")  # fast, of whole numbers
    starts = np.linspace(0, at.size, max(1, min(64, at.size // 200)), endpoint=False).astype(int)
    sizes = np.diff(starts, append=at.size)
    logs = (np.log(np.abs(each.ravel()[order]) + FLOOR) for each in found)
    noise = np.min([np.add.reduceat(log, starts) / sizes for log in logs], axis=0)
    return np.interp(values, np.add.reduceat(at[order], starts) / sizes, np.exp(noise))
