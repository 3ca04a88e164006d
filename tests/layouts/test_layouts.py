"""What every layout of codes promises: all numbers come back, in their order and bit for bit."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.dense.layout import DenseLayout
from dj_photon_codecs.layouts.grouped.layout import FEWEST_FRAMES, GroupedLayout

INTEGERS = ["|u1", "<u2", "<u4", "<u8", "|i1", "<i2", "<i4", "<i8"]


@pytest.fixture(params=[GroupedLayout(), DenseLayout()], ids=repr)
def layout(request):
    return request.param


def movie(mean=2.0, shape=(30, 24, 20)):
    """Counts whose rate differs from pixel to pixel."""
    rates = mean * np.geomspace(0.3, 3, shape[-1]) * np.geomspace(0.6, 1.7, shape[-2])[:, None]
    return np.random.default_rng(0).poisson(rates, shape).astype("<u2")


@pytest.mark.parametrize("dtype", [*INTEGERS, "<f2", "<f4", "<f8", "|b1", ">u2", ">f8"])
def test_every_dtype_comes_back(layout, dtype):
    codes = movie().astype(dtype)
    decoded = layout.decode(layout.encode(codes))
    assert decoded.tobytes() == codes.tobytes()
    assert decoded.dtype == codes.dtype


@pytest.mark.parametrize(
    "shape",
    [
        (100, 8, 8),
        (1, 5, 5),
        (1, 90, 70),
        (7, 30, 30),
        (FEWEST_FRAMES, 30, 30),
        (30, 3, 200),
        (30, 200, 3),
        (30, 1, 400),
        (50, 3, 20, 20),
        (300, 1, 1),
        (99, 40),
        (500,),
        (1, 1, 1),
        (0, 4, 4),
        (4, 0, 4),
    ],
    ids=str,
)
def test_every_shape_comes_back(layout, shape):
    codes = np.random.default_rng(0).poisson(3, shape).astype("u2")
    assert layout.decode(layout.encode(codes)).tobytes() == codes.tobytes()


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("mean", [0.2, 2])
@pytest.mark.parametrize("extreme", ["both", "lowest", "highest"])
def test_extreme_values_come_back(layout, dtype, mean, extreme):
    codes = movie(mean).astype(dtype)
    if extreme != "highest":
        codes[5, 5, 5] = np.iinfo(dtype).min
    if extreme != "lowest":
        codes[6, 6, 6] = np.iinfo(dtype).max
    assert layout.decode(layout.encode(codes)).tobytes() == codes.tobytes()


@pytest.mark.parametrize(
    "turn", [np.asfortranarray, lambda x: x[::2, ::-1], lambda x: x.swapaxes(0, 2)]
)
def test_every_memory_order_comes_back(layout, turn):
    codes = turn(movie())
    codes.setflags(write=False)
    assert layout.decode(layout.encode(codes)).tobytes() == codes.tobytes()


@pytest.mark.parametrize(
    "codes",
    [movie(), movie().astype("f4"), np.zeros((100, 4, 4), "u2")],
    ids=["counts", "floats", "constant"],
)
def test_decode_fills_out(layout, codes):
    stored = layout.encode(codes).tobytes()
    out = np.empty_like(codes)
    decoded = layout.decode(stored, out=out)
    assert np.shares_memory(decoded, out)
    assert (out == codes).all()
    with pytest.raises(ValueError, match=r"out holds 6 bytes; the chunk has \d+"):
        layout.decode(stored, out=np.empty(3, "u2"))


@pytest.mark.parametrize("dtype", ["c16", "U3", "M8[s]", "O"])
def test_what_is_not_numbers_is_refused(layout, dtype):
    with pytest.raises(ValueError, match="they must be numbers of 1 to 8 bytes"):
        layout.encode(np.zeros((3, 2, 2), dtype))


def test_chunks_beyond_the_reach_of_blosc_are_refused(layout, monkeypatch):
    monkeypatch.setattr("dj_photon_codecs.layouts.chunks.MAX_BYTES", 1000)
    with pytest.raises(ValueError, match=r"of 1000 bytes is too large.* put fewer frames"):
        layout.encode(np.zeros((10, 10, 10), "u1"))
