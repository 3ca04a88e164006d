"""Compression is chosen by size, cheaply, and the same for the same movie."""

import numpy as np
import pytest
from numcodecs import Blosc, Zstd

from dj_photon_codecs.layouts.choice import (
    CANDIDATES,
    ROUNDS,
    Compression,
    choose_compression,
)
from dj_photon_codecs.layouts.grouped.layout import GroupedLayout

HEADER = 16  # bytes of a Blosc chunk
PLAIN = Blosc("zstd", 5, Blosc.BITSHUFFLE)


def structured(rate, shape=(100, 64, 64), seed=0):
    """Counts of a scene with bright and dark places."""
    rng = np.random.default_rng(seed)
    scene = np.exp(rng.normal(0, 1, shape[1:]))
    return rng.poisson(rate * scene / scene.mean(), shape).astype("u2")


def blurred(rate, shape=(100, 64, 64)):
    """Counts that were averaged over neighbours in time and space, and rounded."""
    counts = structured(rate, shape).astype(float)
    return np.rint(sum(np.roll(counts, n, axis) for n in range(3) for axis in range(3))).astype(
        "u2"
    )


def masked(codes):
    """Zero outside of a disk."""
    y, x = np.mgrid[-1 : 1 : codes.shape[1] * 1j, -1 : 1 : codes.shape[2] * 1j]
    return codes * (np.hypot(y, x) < 0.8).astype(codes.dtype)


def upsampled(rate, shape, *, gain=1):
    """What a photomultiplier makes of counts, each pixel four times."""
    counts, rng = structured(rate, shape), np.random.default_rng(1)
    values = np.rint(gain * counts + rng.normal(0, 0.3 * (gain - 1), shape)).clip(0)
    return values.repeat(2, axis=1).repeat(2, axis=2).astype("u2")


MOVIES = {
    "few photons": structured(0.1),
    "some photons": structured(3),
    "many photons": structured(200),
    "large": structured(3, (100, 160, 200)),
    "tiny": structured(3, (10, 8, 8)),
    "dark": np.zeros((100, 64, 64), "u1"),
    "still": np.repeat(structured(100, (1, 64, 64)), 100, axis=0),
    "frames twice": np.repeat(structured(3, (50, 96, 96)), 2, axis=0),
    "loop": np.concatenate([structured(3, (10, 128, 128))] * 10),
    "pixels four times": structured(3).repeat(2, axis=1).repeat(2, axis=2),
    "masked": masked(structured(3, (100, 128, 128))),
    "blurred": blurred(3),
    "multiplied": structured(3) * np.uint16(37),
    "smooth": np.add.outer(np.arange(100), np.add.outer(np.arange(64), np.arange(64))).astype("u2"),
    "one frame": structured(5, (1, 64, 64)),
    "floats": np.random.default_rng(0).normal(0, 1, (20, 16, 16)).astype("f4"),
    "mean of frames": sum(structured(100, seed=0)[n : n + 90] for n in range(3)).astype("f4") / 3,
    "scaled floats": (structured(30, (50, 64, 64)) / 3).astype("f4"),
    "blurred floats": blurred(3).astype("f4") / 9,
    "signed": np.random.default_rng(0).normal(0, 20, (50, 32, 32)).astype("i2"),
    "planes": structured(3, (100, 3, 32, 32)),
    "odd": np.random.default_rng(0).normal(8000, 800, (20, 39, 173)).astype("u2"),
    "odd, few": np.random.default_rng(0).normal(80, 20, (3, 101, 103)).astype("u1"),
    "odd, upsampled": upsampled(3, (100, 21, 58), gain=30),
    "wide, upsampled": upsampled(3, (50, 47, 61), gain=200),
    "small, upsampled": upsampled(3, (20, 27, 31), gain=200),
    "few, upsampled": upsampled(30, (9, 21, 94)),
}
movies = pytest.mark.parametrize("codes", MOVIES.values(), ids=MOVIES)


@pytest.mark.slow
@movies
def test_no_movie_is_larger_than_a_plain_zarr_array_of_it(codes):
    stored = len(choose_compression(codes).encode(codes))
    assert stored <= len(PLAIN.encode(codes)) + 2 * HEADER
    assert stored <= 1.01 * len(Zstd(level=0).encode(codes)) + 3 * HEADER


def test_the_noise_of_a_scene_is_grouped():
    assert isinstance(choose_compression(structured(3)).layout, GroupedLayout)


def test_values_that_are_few_and_no_integers_are_not():
    assert choose_compression(MOVIES["blurred floats"]) == CANDIDATES[1]


def looked_at(values):
    """Return the sizes of the samples that a choice takes, and the choice."""
    sizes = []

    def codes(sample):
        assert sample.shape[0] == values.shape[0]
        sizes.append(sample.size)
        return np.ascontiguousarray(sample)

    return sizes, choose_compression(values, codes=codes)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.1, 1, 10, 200])
def test_a_small_sample_of_photons_is_enough(rate):
    sizes, chosen = looked_at(structured(rate, (100, 256, 256)))
    assert isinstance(chosen.layout, GroupedLayout)
    assert sizes[0] < 1.2 * ROUNDS[0].size
    assert sum(sizes) < 100 * 256 * 256 / 15


def test_counts_in_a_float_array_are_grouped():
    values = structured(3, (100, 160, 200)).astype(float)
    chosen = choose_compression(values, codes=lambda sample: sample.astype("u1"))
    assert isinstance(chosen.layout, GroupedLayout)


@pytest.mark.slow
def test_a_close_choice_takes_larger_samples():
    counts = structured(3, (102, 160, 160)).astype("f4")
    averaged = counts[:-2] + counts[1:-1] + counts[2:]
    sizes, chosen = looked_at(averaged)
    assert len(chosen.encode(averaged)) == min(len(each.encode(averaged)) for each in CANDIDATES)
    assert sizes == sorted(sizes)
    assert len(sizes) == len(ROUNDS)


def test_what_cannot_be_grouped_well_is_compressed_to_see():
    codes = np.random.default_rng(0).integers(0, 1 << 16, (100, 128, 128), "u2")
    sizes, _ = looked_at(codes)
    assert len(sizes) == 2


def test_all_of_a_movie_is_looked_at_if_its_frames_repeat():
    once = structured(3, (50, 128, 128))
    sizes, _ = looked_at(np.concatenate([once, once]))
    assert sizes[-1] == 2 * once.size


def test_dark_frames_do_not_repeat():
    codes = structured(3, (100, 160, 200))
    codes[::2] = 0
    sizes, _ = looked_at(codes)
    assert max(sizes) < codes.size / 4


@pytest.mark.slow
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
