"""What every layout promises, by numcodecs' contract and by Zarr: all codes come back."""

import mmap
import pickle

import numpy as np
import pytest
import zarr

from dj_photon_codecs.layouts.dense.layout import DenseLayout
from dj_photon_codecs.layouts.grouped.layout import GroupedLayout
from dj_photon_codecs.layouts.layout import Layout
from tests.codec_kit import (
    check_configuration,
    check_dtype,
    check_objects_are_refused,
    check_round_trips,
)

pytestmark = pytest.mark.usefixtures("backend")

INTEGERS = ["|u1", "<u2", "<u4", "<u8", "|i1", "<i2", "<i4", "<i8"]
DTYPES = [*INTEGERS, "<f2", "<f4", "<f8", "|b1", ">u2", ">i4", ">f8"]


@pytest.fixture(params=[GroupedLayout(), DenseLayout()], ids=repr)
def layout(request):
    return request.param


def movie(mean=2.0, shape=(30, 24, 20)):
    """Counts whose rate differs from pixel to pixel."""
    rates = mean * np.geomspace(0.3, 3, shape[-1]) * np.geomspace(0.6, 1.7, shape[-2])[:, None]
    return np.random.default_rng(0).poisson(rates, shape).astype("<u2")


# ---------------------------------------------------------------------------- numcodecs


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_passes_the_kit(layout, dtype):
    codes = movie(shape=(12, 9, 10)).astype(dtype)
    check_round_trips(codes, layout)
    check_dtype(codes, layout)


@pytest.mark.parametrize("dtype", ["<M8[ns]", "<m8[s]", ">M8[D]"])
def test_dates_come_back(layout, dtype):
    codes = movie(shape=(12, 9, 10)).astype("i8").view(dtype)
    codes[3, 3, 3] = "NaT"
    check_round_trips(codes, layout)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [
        (),
        (1,),
        (500,),
        (99, 40),
        (100, 8, 8),
        (1, 5, 5),
        (1, 90, 70),
        (7, 30, 30),
        (2, 30, 30),
        (30, 3, 200),
        (30, 200, 3),
        (30, 1, 400),
        (300, 1, 1),
        (1, 1, 1),
        (50, 3, 20, 20),
        (9, 2, 3, 4, 5),
        (0,),
        (0, 4, 4),
        (4, 0, 4),
        (4, 4, 0),
    ],
    ids=str,
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_shape_and_order_passes_the_kit(layout, shape, order):
    codes = np.asarray(np.random.default_rng(0).poisson(3, shape), "u2", order=order)
    check_round_trips(codes, layout)
    check_dtype(codes, layout)


@pytest.mark.parametrize("turn", [lambda x: x[::2, ::-1], lambda x: x.swapaxes(0, 1)])
def test_codes_of_any_strides_come_back_in_their_order(layout, turn):
    codes = turn(movie())
    codes.setflags(write=False)
    assert layout.decode(layout.encode(codes)).tobytes() == codes.tobytes()


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_maps_and_views_are_buffers(layout, order, tmp_path):
    codes = np.asarray(movie(shape=(20, 9, 10)), order=order)
    (tmp_path / "stored").write_bytes(layout.encode(codes).tobytes())
    (tmp_path / "room").write_bytes(bytes(codes.nbytes))
    with (
        (tmp_path / "stored").open("rb") as stored_file,
        (tmp_path / "room").open("r+b") as room_file,
        mmap.mmap(stored_file.fileno(), 0, access=mmap.ACCESS_READ) as stored,
        mmap.mmap(room_file.fileno(), 0) as room,
    ):
        assert bytes(layout.decode(memoryview(stored))) == codes.tobytes(order="A")
        layout.decode(stored, out=room)
        assert bytes(room) == codes.tobytes(order="A")
    assert layout.encode(memoryview(movie())).tobytes() == layout.encode(movie()).tobytes()


def test_what_is_no_number_is_refused(layout):
    check_objects_are_refused(layout)
    for dtype in ("c8", "c16", "U3", "u1,u1"):
        with pytest.raises(TypeError, match="they must be numbers of 1 to 8 bytes"):
            layout.encode(np.zeros((3, 2, 2), dtype))


def test_configuration(layout):
    check_configuration(layout)
    assert pickle.loads(pickle.dumps(layout)) == layout
    assert eval(repr(layout)) == layout  # noqa: S307 - that is what repr promises
    assert layout.get_config() == {"id": layout.codec_id}


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


