"""Pixels of a sample, grouped by brightness, and the codes that occur in each group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.intp]

__all__ = ["BrightnessGroups", "CodedSample"]

GROUPS = 40  # at most
FRAMES = 4  # below which the order of pixels by their mean shows noise rather than brightness
VALUES = 1000  # in a group, at least
BLOCK = 1 << 16  # values that are looked at together, so that temporary arrays stay in the cache


@dataclass(frozen=True)
class CodedSample:
    """Values of a movie, their codes, and what a decode table makes of these.

    Parameters
    ----------
    values : numpy.ndarray, shape (frames, pixels)
        ADU.
    codes : numpy.ndarray of int, shape (frames, pixels)
        Codes of the values.
    gain, offset : float
        ADU per photon, and ADU.
    first : int
        The first of the codes that are looked at.
    decoded : numpy.ndarray, shape (codes,)
        Photons of these codes. Values with other codes are taken to be decoded without error.
    """

    values: NDArray[Any]
    codes: NDArray[Any]
    gain: float
    offset: float
    first: int
    decoded: Floats

    def blocks(self, which: slice) -> Iterator[tuple[Floats, Integers, Floats]]:
        """Yield values in photons, places of their codes, and errors, each (frames, pixels).

        The place of a code is counted from `first` on; that of any other code is the first one
        behind the last. An error is the decoded less the given value, in photons.
        """
        last, decoded = self.decoded.size, np.append(self.decoded, 0)
        values, codes = self.values[which], self.codes[which]
        for start in range(0, len(values), length := max(1, BLOCK // max(1, values.shape[1]))):
            photons = values[start : start + length].astype(np.float64)
            photons -= self.offset
            photons /= self.gain
            places = codes[start : start + length].astype(np.int64)
            places -= self.first
            outside = (places < 0) | (places > last)
            places[outside] = last
            errors = decoded[places]
            errors -= photons
            errors[places == last] = 0
            yield photons, places, errors


@dataclass(frozen=True)
class _Tally:
    """What was counted in some frames of a sample.

    Attributes
    ----------
    frames : int
        How many frames they were.
    light, errors : numpy.ndarray, shape (pixels,)
        Sums of each pixel, in photons.
    counts : tuple of numpy.ndarray, shape (groups, codes)
        How often each code occurs, for each way to group the pixels.
    sums : numpy.ndarray, shape (codes,)
        Sum of the values with each code, in photons.
    """

    frames: int
    light: Floats
    errors: Floats
    counts: tuple[Floats, ...]
    sums: Floats

    @classmethod
    def of(cls, sample: CodedSample, which: slice, *, groups: list[Integers]) -> _Tally:
        """Count in some frames; `groups` are the ways to group the pixels."""
        slots, pixels = sample.decoded.size + 1, sample.values.shape[1]
        light, errors, sums = np.zeros(pixels), np.zeros(pixels), np.zeros(slots)
        counts = [np.zeros((int(group.max()) + 1) * slots) for group in groups]
        for photons, places, wrong in sample.blocks(which):
            light += photons.sum(axis=0)
            errors += wrong.sum(axis=0)
            sums += np.bincount(places.reshape(-1), photons.reshape(-1), slots)
            for found, group in zip(counts, groups, strict=True):
                both = (group * slots + places).reshape(-1)
                found += np.bincount(both, minlength=found.size)  # noqa: PLW2901 - in place
        tables = tuple(count.reshape(-1, slots)[:, :-1] for count in counts)
        return cls(len(sample.values[which]), light, errors, tables, sums[:-1])


@dataclass(frozen=True)
class BrightnessGroups:
    """How often each code occurs in each group of pixels, and how wrong the group's mean is.

    Parameters
    ----------
    shares : numpy.ndarray, shape (groups, codes)
        Share of each code in the values of a group.
    means : numpy.ndarray, shape (groups,)
        Mean of the values of a group, in photons.
    biases : numpy.ndarray, shape (groups,)
        Mean of decoded less given values, in photons.
    errors : numpy.ndarray, shape (groups,)
        Standard error of the biases, from the scatter of the pixels of a group.
    counts : numpy.ndarray, shape (codes,)
        Number of values with each code.
    sums : numpy.ndarray, shape (codes,)
        Sum of the values with each code, in photons.
    """

    shares: Floats
    means: Floats
    biases: Floats
    errors: Floats
    counts: Floats
    sums: Floats

    @classmethod
    def of(cls, sample: CodedSample) -> BrightnessGroups:
        """Group the pixels of a sample, in two ways.

        First by their mean over all frames, as a stored movie is compared with the inserted one;
        all pixels are one group if there are fewer than 4 frames. Second in halves, the even
        frames by the mean of the odd ones and conversely, so that the noise of the values that
        are counted does not decide to which group a pixel belongs.
        """
        values, even, odd = sample.values, np.s_[::2], np.s_[1::2]
        together = _groups(values, np.s_[:])
        if len(values) == 1:
            return cls._of(_Tally.of(sample, np.s_[:], groups=[together]), together)
        by_even, by_odd = _groups(values, even), _groups(values, odd)
        ranked_by_even = _Tally.of(sample, odd, groups=[together, by_even])
        ranked_by_odd = _Tally.of(sample, even, groups=[together, by_odd])
        both = _Tally(
            len(values),
            ranked_by_even.light + ranked_by_odd.light,
            ranked_by_even.errors + ranked_by_odd.errors,
            (ranked_by_even.counts[0] + ranked_by_odd.counts[0],),
            ranked_by_even.sums + ranked_by_odd.sums,
        )
        all_frames = cls._of(both, together)
        parts = [all_frames, cls._of(ranked_by_even, by_even), cls._of(ranked_by_odd, by_odd)]
        per_group = ("shares", "means", "biases", "errors")
        joined = {n: np.concatenate([getattr(part, n) for part in parts]) for n in per_group}
        return cls(**joined, counts=all_frames.counts, sums=all_frames.sums)

    @classmethod
    def _of(cls, tally: _Tally, group: Integers) -> BrightnessGroups:
        """Return what was counted in groups of pixels: the last way of the tally."""
        pixels, frames, table = np.bincount(group), tally.frames, tally.counts[-1]
        biases, uncertain = _means_and_errors(tally.errors / frames, group, pixels)
        means = np.bincount(group, tally.light / frames) / pixels
        shares = table / (frames * pixels[:, None])
        return cls(shares, means, biases, uncertain, table.sum(axis=0), tally.sums)


def _groups(values: NDArray[Any], which: slice) -> Integers:
    """Return the group of each pixel: as many pixels in each, in the order of their mean."""
    mean = values[which].mean(axis=0, dtype=np.float64)
    number = max(1, min(GROUPS, values.size // VALUES, mean.size))
    if len(values) < FRAMES and which == np.s_[:]:
        number = 1
    group = np.empty(mean.size, np.intp)
    group[_order(mean)] = np.arange(mean.size) * number // mean.size
    return group


def _order(means: Floats) -> Integers:
    """Return the places of means in rising order, as far as float32 tells them apart.

    NumPy sorts numbers of 16 bits ten times as fast as others: here the lower halves of the bits
    of numbers that are not negative, which rise with the numbers, and then the upper halves.
    """
    above = means - means.min()
    bits = (above / (above.max() or 1)).astype(np.float32).view(np.uint32)
    by_lower = np.argsort(bits.astype(np.uint16), kind="stable")
    return by_lower[np.argsort((bits >> 16).astype(np.uint16)[by_lower], kind="stable")]


def _means_and_errors(errors: Floats, group: Integers, pixels: Integers) -> tuple[Floats, Floats]:
    """Return the mean of the pixels of each group, and its standard error."""
    mean = np.bincount(group, errors) / pixels
    variance = np.maximum(np.bincount(group, errors**2) / pixels - mean**2, 0)
    return mean, np.sqrt(variance / pixels)
