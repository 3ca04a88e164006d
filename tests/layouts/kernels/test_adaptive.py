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


def movie_of_features(*, noise, seed):
    """Return features of pixels of frames, and values that depend on the 6th and the 8th."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(len(noise), 400, 45)) + rng.normal(size=(len(noise), 400, 1))
    values = 3 * features[..., 5] - 2 * features[..., 7]
    return features, values + rng.normal(size=values.shape) * np.array(noise)[:, None]


def fitted(fit, features, values, *, saved=0.0, grows=0.0):
    """Return the weights of features; of their products, those above the diagonal are known."""
    whole = np.concatenate([features, values[..., None], np.zeros((*values.shape, 2))], axis=2)
    sums = np.triu(whole[..., :46].swapaxes(1, 2) @ whole)
    weights = np.empty(45)
    fit(sums, np.full(len(values), 400.0), saved, grows, weights)
    return weights


def test_weights_are_those_of_least_squares():
    features, values = movie_of_features(noise=[1.0], seed=1)
    features[..., 20] = 0  # does not occur
    with use_backend("compiled"):
        weights = fitted(kernel().fit_weights, features, values)
    least = np.linalg.lstsq(features[0], values[0], rcond=None)[0]
    np.testing.assert_allclose(weights, least, atol=1e-4)
    assert weights[20] == 0


def test_frames_that_fit_worse_count_less():
    noise = np.repeat([0.1, 10], 10)
    features, values = movie_of_features(noise=noise, seed=2)
    by_noise = (features / noise[:, None, None]).reshape(-1, 45)
    best = np.linalg.lstsq(by_noise, (values / noise[:, None]).reshape(-1), rcond=None)[0]
    with use_backend("compiled"):
        weights = fitted(kernel().fit_weights, features, values)
    np.testing.assert_allclose(weights, best, atol=1e-3)


def test_features_that_save_little_are_needless():
    features, values = movie_of_features(noise=[1.0] * 3, seed=3)
    with use_backend("compiled"):
        weights = fitted(kernel().fit_weights, features, values, saved=20, grows=0.02)
        kept = fitted(kernel().fit_weights, features, values, saved=20)  # what is left would grow
    assert weights.nonzero()[0].tolist() == [0, 1, 5, 7]  # the first two are always there
    np.testing.assert_allclose(weights[[5, 7]], [3, -2], atol=0.1)
    assert np.count_nonzero(kept) == 45


@pytest.mark.slow
def test_all_vectors_fit_and_write_the_same(fewer_vectors):
    with use_backend("compiled"):
        for shape in ((25, 19, 37), (20, 8, 64)):
            widest = products(kernel().sample_products, shape)
            fewer = products(fewer_vectors.sample_products, shape)
            np.testing.assert_array_equal(fewer, widest)
        movie = movie_of_features(noise=[1.0, 2.0, 3.0], seed=4)
        widest = fitted(kernel().fit_weights, *movie, saved=9, grows=0.01)
        fewer = fitted(fewer_vectors.fit_weights, *movie, saved=9, grows=0.01)
        np.testing.assert_array_equal(fewer, widest)
        for seed, shape in enumerate([(3, 50, 61), (2, 16, 16), (1, 1, 40), (2, 33, 128)]):
            widest = written(kernel().encode_predicted, shape, seed=seed)
            assert written(fewer_vectors.encode_predicted, shape, seed=seed) == widest
