"""A level is a range of keys; and what cannot be levels is refused."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.dense.brightness import BRIGHTEST, DARKEST
from dj_photon_codecs.layouts.dense.levels import (
    KEYS,
    LEVEL,
    TABLE,
    Levels,
    brightness_keys,
    key_brightness,
)


def levels(*, tables: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return two levels, from a brightness of 1 and of 2 on, and their tables."""
    level, table = np.zeros(2, LEVEL), np.zeros(tables, TABLE)
    level["key"], level["table"], level["base"] = (1024, 2048), (1, 0), (0, 7)
    table["low"] = np.arange(tables) % 5 * 3
    table["frequencies"][:, 5] = 4096
    return level, table


def test_a_key_is_a_thousandth_of_a_factor_of_two():
    bounds = np.array([DARKEST, 1, 2, 2 + 2 / 1025, 2 + 2 / 1023, 4, BRIGHTEST], np.float32)
    assert brightness_keys(bounds).tolist() == [0, 1024, 2048, 2048, 2049, 3072, KEYS - 1]
    assert brightness_keys(bounds).dtype == np.int32


def test_the_least_brightness_of_each_key_has_that_key_and_what_is_below_has_not():
    least = key_brightness().astype(np.float32)
    np.testing.assert_array_equal(brightness_keys(least), np.arange(KEYS))
    below = np.nextafter(least[1:], np.float32(0))
    np.testing.assert_array_equal(brightness_keys(below), np.arange(KEYS - 1))
    assert (np.diff(key_brightness()) / key_brightness()[:-1]).max() <= 1 / 1024


def test_each_key_is_of_the_last_level_that_is_not_above_it():
    made = Levels(*levels())
    found = [[int(row[k]) for k in (0, 1023, 1024, 2047, 2048, KEYS - 1)] for row in (
        made.by_key("table"), made.by_key("base"), made.low_by_key()
    )]  # fmt: skip
    assert found == [[1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 7, 7], [3, 3, 3, 3, 0, 0]]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("key", (2048, 1024)),
        ("key", (1024, 1024)),
        ("table", (0, 2)),
        ("base", (0, 1 << 24)),
        ("low", (0, 17)),
    ],
)
def test_what_cannot_be_levels_is_refused(name, values):
    level, table = levels()
    (table if name == "low" else level)[name] = values
    with pytest.raises(ValueError, match="damaged chunk: 2 levels with 2 tables"):
        Levels(level, table)


@pytest.mark.parametrize("sums", [4095, 4097])
def test_frequencies_that_do_not_add_up_are_refused(sums):
    level, table = levels()
    table["frequencies"][1, 5] = sums
    with pytest.raises(ValueError, match="damaged chunk: 2 levels with 2 tables"):
        Levels(level, table)


def test_no_levels_and_too_many_tables_are_refused():
    level, table = levels()
    with pytest.raises(ValueError, match="damaged chunk: 0 levels with 2 tables"):
        Levels(level[:0], table)
    assert Levels(*levels(tables=256)).table.size == 256
    with pytest.raises(ValueError, match="damaged chunk: 2 levels with 257 tables"):
        Levels(*levels(tables=257))


def test_the_largest_of_all_are_legal():
    level, table = levels()
    level["base"], table["low"] = (1 << 24) - 1, 16
    assert Levels(level, table).low_by_key().tolist() == [16] * KEYS
