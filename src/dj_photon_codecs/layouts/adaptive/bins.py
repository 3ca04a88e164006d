"""Bins of numbers: runs of numbers of one symbol, which low bits tell apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST_BITS", "choose_bins", "decoding_bins", "encoding_bins"]

MOST_BITS = 12  # low bits of a number; part of the stored format
# These were found by ablation on real and simulated movies.
SHARE = 0.5  # of the noise that a bin may be wide
COUNTED, COMPARED = 1 << 18, 1 << 14  # pixels in which numbers are counted, and noise is measured
FEW, NUMBER_BITS, BIN_BITS = 8, 3.6, 6  # counts that show nothing; what chance and a bin cost
UNEVEN = 4e-4  # bits for each pixel, above which a bin of unequal numbers is divided
REACHED = 6  # standard deviations of the noise that shall be within
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
    flat = numbers.reshape(-1)
    counts = np.bincount(flat[:: flat.size // COUNTED | 1], minlength=values.size)
    spacing = np.maximum(np.gradient(values), 1) if values.size > 1 else np.ones(1)
    wide = _bits(_robust_noise(numbers, values) * SHARE / spacing)
    bits = _divide(wide, counts, np.zeros_like(wide))
    of_number = np.repeat(np.arange(bits.size), 1 << bits.astype(int))
    reach = REACHED * noise
    low, high = (np.searchsorted(values, values + side * reach) for side in (-1, 1))
    crowded = of_number[np.minimum(high, values.size - 1)] - of_number[low] > WINDOW
    if not crowded.any():
        return bits
    return _divide(wide, counts, _bits(2 * reach / WINDOW / spacing) * crowded)


def encoding_bins(bits: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return for each number its bin and, << 16, the bits that tell it from others of the bin."""
    bins = np.arange(bits.size, dtype=np.uint32) | bits.astype(np.uint32) << np.uint32(16)
    return np.repeat(bins, 1 << bits.astype(int))


def decoding_bins(bits: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return for each bin its first number and, << 16, its low bits."""
    sizes = 1 << bits.astype(np.uint32)
    return (np.cumsum(sizes) - sizes).astype(np.uint32) | bits.astype(np.uint32) << np.uint32(16)


def _bits(widths: NDArray[Any]) -> NDArray[np.int64]:
    return np.clip(np.log2(np.maximum(widths, 1)), 0, MOST_BITS).astype(np.int64)


def _divide(
    wide: NDArray[np.int64], counts: NDArray[np.int64], least: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Return the low bits of bins, the largest that are allowed, from `least` to `wide` bits."""
    logs, total = counts * np.log2(np.maximum(counts, 1)), counts.sum()
    of_number = np.full(wide.size, -1)
    for bits in range(MOST_BITS, 0, -1):
        size = 1 << bits
        blocks = wide.size >> bits
        part = slice(0, blocks << bits)
        free = of_number[part].reshape(blocks, size)[:, 0] < 0
        count = counts[part].reshape(blocks, size).sum(axis=1)
        even = count * np.log2(np.maximum(count, 1)) - logs[part].reshape(blocks, size).sum(axis=1)
        uneven = count * bits - even
        chance = max(NUMBER_BITS * (size - 1) + BIN_BITS, UNEVEN * total)
        allowed = (wide[part].reshape(blocks, size).min(axis=1) >= bits) & free
        allowed &= (
            (count < FEW)
            | (uneven <= chance)
            | (least[part].reshape(blocks, size).min(axis=1) >= bits)
        )
        of_number[part].reshape(blocks, size)[allowed] = bits
    of_number = np.maximum(of_number, 0)
    starts = np.flatnonzero(np.arange(wide.size) % (1 << of_number) == 0)
    return of_number[starts].astype(np.uint8)


def _robust_noise(numbers: NDArray[np.uint16], values: NDArray[np.float32]) -> NDArray[Any]:
    """Return about how far numbers are from what is expected, at each value.

    It is the least of what differences in time, along rows, and of both tell.
    """
    frames, height, width = numbers.shape
    last = np.unique(np.linspace(min(1, frames - 1), frames - 1, 12).astype(int))
    rows = slice(None, None, max(1, last.size * height * width // COMPARED))
    now, before = values[numbers[last][:, rows]], values[numbers[np.maximum(last - 1, 0)][:, rows]]
    across = (now[..., 1:] - now[..., :-1]) / np.sqrt(2)
    along = now[..., 1:] - before[..., 1:]
    both = (along - now[..., :-1] + before[..., :-1]) / 2
    found = [across] if frames == 1 else [along / np.sqrt(2), across, both]
    at = now[..., 1:].ravel()
    order = np.argsort(at, kind="stable")
    groups = np.array_split(order, max(1, min(64, at.size // 200)))
    logs = [np.log(np.abs(each.ravel()) + 0.3) for each in found]
    noise = [np.exp(min(log[group].mean() for log in logs)) for group in groups]
    return np.interp(values, [at[group].mean() for group in groups], noise)
