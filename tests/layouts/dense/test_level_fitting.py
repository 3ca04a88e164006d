"""Levels are as narrow as it pays, and tables are those of the codes that were seen."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.dense.level_fitting import fit_levels, outline_levels
from dj_photon_codecs.layouts.dense.levels import (
    ESCAPE,
    KEYS,
    LEVEL,
    brightness_keys,
    key_brightness,
)

LAST = KEYS - 1  # a key above all others


def key(brightness: float) -> int:
    return int(brightness_keys(np.array([brightness], np.float32))[0])


def outlined(sigma: float, *, samples: float = 1000, low: float = 1000, high: float = 2000):
    """Outline samples of one noise, so many in each key from one brightness to another."""
    counts = np.zeros(KEYS)
    counts[key(low) : key(high)] = samples
    return outline_levels(counts, counts * sigma**2, first=LAST, top=4000)


@pytest.mark.parametrize(("sigma", "low"), [(4, 0), (16, 0), (17, 1), (100, 3)])
def test_bits_that_are_noise_are_split_off(sigma, low):
    assert (outlined(sigma)[1][:-1] == low).all()


@pytest.mark.parametrize("sigma", [10, 40])
def test_levels_are_a_tenth_of_the_noise_wide_and_begin_five_times_the_noise_below(sigma):
    level = outlined(sigma, samples=1e6)[0][:-1]
    brightness = key_brightness()[level["key"]]
    assert len(level) == pytest.approx(1000 / (0.1 * sigma), rel=0.01)
    assert np.diff(brightness) == pytest.approx(0.1 * sigma, abs=2)
    np.testing.assert_array_equal(level["base"], np.floor(brightness - 1 - 5 * sigma))


def test_fewer_codes_have_fewer_levels():
    few, many = (len(outlined(10, samples=each)[0]) for each in (1, 1000))
    # a width costs its cube in bits
    assert many == pytest.approx(10 * few, rel=0.2)


def test_a_base_is_not_below_zero():
    level = outlined(10, low=1, high=100)[0]
    assert level["base"][0] == 0
    assert level["base"].max() == pytest.approx(100 - 51, abs=2)


def test_the_first_frame_is_the_last_level():
    counts = np.zeros(KEYS)
    counts[[key(9), key(5000)]] = 100
    level, low = outline_levels(counts, counts, first=key(1000), top=400)
    assert level["key"][[0, -1]].tolist() == [key(9), key(1000)]
    assert (np.diff(level["key"].astype(int)) > 0).all()
    assert level["base"][-1] == 0
    assert low[[0, -1]].tolist() == [0, 1]


@pytest.mark.parametrize("top", [0, 1, 254, 255, 509, 510, 70_000, 255 * 65_536 - 1])
def test_of_the_first_frame_every_code_is_within_reach(top):
    nothing = np.zeros(KEYS)
    level, low = outline_levels(nothing, nothing, first=LAST, top=top)
    assert len(level) == len(low) == 1
    bits = int(low[0])
    assert top >> bits < ESCAPE
    assert bits == 0 or top >> (bits - 1) >= ESCAPE


def test_of_the_first_frame_no_more_bits_are_noise_than_there_may_be():
    nothing = np.zeros(KEYS)
    assert outline_levels(nothing, nothing, first=LAST, top=(1 << 24) - 1)[1].tolist() == [16]


# ---------------------------------------------------------------------------- tables


def fitted(*histograms: dict[int, int], low: tuple[int, ...] = ()):
    counts = np.zeros((len(histograms), ESCAPE + 1), int)
    for row, histogram in zip(counts, histograms, strict=True):
        row[list(histogram)] = list(histogram.values())
    level = np.zeros(len(histograms), LEVEL)
    level["key"] = np.arange(len(histograms)) * 10
    bits = np.array(low or (0,) * len(histograms), np.uint8)
    return fit_levels((level, bits), counts)


def frequencies(histogram: dict[int, int]) -> dict[int, int]:
    table = fitted(histogram).table["frequencies"][0]
    return {int(k): int(table[k]) for k in np.flatnonzero(table)}


def test_frequencies_are_shares_of_4096():
    assert frequencies({0: 3000, 9: 1000}) == {0: 3072, 9: 1024}
    assert frequencies({5: 1}) == {5: 4096}
    assert frequencies({}) == {0: 4096}


def test_what_is_too_rare_is_listed_apart():
    assert frequencies({0: 10**6, 1: 30}) == {0: 4095, 255: 1}
    assert frequencies({0: 10**6, 1: 40}) == {0: 4095, 1: 1}
    assert frequencies({0: 4_095_000, 1: 100, 255: 900}) == {0: 4095, 255: 1}


def test_frequencies_of_any_codes_add_up_and_leave_none_out():
    rng = np.random.default_rng(0)
    for _ in range(50):
        counts = rng.integers(1, 2 + rng.integers(0, 150), 256)
        table = fitted(dict(enumerate(counts.tolist()))).table["frequencies"][0]
        assert table.sum() == 4096
        assert table.min() > 0


def test_neighbours_of_like_codes_share_a_table():
    even, uneven = dict.fromkeys(range(8), 500), {0: 4000, 1: 40}
    levels = fitted(even, even, uneven, even)
    assert levels.level["table"].tolist() == [0, 0, 1, 2]
    assert levels.table["frequencies"][0, :8].tolist() == [512] * 8


def test_levels_of_other_low_bits_do_not_share_a_table():
    levels = fitted({0: 9}, {0: 9}, {0: 9}, low=(1, 1, 2))
    assert levels.level["table"].tolist() == [0, 0, 1]
    assert levels.table["low"].tolist() == [1, 2]


def test_levels_without_codes_are_left_out():
    levels = fitted({}, {3: 5}, {}, {4: 90_000})
    assert levels.level["key"].tolist() == [10, 30]


def test_there_are_never_more_tables_than_a_byte_can_number():
    histograms = [{k % 200: 10**6, k % 199 + 50: 10**6} for k in range(300)]
    levels = fitted(*histograms)
    assert len(levels.level) == 300
    assert len(levels.table) == 250
    np.testing.assert_array_equal(np.unique(levels.level["table"]), np.arange(250))
