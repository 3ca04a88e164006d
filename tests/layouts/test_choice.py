"""Each chunk is stored in the smaller way, and exactly."""

import numpy as np
import pytest
from numcodecs import Blosc, Zstd

from dj_photon_codecs.layouts.choice import GROUPED
from dj_photon_codecs.layouts.grouped.chunk import Form
from dj_photon_codecs.layouts.plain import COMPRESSORS
from dj_photon_codecs.layouts.static.plan import plan_static

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
    stored = len(GROUPED.encode(codes))
    assert stored <= len(PLAIN.encode(codes)) + 6 * HEADER
    assert stored <= 1.01 * len(Zstd(level=0).encode(codes)) + 6 * HEADER


@movies
def test_the_choice_is_right_to_a_few_per_cent(codes):
    stored = GROUPED.layout.encode(codes)  # type: ignore[union-attr]
    plain = min(len(compressor.encode(codes)) for compressor in COMPRESSORS)
    plan = plan_static(codes) if codes.any() and len(codes) > 1 else None
    best = plain if plan is None else min(plain, plan.size)
    assert stored.size < 1.1 * best + 6 * HEADER
    if plan is not None:
        assert (stored[0] == Form.STATIC) == (plan.size < plain) or plan.size > 0.97 * plain


@movies
def test_every_movie_decodes_to_its_codes(codes):
    layout = GROUPED.layout
    assert layout is not None
    assert GROUPED.compressor is not None
    decoded = layout.decode(GROUPED.compressor.decode(GROUPED.encode(codes)))
    back = np.frombuffer(decoded, codes.dtype).reshape(codes.shape)
    np.testing.assert_array_equal(back, codes, strict=True)


def test_noise_is_not_compressed_in_vain(noted):
    plain = noted(type(COMPRESSORS[0]), "encode", lambda _, codes: codes.nbytes)
    codes = structured(3, (100, 160, 200))
    assert GROUPED.layout.encode(codes)[0] == Form.STATIC  # type: ignore[union-attr]
    assert sum(plain) < codes.nbytes / 30


def test_all_of_a_movie_is_looked_at_if_its_frames_repeat(noted):
    plain = noted(type(COMPRESSORS[0]), "encode", lambda _, codes: codes.nbytes)
    once = structured(3, (50, 128, 128))
    codes = np.concatenate([once, once])
    assert GROUPED.layout.encode(codes)[0] == Form.PLAIN  # type: ignore[union-attr]
    assert max(plain) == codes.nbytes
