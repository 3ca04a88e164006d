"""Bins are as wide as the noise allows, and narrow where numbers are not equally likely."""

import numpy as np

from dj_photon_codecs.layouts.adaptive.bins import choose_bins
from dj_photon_codecs.layouts.static.bins import bins_of_numbers, numbers_of_bins


def chosen(numbers, noise, values=None):
    count = int(numbers.max()) + 1
    values = np.arange(count, dtype=np.float32) if values is None else values
    return choose_bins(numbers.astype(np.uint16), values, np.full(count, float(noise)))


def normal(sigma, center=3000, shape=(20, 40, 50)):
    return np.rint(np.random.default_rng(0).normal(center, sigma, shape)).clip(0)


def test_bins_follow_each_other_and_begin_at_their_multiples():
    bits = chosen(normal(100), 100)
    starts = numbers_of_bins(bits) & 0xFFFF
    assert (starts % (1 << bits) == 0).all()
    assert (np.diff(starts) == 1 << bits[:-1].astype(int)).all()
    entries = bins_of_numbers(bits)
    assert entries.size > normal(100).max()
    numbers = np.arange(entries.size)
    assert (starts[entries & 0xFFFF] + numbers % (1 << (entries >> 16)) == numbers).all()


def test_bins_are_from_an_eighth_to_half_of_the_noise_wide():
    numbers = normal(256)
    entries = bins_of_numbers(chosen(numbers, 256))
    common = entries[2600:3400] >> 16
    assert 5 <= np.median(common) <= 7


def test_numbers_that_differ_are_all_bins_where_there_is_little_noise():
    assert not chosen(normal(1.5, 20), 1.5).any()


def test_a_spike_is_a_bin():
    numbers = normal(256)
    numbers[:, ::2] = 2048
    entries = bins_of_numbers(chosen(numbers, 256))
    assert entries[2048] >> 16 == 0
    assert entries[3000] >> 16 > 2


def test_bins_are_wide_enough_for_the_window_of_a_level():
    rng = np.random.default_rng(1)
    pairs = normal(600, 9000) // 2 * 2 + (rng.random((20, 40, 50)) < 0.2)  # odd ones are rare
    entries = bins_of_numbers(chosen(pairs, 600))
    around = np.unique(entries[9000 - 3600 : 9000 + 3600] & 0xFFFF)
    assert around.size < 250


def test_values_that_are_far_apart_are_bins():
    values = np.arange(0, 3000, 50, dtype=np.float32)
    numbers = np.random.default_rng(2).poisson(3, (10, 20, 30)).clip(0, values.size - 1)
    numbers[0, 0, 0] = values.size - 1
    assert not chosen(numbers, 85, values).any()
