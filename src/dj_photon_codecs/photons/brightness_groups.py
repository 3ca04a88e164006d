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

    def frames(self, which: slice) -> Iterator[tuple[Floats, Integers, Floats]]:
        """Yield values in photons, places of their codes, and errors, for one frame at a time.

        The place of a code is counted from `first` on; that of any other code is the first one
        behind the last. An error is the decoded less the given value, in photons.
        """
        last = self.decoded.size
        for values, codes in zip(self.values[which], self.codes[which], strict=True):
            photons = (values.astype(np.float64) - self.offset) / self.gain
            places = codes.astype(np.int64) - self.first
            places[(places < 0) | (places > last)] = last
            yield photons, places, np.append(self.decoded, 0)[places] - photons * (places < last)


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
        everything, even, odd = np.s_[:], np.s_[::2], np.s_[1::2]
        parts = [cls._part(sample, ranked=everything, counted=everything)]
        if len(sample.values) > 1:
            parts.append(cls._part(sample, ranked=even, counted=odd))
            parts.append(cls._part(sample, ranked=odd, counted=even))
        per_group = ("shares", "means", "biases", "errors")
        joined = {n: np.concatenate([getattr(part, n) for part in parts]) for n in per_group}
        return cls(**joined, counts=parts[0].counts, sums=parts[0].sums)

    @classmethod
    def _part(cls, sample: CodedSample, *, ranked: slice, counted: slice) -> BrightnessGroups:
        """Group pixels by their mean in some frames, and count the codes of others."""
        group = _groups(sample.values, ranked)
        pixels, slots = np.bincount(group), sample.decoded.size + 1
        counts, sums = np.zeros(pixels.size * slots), np.zeros(slots)
        light, errors = np.zeros(group.size), np.zeros(group.size)
        for photons, places, error in sample.frames(counted):
            counts += np.bincount(group * slots + places, minlength=counts.size)
            sums += np.bincount(places, photons, slots)
            light += photons
            errors += error
        frames = len(sample.values[counted])
        table = counts.reshape(-1, slots)[:, :-1]
        biases, uncertain = _means_and_errors(errors / frames, group, pixels)
        means = np.bincount(group, light / frames) / pixels
        shares = table / (frames * pixels[:, None])
        return cls(shares, means, biases, uncertain, table.sum(axis=0), sums[:-1])


def _groups(values: NDArray[Any], which: slice) -> Integers:
    """Return the group of each pixel: as many pixels in each, in the order of their mean."""
    mean = values[which].mean(axis=0, dtype=np.float64)
    number = max(1, min(GROUPS, values.size // VALUES, mean.size))
    if len(values) < FRAMES and which == np.s_[:]:
        number = 1
    group = np.empty(mean.size, np.intp)
    group[np.argsort(mean, kind="stable")] = np.arange(mean.size) * number // mean.size
    return group


def _means_and_errors(errors: Floats, group: Integers, pixels: Integers) -> tuple[Floats, Floats]:
    """Return the mean of the pixels of each group, and its standard error."""
    mean = np.bincount(group, errors) / pixels
    variance = np.maximum(np.bincount(group, errors**2) / pixels - mean**2, 0)
    return mean, np.sqrt(variance / pixels)
