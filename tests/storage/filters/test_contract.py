"""The filters under the kit of numcodecs' contract, and fed with what a filter does not expect."""

import array
import json
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr

from dj_photon_codecs.photons.transform import anscombe, generalized_anscombe
from dj_photon_codecs.storage.filters.anscombe import AnscombeFilter
from dj_photon_codecs.storage.filters.checksum import ChecksumFilter
from dj_photon_codecs.storage.filters.linear import LinearFilter
from tests.codec_kit import check_objects_are_refused, check_round_trips
from tests.movies_at_hand import BLOSC, FLOATS, INTEGERS

COUNTS = np.random.default_rng(0).integers(0, 100, (30, 4, 5))
ORDERS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "strided": lambda values: np.repeat(values, 2, axis=2)[:, :, ::2],
    "reversed": lambda values: values[::-1].copy()[::-1],
    "transposed": lambda values: np.ascontiguousarray(values.T).T,
    "flat": np.ravel,
}
every_order = pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
every_code = pytest.mark.parametrize("codes", [*INTEGERS, *FLOATS])

RAW = {
    "integers": np.arange(1000, dtype="i4"),
    "floats": np.linspace(1000, 1001, 1000, dtype="f8"),
    "C": np.random.default_rng(0).normal(1000, 1, (100, 10)),
    "F": np.asfortranarray(np.random.default_rng(0).normal(1000, 1, (100, 10))),
    "cube": np.random.default_rng(0).integers(0, 9, (7, 5, 3), "u8"),
    "bytes": np.arange(13, dtype="u1"),
    "bools": np.random.default_rng(0).integers(0, 2, 777).astype(bool),
    "big-endian": np.arange(777, dtype=">u2"),
    "dates": np.arange(50).astype("M8[ns]"),
    "text": np.array([b"abc", b"d"] * 9, "S3"),
    "records": np.zeros(11, [("a", "u1"), ("b", "<f8")]),
    "none": np.zeros(0, "u2"),
}


# ---------------------------------------------------------------------------- numcodecs' contract


@pytest.mark.parametrize("values", RAW.values(), ids=RAW)
def test_the_checksum_passes_the_kit(values):
    check_round_trips(values, ChecksumFilter())


@pytest.mark.parametrize(
    ("codes", "step"),
    [(codes, step) for codes in INTEGERS for step in (None, 0.5)] + [(f, None) for f in FLOATS],
)
@pytest.mark.parametrize("order", [np.ascontiguousarray, np.asfortranarray], ids=["C", "F"])
def test_the_transform_passes_the_kit(codes, order, step):
    codec = AnscombeFilter(codes=codes, step=step)
    values = codec.decode(COUNTS.astype(codes)).reshape(COUNTS.shape)

    check_round_trips(order(values), codec)


def test_arrays_of_objects_are_refused():
    check_objects_are_refused(ChecksumFilter())
    with pytest.raises(TypeError, match="object"):
        AnscombeFilter("|u1", step=0.5).encode(np.array(["a", "b"], object))


@pytest.mark.parametrize(
    "codec",
    [ChecksumFilter(), AnscombeFilter("<i2", step=0.5), LinearFilter("<u2", "<f4", unit="photon")],
    ids=lambda codec: codec.codec_id,
)
def test_configurations_are_json_from_which_an_equal_codec_is_made(codec):
    config = json.loads(json.dumps(codec.get_config(), allow_nan=False))

    assert numcodecs.get_codec(config) == codec
    assert eval(repr(codec)) == codec  # noqa: S307


# ---------------------------------------------------------------------------- what encode is given


@every_order
@pytest.mark.parametrize("dtype", [">f8", "f4", "f2", "i8", ">i8", "u8", "i4", ">u2", "u1", "?"])
def test_values_of_another_dtype_than_the_decoded_ones_are_refused(dtype, order):
    values = order((COUNTS % 2).astype(dtype))

    with pytest.raises(TypeError, match=r"of dtype .* would read back as other .* dtype='<f8'"):
        AnscombeFilter("|u1", step=0.5).encode(values)


@every_code
@every_order
def test_codes_keep_the_shape_and_the_order_of_the_values(codes, order):
    expected = order(COUNTS.astype(codes))
    values = generalized_anscombe(expected, 30, 100, 81)

    encoded = AnscombeFilter(codes, gain=30, offset=100, variance=81).encode(values)

    np.testing.assert_array_equal(encoded, expected)
    assert encoded.dtype == np.dtype(codes)


@pytest.mark.parametrize(
    "hold", [bytes, bytearray, memoryview, lambda raw: array.array("b", raw)], ids=str
)
def test_bytes_that_are_no_array_are_those_of_float64(hold):
    codec = AnscombeFilter("|u1")
    values = codec.decode(COUNTS.astype("u1"))

    np.testing.assert_array_equal(codec.encode(hold(values.tobytes())), COUNTS.ravel())


