"""Codes in the order of frames are compressed as well as by any compressor, or not at all."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.blosc_chunks import decompress
from dj_photon_codecs.layouts.plain import (
    COMPRESSORS,
    compress_below,
    compress_plain,
    count_varying,
)

RNG = np.random.default_rng(0)
CODES = {
    "noise": RNG.normal(100, 12, (50, 64, 64)).astype("u2"),
    "repeating": np.concatenate([RNG.poisson(3, (10, 64, 64))] * 5).astype("u2"),
    "smooth": np.add.outer(np.arange(50), np.add.outer(np.arange(64), np.arange(64))).astype("u2"),
    "floats": RNG.poisson(3, (20, 64, 64)).astype("f4"),
    "one code": np.zeros(1, "u2"),
    "no dimensions": np.array(7),
}
codes = pytest.mark.parametrize("codes", CODES.values(), ids=CODES)


@codes
def test_what_was_compressed_comes_back(codes):
    found = np.empty_like(codes)
    decompress(compress_plain(codes), out=found)
    np.testing.assert_array_equal(found, codes)


@codes
def test_the_best_of_all_compressors_is_taken(codes):
    best = min(len(compressor.encode(codes)) for compressor in COMPRESSORS)
    assert compress_plain(codes).size <= 1.02 * best + 16


@codes
def test_nothing_is_returned_that_is_not_below_the_limit(codes):
    size = compress_plain(codes).size
    for limit in (1, size // 2, size, size + 1, 2 * size):
        found = compress_below(codes, limit)
        assert found is None or found.size < limit
    assert compress_below(codes, max(2 * size, codes.nbytes // 8)) is not None


def test_frames_of_one_value_do_not_mislead():
    steps = np.random.default_rng(1).poisson(40, (100, 47, 38)).astype("u2")
    steps[35:] = 0
    codes = np.cumsum(steps, axis=0, dtype="u2")
    codes[35:] = 0
    size = compress_plain(codes).size
    found = compress_below(codes, int(1.1 * size))
    assert found is not None
    assert found.size <= 1.02 * size


def test_varying_frames_come_before_those_of_one_value():
    frames = RNG.poisson(3, (9, 4, 4))
    frames[6:] = 2
    assert count_varying(frames) == 6
    assert count_varying(np.full((3, 2), -0.0)) == 0
    assert count_varying(np.array([[0.0], [-0.0]])) == 1
    assert count_varying(np.zeros((0, 4))) == 0
