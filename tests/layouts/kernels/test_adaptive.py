"""Adaptive chunks are fitted and written alike with all vectors."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.kernels.backend import kernel
from tests.backends import use_backend

KEYS = 0x09000000 >> 14


def written(encode, shape, *, seed):
    """Return states, words and escapes: of 30 tables, some of whose symbols have no frequency."""
    rng = np.random.default_rng(seed)
    frequencies = np.zeros((30, 256), np.uint16)
    for table, most in enumerate(np.geomspace(1, 255, 30).astype(int)):
        frequencies[table, :most] = 1 + (4096 - most) // 2 // most
        frequencies[table, rng.integers(most)] = 0
        frequencies[table, 255] = 4096 - frequencies[table, :255].sum()
    entries = rng.integers(0, 60, 2 * KEYS, np.uint32) | rng.integers(0, 30, 2 * KEYS) << 16
    model = (*shape, np.ones(300, np.float32), 1.0, 0.1, 1.0, 0.1, np.zeros((6, 45), np.int32), 14)
    count = int(np.prod(shape))
    states, left = np.empty(16, np.uint32), np.empty(2, np.uint32)
    escapes = np.empty(count, np.uint16)
    bins = rng.integers(0, 300, shape, np.uint16)
    words = rng.integers(0, KEYS, count + 1, np.uint16)  # written over the keys
    encode(*model, entries.astype(np.uint32), frequencies, bins, words, escapes, states, left)
    assert 0 < left[1] < count - 10  # some escaped
    return states.tolist(), words[left[0] :].tolist(), escapes[left[1] :].tolist()


def products(sample, shape):
    """Return the sums of products of features, above the diagonal, relative to those on it."""
    bins = np.random.default_rng(7).poisson(5, shape).astype(np.uint16)
    scales = np.linspace(0.5, 2, KEYS).astype(np.float32)
    values = np.arange(1, 300, dtype=np.float32)
    model = (*shape, values, 6.0, 0.1, 1.0, 0.1, np.zeros((6, 45), np.int32), 14)
    found, rows = np.zeros((20, 46, 48)), np.zeros(20, np.uint32)
    sample(*model, bins, scales, np.array([1, 1, 2, 3, 1, 2], np.uint32), found, rows)
    assert np.count_nonzero(found[:, 45, 45]) > 10
    own = np.sqrt(found[:, range(46), range(46)])
    return np.triu(found[..., :46]) / (own[:, :, None] * own[:, None] + 1e-9)


@pytest.mark.slow
def test_all_vectors_fit_and_write_the_same(fewer_vectors):
    with use_backend("compiled"):
        for shape in ((25, 19, 37), (20, 8, 64)):
            widest = products(kernel().sample_products, shape)
            fewer = products(fewer_vectors.sample_products, shape)
            np.testing.assert_array_equal(fewer, widest)
        for seed, shape in enumerate([(3, 50, 61), (2, 16, 16), (1, 1, 40), (2, 33, 128)]):
            widest = written(kernel().encode_predicted, shape, seed=seed)
            assert written(fewer_vectors.encode_predicted, shape, seed=seed) == widest
