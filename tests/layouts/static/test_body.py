"""A planned body has the size that was planned, and decodes whole, by frames and by pixels."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.layout import DamagedChunk
from dj_photon_codecs.layouts.static.body import StaticBody
from dj_photon_codecs.layouts.static.plan import BAND, plan_static
from dj_photon_codecs.layouts.static.sections import BODY_HEADER
from tests.backends import use_backend

pytestmark = pytest.mark.usefixtures("backend")
RNG = np.random.default_rng(7)
MOVIES = {
    "dim": RNG.poisson(np.geomspace(0.01, 2, 900), (60, 900)).reshape(60, 30, 30).astype("u1"),
    "bright": RNG.poisson(np.geomspace(20, 3000, 900), (40, 900)).reshape(40, 30, 30).astype("u2"),
    "negative": RNG.normal(0, 40, (25, 20, 17)).astype("i2"),
    "wide": RNG.poisson(4, (20, 24, 25)).astype("i8") * 10**12 - 5,
    "outliers": np.where(RNG.random((30, 30, 30)) < 0.001, 65_535, RNG.poisson(3, (30, 30, 30))),
    "two frames": RNG.poisson(3, (2, 30, 30)).astype("u4"),
    "one pixel": RNG.poisson(9, (50, 1, 1)).astype("u2"),
    "flat": RNG.poisson(3, (30, 401)).astype("u2"),
    "bands": RNG.poisson(1, (9, 3, BAND)).astype("u2"),
    "changing light": RNG.poisson(np.linspace(1, 9, 80)[:, None, None], (80, 40, 50)).astype("u2"),
    # all pixels are equally bright; there are two families of them, and two classes of frames
    "differences": np.diff(
        RNG.normal(0, 1, (151, 30, 30)) * np.where(np.arange(30) < 10, 15, 8)
        + RNG.normal(0, 6, (151, 1, 1)),
        axis=0,
    ).astype("i2"),
}
movies = pytest.mark.parametrize("codes", MOVIES.values(), ids=MOVIES)


def planned(codes):
    plan = plan_static(codes)
    assert plan is not None
    return plan


def opened(codes):
    body = np.concatenate(planned(codes).encode())
    return StaticBody(body, (len(codes), codes[0].size), codes.dtype)


@movies
def test_codes_come_back_whole_by_frames_and_by_pixels(codes):
    flat, body = codes.reshape(len(codes), -1), opened(codes)
    np.testing.assert_array_equal(body.read(0, len(codes)).view(codes.dtype), flat)
    for start, stop in [
        (0, 1),
        (1, 2),
        (len(codes) // 2, len(codes)),
        (len(codes) - 1, len(codes)),
    ]:
        np.testing.assert_array_equal(body.read(start, stop).view(codes.dtype), flat[start:stop])
    pixels = np.sort(np.random.default_rng(0).permutation(flat.shape[1])[:7])
    for frames in (range(len(codes)), range(1, 2)):
        expected = flat[frames.start : frames.stop, pixels]
        np.testing.assert_array_equal(body.read_pixels(pixels, frames).view(codes.dtype), expected)


@movies
def test_the_size_is_known_before_anything_is_encoded(codes):
    plan = planned(codes)
    size = sum(part.size for part in plan.encode())
    assert plan.size == pytest.approx(size, rel=0.01, abs=130)


@movies
def test_both_kernels_write_the_same_bytes(codes):
    written = set()
    for name in ("compiled", "numpy"):
        with use_backend(name):
            written.add(np.concatenate(planned(codes).encode()).tobytes())
    assert len(written) == 1


@pytest.mark.parametrize(
    "codes",
    [
        np.zeros((1, 8, 8), "u2"),
        np.zeros((9, 8, 8), "f4"),
        np.zeros((9, 8, 8), ">u2"),
        np.arange(9 * 64).reshape(9, 8, 8).astype("u4") ** 2 * 65_537,
    ],
    ids=["one frame", "floats", "big-endian", "wide"],
)
def test_what_cannot_be_static_has_no_plan(codes):
    assert plan_static(codes) is None


def test_large_frames_are_cut_into_bands_and_few_of_them_are_decoded_together():
    codes = MOVIES["bands"]
    header = planned(codes).header[0]
    assert header["pixels_per_stream"] < codes[0].size
    assert header["frames_per_stream"] <= 8


@pytest.mark.parametrize("name", [name for name in BODY_HEADER.names or () if name != "lowest"])
@pytest.mark.parametrize("value", [0, 1, 7, 255, 65_535, (1 << 32) - 1])
def test_a_header_that_says_something_else_is_refused_or_decodes_to_the_same_size(name, value):
    codes = MOVIES["dim"]
    body = np.concatenate(planned(codes).encode())
    header = body[: BODY_HEADER.itemsize].view(BODY_HEADER)
    value &= (1 << 8 * BODY_HEADER[name].itemsize) - 1
    if header[name][0] == value:
        return
    header[name] = value
    try:
        found = StaticBody(body, (60, 900), codes.dtype)
        read = found.read(0, found.shape[0])
    except DamagedChunk:
        return
    assert read.shape == (found.shape[0], 900)
    assert name in ("varying", "width", "lowest", "unit", "brightnesses")


@pytest.mark.parametrize("size", [0, 10, 59, 61, 200])
def test_a_body_that_was_cut_is_refused(size):
    codes = MOVIES["dim"]
    body = np.concatenate(planned(codes).encode())
    with pytest.raises(DamagedChunk, match="damaged chunk: "):
        StaticBody(body[:size], (60, 900), codes.dtype).read(0, 60)
