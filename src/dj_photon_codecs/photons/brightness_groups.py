"""Pixels of a sample, grouped by brightness, and the codes that occur in each group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BrightnessGroups", "CodedSample"]

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
Ways = list[tuple[slice, Integers]]

# benchmarks/constants_fit.py tries other values of these.
GROUPS = 40  # at most
FRAMES = 4  # below which the order of pixels by their mean shows noise rather than brightness
VALUES = 1000  # in a group, at least
BLOCK = 1 << 16  # values, which stay in the cache (benchmarks/constants_reading.py)


@dataclass(frozen=True)
class CodedSample:
    """Values of a movie, their codes, and what a decode table makes of these.

    Values with other codes than those from `first` on are taken to be decoded without error.
    """

    values: NDArray[Any]  # ADU, shape (frames, pixels)
    codes: NDArray[Any]  # of the values
    gain: float  # ADU per photon
    offset: float  # ADU
    first: int
    decoded: Floats  # photons of the codes from `first` on

    def sums(self, which: slice) -> tuple[Floats, Floats]:
        """Return sums of each pixel over frames, in ADU: of its values, and of decoded less given.

        Rounded as little as can be: of whole numbers the first is exact.
        """
        light, wrong = np.zeros((2, self.values.shape[1]))
        decoded = np.append(self.offset + self.gain * self.decoded, 0)
        for values, places in self._blocks(which):
            light += values.sum(axis=0, dtype=np.float64)
            wrong += decoded[places].sum(axis=0)
            wrong -= np.where(places < self.decoded.size, values, 0).sum(axis=0, dtype=np.float64)
        return light, wrong

    def count(self, which: slice, group: Integers) -> Floats:
        """Return how often each code occurs in groups of pixels, shape (groups, codes)."""
        slots = self.decoded.size + 1
        counts = np.zeros((int(group.max()) + 1) * slots)
        for _, places in self._blocks(which):
            counts += np.bincount((group * slots + places).reshape(-1), minlength=counts.size)
        return counts.reshape(-1, slots)[:, :-1]

    def means(self) -> Floats:
        """Return the mean of the values with each code, in photons; NaN for codes without any."""
        sums, counts = np.zeros((2, self.decoded.size + 1))
        for values, places in self._blocks(np.s_[:]):
            sums += np.bincount(places.reshape(-1), values.reshape(-1), sums.size)
            counts += np.bincount(places.reshape(-1), minlength=sums.size)
        with np.errstate(invalid="ignore"):
            return np.asarray((sums / counts - self.offset) / self.gain)[:-1]

    def _blocks(self, which: slice) -> Iterator[tuple[NDArray[Any], Integers]]:
        """Yield values and the places of their codes from `first` on, each (frames, pixels).

        The place of a code that is not looked at is the one behind the last.
        """
        last, values, codes = self.decoded.size, self.values[which], self.codes[which]
        for start in range(0, len(values), length := max(1, BLOCK // max(1, values.shape[1]))):
            places = codes[start : start + length].astype(np.intp)
            places -= self.first
            np.minimum(places.view(np.uintp), last, out=places.view(np.uintp))
            yield values[start : start + length], places


@dataclass(frozen=True)
class BrightnessGroups:
    """Groups of pixels of like brightness, and how wrong the mean of each group is, in photons."""

    ways: Ways  # to group: frames that are looked at, and the group of each pixel
    means: Floats  # of the values; all groups of the first way come first
    biases: Floats  # mean of decoded less given values
    errors: Floats  # standard errors of the biases, from the scatter of the pixels of a group

    @classmethod
    def of(cls, sample: CodedSample) -> BrightnessGroups:
        """Group the pixels of a sample, in two ways.

        First by their mean over all frames, as a stored movie is compared with the inserted one;
        all pixels are one group if there are fewer than 4 frames. Second in halves, the even
        frames by the mean of the odd ones and conversely, so that the noise of the values that
        are counted does not decide to which group a pixel belongs.
        """
        frames, halves = len(sample.values), (slice(0, None, 2), slice(1, None, 2))
        even, odd = (np.stack(sample.sums(half)) for half in halves)
        number = max(1, min(GROUPS, sample.values.size // VALUES, even.shape[1]))
        by_all = _groups(even[0] + odd[0], number if frames >= FRAMES else 1)
        parts: list[tuple[slice, Floats, Integers]] = [(slice(None), even + odd, by_all)]
        if frames > 1:
            parts += [(halves[1], odd, _groups(even[0], number))]
            parts += [(halves[0], even, _groups(odd[0], number))]
        scaled = [
            _judged(sums / sample.gain / len(sample.values[which]), group)
            for which, sums, group in parts
        ]
        means, biases, errors = map(np.concatenate, zip(*scaled, strict=True))
        zero = sample.offset / sample.gain
        return cls([(which, group) for which, _, group in parts], means - zero, biases, errors)

    def shares(self, sample: CodedSample) -> Floats:
        """Return the share of each code in the values of a group, shape (groups, codes)."""
        parts = [
            sample.count(which, group)
            / (len(sample.values[which]) * np.bincount(group)[:, np.newaxis])
            for which, group in self.ways
        ]
        return np.concatenate(parts)


def _groups(light: Floats, number: int) -> Integers:
    """Return the group of each pixel: as many pixels in each, in the order of their light."""
    group = np.empty(light.size, np.intp)
    group[_order(light)] = np.arange(light.size) * number // light.size
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


def _judged(means: Floats, group: Integers) -> tuple[Floats, Floats, Floats]:
    """Return the mean of each group, its bias, and the standard error of that, of their pixels'."""
    pixels = np.bincount(group)
    light, bias = (np.bincount(group, mean) / pixels for mean in means)
    variance = np.maximum(np.bincount(group, means[1] ** 2) / pixels - bias**2, 0)
    return light, bias, np.sqrt(variance / pixels)