@pytest.mark.parametrize("hold", [memoryview, lambda values: array.array("d", values)], ids=str)
def test_buffers_of_numbers_are_those_numbers(hold):
    codec = AnscombeFilter("|u1")
    values = codec.decode(COUNTS.astype("u1"))

    np.testing.assert_array_equal(codec.encode(hold(values)), COUNTS.ravel())


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (np.array([1j]), TypeError, "values are of dtype complex128"),
        (np.array(["2020"], "M8[Y]"), TypeError, "takes float64"),
        (np.array(["a"]), TypeError, "values are of dtype <U1"),
        (np.array([None]), TypeError, "values are of dtype object"),
        (b"1234567", ValueError, "7 bytes is not a whole number of <f8 values"),
        (np.array([1.0, np.nan]), ValueError, "do not fit|NaN"),
        (np.array([1.0, np.inf]), ValueError, "do not fit|not the transform"),
        (np.array([-1.0]), ValueError, "do not fit|not the transform"),
        (np.array([1e300]), ValueError, "do not fit|not the transform"),
    ],
    ids=str,
)
@pytest.mark.parametrize("step", [None, 0.5])
def test_values_that_have_no_code_are_refused(step, values, error, message):
    with pytest.raises(error, match=message):
        AnscombeFilter("|u1", step=step).encode(values)


def test_the_codes_of_whole_numbers_beyond_2_to_53_are_exact_where_float64_is():
    values = np.array([2**60, 2**53, -(2**63)])

    codes = AnscombeFilter("<i8", step=1.0).encode(values.astype("f8"))

    np.testing.assert_array_equal(codes, values)


# ---------------------------------------------------------------------------- what decode is given


@every_code
@every_order
def test_codes_decode_from_any_buffer_into_any_room(codes, order):
    stored = order(COUNTS.astype(codes))
    expected = anscombe(stored.ravel("K"))
    codec = AnscombeFilter(codes)
    if not (stored.flags.c_contiguous or stored.flags.f_contiguous):
        with pytest.raises(ValueError, match="contiguous"):
            codec.decode(stored)
        return

    for buffer in (stored, stored.tobytes("A"), bytearray(stored.tobytes("A")), memoryview(stored)):
        np.testing.assert_array_equal(codec.decode(buffer), expected, strict=True)
        rooms: list[Any] = [np.empty(expected.shape), bytearray(expected.nbytes)]
        rooms += [np.empty(expected.nbytes, "u1"), array.array("d", bytes(expected.nbytes))]
        rooms += [np.empty(COUNTS.shape), np.empty(COUNTS.shape, order="F")]
        for out in rooms:
            codec.decode(buffer, out=out)
            written = np.frombuffer(out) if not isinstance(out, np.ndarray) else out
            np.testing.assert_array_equal(written.ravel("K").view("f8"), expected)


@pytest.mark.parametrize("dtype", ["i8", ">f8", "f4", "M8[ns]", "O"])
def test_a_room_of_another_dtype_is_refused(dtype):
    out = np.zeros(3, dtype)

    with pytest.raises(TypeError, match=r"out is of dtype .*; the values are float64"):
        AnscombeFilter("|u1").decode(b"abc", out=out)


def test_a_room_that_cannot_be_written_is_refused():
    out = np.zeros(3)
    out.flags.writeable = False

    with pytest.raises(ValueError, match="out is read-only; pass a buffer"):
        AnscombeFilter("|u1").decode(b"abc", out=out)


def test_codes_may_lie_in_the_room_for_their_values():
    codes = np.random.default_rng(0).integers(0, 256, 300_000).astype("u1")
    room = np.zeros(8 * codes.size + 8, "u1")
    for place in (0, 8, 7 * codes.size, 8 * codes.size - 1000):
        stored = room[place : place + codes.size]
        stored = stored[: len(stored) // 8 * 8]
        stored[:] = codes[: stored.size]
        out = room[: 8 * stored.size]

        AnscombeFilter("|u1").decode(stored, out=out)

        np.testing.assert_array_equal(out.view("f8"), anscombe(codes[: stored.size]))


# ---------------------------------------------------------------------------- Zarr


@pytest.mark.parametrize("dtype", ["i8", "u8", ">f8"])
def test_a_plain_zarr_array_of_another_dtype_is_never_written(dtype):
    array = zarr.create_array(
        zarr.storage.MemoryStore(),
        shape=(8,),
        chunks=(4,),
        dtype=dtype,
        zarr_format=2,
        filters=[AnscombeFilter("|u1", step=0.5)],
        fill_value=1,
    )

    with pytest.raises(TypeError, match="would read back as other numbers"):
        array[:] = np.arange(1, 9).astype(dtype)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("step", [None, 0.5])
def test_plain_zarr_writes_and_reads_both_orders(order, step, tmp_path):
    codec = AnscombeFilter("<u2", step=step)
    values = codec.decode(COUNTS.astype("u2")).reshape(COUNTS.shape)
    created = zarr.create_array(
        tmp_path / "movie.zarr",
        shape=values.shape,
        chunks=(7, 4, 5),
        dtype="f8",
        order=order,
        zarr_format=2,
        filters=[codec, ChecksumFilter()],
        compressors=[BLOSC],
        fill_value=float(values.flat[0]),
    )

    created[:] = values

    read = zarr.open_array(tmp_path / "movie.zarr", mode="r")
    np.testing.assert_array_equal(read[:], values)
    np.testing.assert_array_equal(read[3], values[3])