@pytest.mark.parametrize("codes", [movie(), movie().astype("f4"), movie(shape=(2, 5, 5))])
@pytest.mark.parametrize("place", [0, 8])
def test_a_chunk_may_lie_in_the_room_for_its_codes(layout, codes, place):
    stored = np.frombuffer(bytes(layout.encode(codes)), "u1")
    memory = np.zeros(place + max(stored.size, codes.nbytes), "u1")
    memory[: stored.size] = stored

    out = memory[place : place + codes.nbytes]
    layout.decode(memory[: stored.size], out=out)

    np.testing.assert_array_equal(out.view(codes.dtype), codes.ravel())


def test_chunks_beyond_the_reach_of_blosc_are_refused(layout, monkeypatch):
    monkeypatch.setattr("dj_photon_codecs.layouts.buffers.MAX_BYTES", 1000)
    with pytest.raises(ValueError, match=r"of 1000 bytes is too large.* put fewer frames"):
        layout.encode(np.zeros((10, 10, 10), "u1"))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("mean", [0.2, 2])
@pytest.mark.parametrize("extreme", ["both", "lowest", "highest"])
def test_extreme_values_come_back(layout, dtype, mean, extreme):
    codes = movie(mean, (20, 12, 10)).astype(dtype)
    if extreme != "highest":
        codes[5, 5, 5] = np.iinfo(dtype).min
    if extreme != "lowest":
        codes[6, 6, 6] = np.iinfo(dtype).max
    assert layout.decode(layout.encode(codes)).tobytes() == codes.tobytes()


# ---------------------------------------------------------------------------- Zarr


@pytest.mark.slow
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", "<u2", ">i4", "f4", "bool", "<M8[ns]"])
@pytest.mark.parametrize("shape", [(23, 9, 10), (23, 40), (23, 2, 5, 6)], ids=str)
def test_zarr_arrays_of_either_order_come_back(layout, order, dtype, shape):
    values = np.random.default_rng(0).poisson(3, shape).astype("i8").astype(dtype)
    array = zarr.create_array(
        {},
        shape=shape,
        chunks=(10, *shape[1:]),
        dtype=dtype,
        zarr_format=2,
        order=order,
        filters=[layout],
        fill_value=values.reshape(-1)[0],
    )
    array[:] = values
    np.testing.assert_array_equal(array[:], values, strict=True)
    np.testing.assert_array_equal(array[7:13, 3:5], values[7:13, 3:5], strict=True)


# ---------------------------------------------------------------------------- opened


def changing(shape=(30, 12, 20)):
    """Counts that double in the middle of a movie: photon.dense predicts them from each other."""
    counts = movie(20.0, shape)
    counts[shape[0] // 2 :] += movie(20.0, shape)[: shape[0] // 2]
    return counts


OPENED = {
    "counts": movie(shape=(30, 12, 10)),
    "changing": changing(),
    "floats": movie(shape=(30, 12, 10)).astype("f4"),
    "big-endian": movie(shape=(30, 12, 10)).astype(">u2"),
    "constant": np.full((30, 12, 10), 7, "i2"),
    "constant at the end": np.concatenate([movie(shape=(20, 12, 10)), np.zeros((10, 12, 10))]),
    "repeated": np.repeat(movie(shape=(15, 12, 10)), 2, axis=0),
    "4-D": movie(shape=(30, 2, 6, 10)),
    "one frame": movie(shape=(1, 12, 10)),
}


@pytest.mark.parametrize("codes", OPENED.values(), ids=OPENED)
def test_an_open_chunk_gives_no_frames_where_none_are_asked_for(layout, codes):
    stored, pixels = layout.encode(codes), codes[0].size
    for at in (0, len(codes)):
        assert layout.open(stored).frames(at, at).shape == (0, pixels)
        assert layout.open(stored).pixels(np.array([1, 3, 5]), range(at, at)).shape == (0, 3)
        out = np.empty((0, pixels), codes.dtype)
        assert layout.open(stored).frames(at, at, out=out) is out


@pytest.mark.parametrize("codes", OPENED.values(), ids=OPENED)
def test_an_open_chunk_gives_frames_and_pixels(layout, codes):
    assert isinstance(layout, Layout)
    chunk = layout.open(layout.encode(codes).tobytes())
    flat = codes.reshape(len(codes), -1)
    assert (chunk.shape, chunk.dtype) == (flat.shape, flat.dtype)
    pixels = np.array([3, 57, 100])
    for start, stop in [(0, len(flat)), (len(flat) // 2, len(flat)), (0, 1)]:
        np.testing.assert_array_equal(chunk.frames(start, stop), flat[start:stop], strict=True)
        np.testing.assert_array_equal(
            chunk.pixels(pixels, range(start, stop)), flat[start:stop, pixels], strict=True
        )
        out = np.empty((stop - start, flat.shape[1]), flat.dtype)
        assert chunk.frames(start, stop, out=out) is out
        np.testing.assert_array_equal(out, flat[start:stop])
