"""Frequencies add up, whatever the roots are, and are near to what was counted."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.static.tables import (
    LOGARITHMS,
    RARE,
    bits_of_symbols,
    find_roots,
    fit_tables,
    frequencies_of,
)


def poisson_counts(means, number=100_000):
    rng = np.random.default_rng(0)
    drawn = [np.minimum(rng.poisson(mean, number), 255) for mean in means]
    return np.stack([np.bincount(row, minlength=256) for row in drawn])


@pytest.mark.parametrize("present", [0.01, 0.2, 0.7, 1])
@pytest.mark.parametrize("most", [1, 2, 20, 255])
def test_any_roots_make_frequencies_that_add_up(present, most):
    rng = np.random.default_rng(0)
    roots = (rng.integers(1, most + 1, (500, 256)) * (rng.random((500, 256)) < present)).astype(
        "u1"
    )
    frequencies = frequencies_of(roots)
    assert (frequencies.sum(axis=1, dtype=int) == 4096).all()
    some = roots.any(axis=1)
    assert np.array_equal(frequencies[some] > 0, roots[some] > 0)
    assert (frequencies[~some, 255] == 4096).all()


def test_a_single_symbol_takes_no_bits():
    counts = np.zeros((1, 256), int)
    counts[0, 7] = 9
    _, frequencies, bits = fit_tables(counts.astype("u4"), sampled=False)
    assert frequencies[0, 7] == 4096
    assert bits == 0


def test_symbols_take_hardly_more_than_their_entropy():
    counts = poisson_counts([0.1, 1, 10, 100])
    share = counts / counts.sum(axis=1, keepdims=True)
    entropy = float(-(counts * np.log2(np.where(counts, share, 1))).sum())
    _, _, bits = fit_tables(counts.astype("u4"), sampled=False)
    assert entropy < bits < 1.004 * entropy


def test_tables_of_a_sample_have_escapes_in_place_of_rare_symbols():
    counts = poisson_counts([1, 30])
    counts[0, 200] = 1
    roots, frequencies, _ = fit_tables(counts.astype("u4"), sampled=True)
    assert (roots[:, 255] > 0).all()
    assert roots[0, 200] == 0
    assert find_roots(counts)[0, 200] > 0
    assert find_roots(counts, rare=RARE).tolist() == roots.tolist()
    once = np.zeros_like(counts)
    once[0, 200] = 1
    bits = bits_of_symbols(once, frequencies, LOGARITHMS) / 65536
    assert bits == pytest.approx(16 + np.log2(4096 / frequencies[0, 255]), abs=1e-4)
