"""The entropy of noise is that of its distribution, whatever the brightness and dtype of pixels."""

import math

import numpy as np
import pytest

from dj_photon_codecs.layouts.grouped.entropy import noise_entropy
from dj_photon_codecs.layouts.grouped.layout import COMPRESSOR, GroupedLayout


def entropy(probabilities):
    some = probabilities[probabilities > 0]
    return -(some * np.log2(some)).sum()


def normal(sigma, offset, dtype, shape=(100, 2000)):
    """Noise of one spread around pixels of many brightnesses."""
    rng = np.random.default_rng(0)
    return np.rint(offset + rng.normal(0, sigma, shape) + np.arange(shape[1])).astype(dtype)


@pytest.mark.parametrize("dtype", ["u2", "i2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("sigma", [3, 40])
def test_normal_noise(dtype, sigma):
    of_noise = np.log2(sigma * np.sqrt(2 * np.pi * math.e))
    assert noise_entropy(normal(sigma, 500, dtype)) == pytest.approx(of_noise, abs=0.05)


def test_noise_wider_than_the_histogram():
    of_noise = np.log2(1e6 * np.sqrt(2 * np.pi * math.e))
    assert noise_entropy(normal(1e6, 1e8, "i4")) == pytest.approx(of_noise, abs=0.05)


def test_negative_codes():
    assert noise_entropy(normal(5, -3000, "i2")) == noise_entropy(normal(5, 3000, "i2"))


def test_pixels_of_other_brightness_have_other_noise():
    rates = np.repeat([0.2, 20.0], 3200)
    counts = np.random.default_rng(0).poisson(rates, (200, rates.size)).astype("u1")
    pooled = [np.bincount(half.ravel()) / half.size for half in np.split(counts, 2, axis=1)]
    expected = np.mean([entropy(each) for each in pooled])
    assert noise_entropy(counts) == pytest.approx(expected, abs=0.02)


def test_hot_pixels_do_not_make_the_others_coarse():
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.7, (100, 4000)).astype("u2")
    alone = noise_entropy(counts)
    counts[:, ::1000] = rng.integers(0, 12_000, (100, 4))
    assert noise_entropy(counts) == pytest.approx(alone, abs=0.03)


@pytest.mark.parametrize("codes", [np.zeros((100, 8, 8), "u1"), np.full((1, 1), 7, "i8")])
def test_no_noise(codes):
    assert noise_entropy(codes) == 0


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i8", "u8"])
def test_every_range_is_legal(dtype):
    ends = np.iinfo(dtype)
    codes = np.random.default_rng(0).choice(np.array([ends.min, ends.max], dtype), (50, 10, 10))
    assert 0 < noise_entropy(codes) < 8 * codes.itemsize
    assert noise_entropy(np.full((9, 4), ends.max, dtype)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.5, 3, 30, 300])
def test_grouped_photons_take_little_more(rate):
    rates = rate * np.geomspace(0.2, 5, 1 << 14)
    counts = np.random.default_rng(0).poisson(rates, (100, rates.size)).astype("u2")
    size = len(COMPRESSOR.encode(GroupedLayout().encode(counts)))
    assert 1 < size * 8 / counts.size / noise_entropy(counts) < 1.15
