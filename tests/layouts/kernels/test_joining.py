"""Rows that are alike share a table, if that takes fewer bits. Both kernels join the same ones, and
fit the same tables.
"""

import numpy as np
import pytest

from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.static.tables import (
    LOGARITHMS,
    bits_of_symbols,
    find_roots,
    frequencies_of,
)
from tests.backends import use_backend


@pytest.fixture(autouse=True, params=["compiled", "numpy"])
def backend(request):
    with use_backend(request.param):
        yield request.param


def joined(counts, *, most=48, symbol=4, table=16):
    of_row = np.full(len(counts), 255, np.uint8)
    prices, found = (symbol << 16, table << 16), counts.copy()
    number = kernel().join_tables(found, LOGARITHMS, *prices, most, of_row)
    first = np.flatnonzero(np.diff(of_row.astype(int), prepend=-1))
    assert number == of_row.max() + 1 == first.size
    np.testing.assert_array_equal(found[first], np.add.reduceat(counts, first, axis=0))
    return of_row.tolist()


def poisson_counts(means, number, seed=0):
    rng = np.random.default_rng(seed)
    drawn = [np.minimum(rng.poisson(mean, number), 255) for mean in means]
    return np.stack([np.bincount(row, minlength=256) for row in drawn]).astype(np.uint32)


def test_rows_of_the_same_brightness_share_a_table():
    counts = poisson_counts([2, 2, 2, 30, 30, 90], 4000)
    assert joined(counts) == [0, 0, 0, 1, 1, 2]


def test_no_more_tables_than_there_may_be():
    counts = poisson_counts([1, 4, 16, 64], 4000)
    assert joined(counts) == [0, 1, 2, 3]
    assert joined(counts, most=1) == [0, 0, 0, 0]
    assert max(joined(counts, most=3)) == 2


def test_empty_rows_join_their_neighbours():
    counts = np.zeros((5, 256), np.uint32)
    counts[2, 7] = counts[4, 200] = 10_000
    assert max(joined(counts)) == 1
    assert joined(counts[:2]) == [0, 0]
    assert joined(counts[:1]) == [0]


def test_a_table_is_worth_its_price():
    counts = np.zeros((2, 256), np.uint32)
    counts[0, 0] = counts[1, 1] = 100  # apart, nothing; together, a bit each
    assert joined(counts, table=199, symbol=0) == [0, 1]
    assert joined(counts, table=201, symbol=0) == [0, 0]


@pytest.mark.parametrize("number", [10, 300, 100_000])
def test_both_kernels_join_the_same_rows(number):
    counts = poisson_counts(np.geomspace(0.1, 150, 90), number, seed=number)
    found = joined(counts)
    with use_backend("compiled"):
        assert joined(counts) == found


@pytest.mark.parametrize("rare", [0, 50_000, 100])
def test_tables_are_fitted_by_both_kernels_alike(backend, rare):
    counts = poisson_counts([0.001, 0.3, 5, 80, 240, 1e9], 30_000)
    counts = np.concatenate([counts, 4_000 * counts, counts[:1] * 0, np.eye(1, 256, 7, dtype="u4")])
    roots, frequencies = np.zeros(counts.shape, "u1"), np.zeros(counts.shape, "u2")

    bits = kernel().fit_tables(counts, LOGARITHMS, rare, roots, frequencies)

    np.testing.assert_array_equal(roots, find_roots(counts, rare=rare))
    np.testing.assert_array_equal(frequencies, frequencies_of(roots))
    assert bits == bits_of_symbols(counts, frequencies, LOGARITHMS)
    with pytest.raises(ValueError, match="do not fit"):
        kernel().fit_tables(counts, LOGARITHMS, 1 << 31, roots, frequencies)


def test_counts_and_logarithms_whose_products_could_overflow_are_refused():
    counts, of_row = np.zeros((3, 256), np.uint32), np.zeros(3, np.uint8)
    counts[:, 0] = 1 << 31
    for many, logarithms in ((3, LOGARITHMS), (1, LOGARITHMS * 2)):
        with pytest.raises(ValueError, match="do not fit"):
            kernel().join_tables(counts[:many].copy(), logarithms, 1, 1, 2, of_row[:many])
