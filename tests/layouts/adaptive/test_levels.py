"""Frequencies are stored in eight bits, and add up all the same."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.adaptive.levels import (
    ESCAPE,
    code_of,
    find_frequencies,
    frequency_of,
    level_of_key,
    read_frequencies,
)


def test_codes_are_exact_for_small_frequencies_and_within_a_sixteenth_for_others():
    frequency = np.arange(4097)
    code = code_of(frequency)
    assert code.max() < 256
    assert (np.diff(code) >= 0).all()
    np.testing.assert_array_equal(frequency_of(code[:17]), frequency[:17])
    np.testing.assert_allclose(frequency_of(code), frequency, rtol=1 / 16)
    np.testing.assert_array_equal(code_of(frequency_of(np.arange(80))), np.arange(80))


@pytest.mark.parametrize("seed", range(20))
def test_frequencies_come_back_from_their_codes(seed):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.gamma(0.2, 10 ** rng.uniform(0, 5), 256))
    frequencies = find_frequencies(counts)
    assert frequencies.sum() == 4096
    np.testing.assert_array_equal(read_frequencies(code_of(frequencies)[None])[0], frequencies)


@pytest.mark.parametrize("counts", [np.ones(256), np.eye(256)[7], np.zeros(256)])
def test_frequencies_of_equal_counts_one_symbol_and_none_add_up(counts):
    frequencies = find_frequencies(counts)
    assert frequencies.sum() == 4096
    np.testing.assert_array_equal(read_frequencies(code_of(frequencies)[None])[0], frequencies)


def test_symbols_that_cost_more_than_an_escape_are_escapes():
    counts = np.zeros(256)
    counts[0], counts[9] = 1e7, 3
    frequencies = find_frequencies(counts)
    assert frequencies[9] == 0
    assert frequencies[ESCAPE] == 1


def test_codes_that_leave_nothing_for_the_largest_are_refused():
    with pytest.raises(ValueError, match="damaged chunk: "):
        read_frequencies(np.full((1, 256), 200, np.uint8))


def test_keys_below_the_first_level_have_the_first():
    level = level_of_key(np.array([3, 5, 2, 4]), 2, 6)
    assert level.tolist() == [0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 3, 3]


@pytest.mark.parametrize("first", [0, 2, 7])
def test_levels_without_a_first_frame_or_others_are_refused(first):
    with pytest.raises(ValueError, match=f"damaged chunk: {first} of 2 levels"):
        level_of_key(np.array([3, 5]), first, 6)
