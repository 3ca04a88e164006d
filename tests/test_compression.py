"""Compression is chosen by size, cheaply, and the same for the same movie."""

import numpy as np
import pytest
from numcodecs import Blosc, Zstd

from dj_photon_codecs.compression import CANDIDATES, SAMPLE, Compression, choose_compression
from dj_photon_codecs.layout import GroupedLayout

HEADER = 16  # bytes of a Blosc chunk
PLAIN = Blosc("zstd", 5, Blosc.BITSHUFFLE)


def structured(rate, shape=(100, 64, 64), seed=0):
    """Counts of a scene with bright and dark places."""
    rng = np.random.default_rng(seed)
    scene = np.exp(rng.normal(0, 1, shape[1:]))
    return rng.poisson(rate * scene / scene.mean(), shape).astype("u2")


MOVIES = {
    "few photons": structured(0.1),
    "some photons": structured(3),
    "many photons": structured(200),
    "dark": np.zeros((100, 64, 64), "u1"),
    "still": np.repeat(structured(100, (1, 64, 64)), 100, axis=0),
    "smooth": np.add.outer(np.arange(100), np.add.outer(np.arange(64), np.arange(64))).astype("u2"),
    "one frame": structured(5, (1, 64, 64)),
    "floats": np.random.default_rng(0).normal(0, 1, (20, 16, 16)).astype("f4"),
    "signed": np.random.default_rng(0).normal(0, 20, (50, 32, 32)).astype("i2"),
}
movies = pytest.mark.parametrize("codes", MOVIES.values(), ids=MOVIES)


@movies
def test_no_movie_is_larger_than_a_plain_zarr_array_of_it(codes):
    stored = len(choose_compression(codes).encode(codes))
    assert stored <= len(PLAIN.encode(codes))
    assert stored <= 1.01 * len(Zstd(level=0).encode(codes)) + HEADER


def test_the_noise_of_a_scene_is_grouped():
    assert isinstance(choose_compression(structured(3)).layout, GroupedLayout)


def test_a_movie_whose_frames_repeat_is_not():
    assert choose_compression(MOVIES["still"]).layout is None


@movies
def test_the_choice_is_one_of_the_candidates_and_always_the_same(codes):
    assert choose_compression(codes) in CANDIDATES
    assert choose_compression(codes) == choose_compression(codes.copy())


def test_of_a_large_chunk_a_band_in_its_middle_is_looked_at():
    codes = np.zeros((100, 512, 512), "u1")
    codes[:, 256 - 32 : 256 + 32] = structured(3, (100, 64, 512))
    assert codes.size > SAMPLE
    assert isinstance(choose_compression(codes).layout, GroupedLayout)


@movies
def test_every_candidate_decodes_to_the_codes(codes):
    for each in CANDIDATES:
        assert each.compressor is not None
        stored = each.compressor.decode(each.encode(codes))
        decoded = stored if each.layout is None else each.layout.decode(stored)
        back = np.frombuffer(decoded, codes.dtype).reshape(codes.shape)
        np.testing.assert_array_equal(back, codes, strict=True)


def test_without_a_compressor_codes_are_stored_as_they_are():
    codes = structured(3)
    assert Compression(None).encode(codes) == codes.tobytes()
