"""Bins isolate spikes and gaps, are as wide as noise allows, and hold all numbers."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.static.bins import bins_of_numbers, find_bins, numbers_of_bins
from dj_photon_codecs.layouts.static.noise import Noise


def noise(deviation, *, top=1000):
    mean, variance = np.array([0.0, top]), np.full(2, float(deviation) ** 2)
    return Noise(mean, variance, mean / deviation)


def entropy(counts):
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def bits(low, numbers):
    """Return the entropy of the bins of numbers, and their low bits."""
    entries = bins_of_numbers(low)[numbers]
    return entropy(np.bincount(entries & 0xFFFF)) + float((entries >> 16).mean())


def test_narrow_noise_has_no_bins():
    counts = np.bincount(np.random.default_rng(0).poisson(9, 10_000))
    assert find_bins(counts, noise(3), price=20).size == 0


@pytest.mark.parametrize(("deviation", "low"), [(16, 1), (40, 2), (70, 3), (1000, 6)])
def test_bins_are_at_most_an_eighth_of_the_noise_wide(deviation, low):
    counts = np.full(1024, 1000)
    found = find_bins(counts, noise(deviation), price=20)
    assert found.tolist() == [low] * (1024 >> low)


def test_a_spike_and_the_gaps_of_a_comb_have_bins_of_their_own():
    rng = np.random.default_rng(0)
    clipped = np.clip(np.rint(rng.normal(0, 100, 100_000)), 0, None).astype(int)
    low = find_bins(np.bincount(clipped), noise(100), price=20)
    assert low[0] == 0
    assert low.max() == 3
    assert bits(low, clipped) < entropy(np.bincount(clipped)) + 0.01
    comb = rng.poisson(40, 100_000) * 8
    low = find_bins(np.bincount(comb), noise(100), price=20)
    assert bits(low, comb) < entropy(np.bincount(comb)) + 0.05


def test_each_number_is_in_its_bin():
    low = find_bins(np.random.default_rng(0).integers(0, 9, 3001) ** 3, noise(400), price=2)
    of, first = bins_of_numbers(low), numbers_of_bins(low)
    numbers = np.arange(3001)
    bins = of[numbers] & 0xFFFF
    start, width = first[bins] & 0xFFFF, 1 << (of[numbers] >> 16)
    assert ((start <= numbers) & (numbers < start + width)).all()
    assert (start % width == 0).all()  # so that the low bits are those of the number
    assert np.array_equal(first >> 16, low)


def test_wider_bins_and_dearer_ones_are_fewer():
    counts = np.bincount(np.random.default_rng(0).integers(0, 2000, 100_000) // 3 * 3)
    sizes = [find_bins(counts, noise(64), price=20, coarser=coarser).size for coarser in (0, 1, 2)]
    assert sizes == sorted(sizes, reverse=True)
    assert find_bins(counts, noise(64), price=1e9).size == -(-counts.size // 8)
