"""What the filters have in common that decode codes, under the contract of numcodecs."""

import json
import math
import pickle
import subprocess
import sys
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr

from dj_photon_codecs.photons.transform import anscombe, generalized_anscombe
from dj_photon_codecs.storage.filters.anscombe import AnscombeFilter
from dj_photon_codecs.storage.filters.linear import LinearFilter
from tests.movies_at_hand import BLOSC, FLOATS, INTEGERS, photon_counts

PLAIN = {"gain": 1.0, "offset": 0.0, "variance": 0.0}
CAMERA = {"gain": 50.0, "offset": 100.0, "variance": 400.0}

FILTERS = [
    *(AnscombeFilter(codes=codes) for codes in [*INTEGERS, *FLOATS]),
    *(AnscombeFilter(codes=codes, **CAMERA) for codes in ["<u2", "<i2", "<i4", "<f4"]),
]
VIEWS = [
    LinearFilter(codes="|u1", dtype="|b1"),
    LinearFilter(codes="|u1", dtype=">i8"),
    LinearFilter(codes="<i2", dtype="<f4", gain=50, offset=100, unit="photon"),
    LinearFilter(codes="<f4", dtype="<f4"),
]
every_filter = pytest.mark.parametrize("codec", FILTERS, ids=repr)
every_codec = pytest.mark.parametrize("codec", [*FILTERS, *VIEWS], ids=repr)

# config, the bytes of codes, the bytes of the float64 they decode to: what version 1.0 wrote
FROZEN = {
    "uint8": (
        {"id": "photon.anscombe", "codes": "|u1", **PLAIN, "step": None},
        "000102ff",
        "2e2109148e98f33fa7565459fcc202405906f7245ca8084017cf826ffef53f40",
    ),
    "int16 camera": (
        {"id": "photon.anscombe", "codes": "<i2", **CAMERA, "step": None},
        "9cff0000640058020f27",
        "240b7a380d2f14c012d4cf01ba7afcbfa8bf1372ee67f73f1675ae6954f71940d3aa378cd72d3c40",
    ),
    "float32": (
        {"id": "photon.anscombe", "codes": "<f4", **PLAIN, "step": None},
        "0000003f0000803f0000c842",
        "493f6811eaeefd3fa7565459fcc20240161ce14c97093440",
    ),
}


def codes_of(codec, *, size=1000, seed=0):
    """Every kind of code that a filter may meet, its extremes included."""
    dtype, rng = np.dtype(codec.codes), np.random.default_rng(seed)
    if dtype.kind == "f":
        return rng.normal(3, 10, size).astype(dtype)
    if getattr(codec, "dtype", None) == "|b1":
        return rng.integers(0, 2, size).astype(dtype)
    limits = np.iinfo(dtype)
    some = rng.integers(limits.min, limits.max, size, dtype, endpoint=True)
    return np.concatenate([np.array([limits.min, limits.max, 0, 1], dtype), some])


def check_encode_decode(codec, codes):
    values = codec.decode(codes)
    for buffer in [codes, codes.tobytes(), bytearray(codes.tobytes()), memoryview(codes)]:
        np.testing.assert_array_equal(codec.decode(buffer), values, strict=True)

    encoded = codec.encode(values)
    assert encoded.dtype == np.dtype(codec.codes)
    np.testing.assert_array_equal(codec.decode(encoded), values, strict=True)
    np.testing.assert_array_equal(codec.encode(values.tobytes()), encoded, strict=True)
    chunk = values.reshape(-1, 2)
    for same in [chunk, np.asfortranarray(chunk)]:
        np.testing.assert_array_equal(codec.encode(same), encoded.reshape(-1, 2), strict=True)


def check_config(codec):
    config = json.loads(json.dumps(codec.get_config(), allow_nan=False))
    assert numcodecs.get_codec(config) == codec


def check_repr(codec):
    assert eval(repr(codec)) == codec  # noqa: S307


def check_backwards_compatibility(config, stored, decoded):
    codec = numcodecs.get_codec(config)
    assert codec.decode(bytes.fromhex(stored)).tobytes().hex() == decoded
    assert codec.encode(bytes.fromhex(decoded)).tobytes().hex() == stored


# ---------------------------------------------------------------------------- the kit


@every_filter
def test_encode_decode(codec):
    check_encode_decode(codec, codes_of(codec))


@every_codec
def test_config(codec):
    check_config(codec)


@every_codec
def test_repr(codec):
    check_repr(codec)


@pytest.mark.parametrize(("config", "stored", "decoded"), FROZEN.values(), ids=FROZEN)
def test_backwards_compatibility(config, stored, decoded):
    check_backwards_compatibility(config, stored, decoded)


# ---------------------------------------------------------------------------- decoding


@every_filter
def test_codes_decode_to_their_transform(codec):
    codes = codes_of(codec)
    parameters = {name: getattr(codec, name) for name in PLAIN}

    np.testing.assert_array_equal(
        codec.decode(codes), generalized_anscombe(codes, **parameters), strict=True
    )


def test_every_small_code_is_looked_up_where_it_belongs():
    for codes in ["|u1", "|i1", "<u2", "<i2"]:
        limits = np.iinfo(codes)
        every = np.arange(limits.min, limits.max + 1, dtype=codes)[::-1].copy()

        np.testing.assert_array_equal(AnscombeFilter(codes=codes).decode(every), anscombe(every))


@every_codec
def test_out_receives_the_values(codec):
    codes = codes_of(codec)
    expected = codec.decode(codes)
    out = np.zeros(expected.size, expected.dtype)

    returned = codec.decode(codes, out=out)

    assert np.shares_memory(returned, out)
    np.testing.assert_array_equal(out, expected, strict=True)


@every_codec
def test_out_may_be_bytes_or_have_a_shape(codec):
    codes = codes_of(codec)[:24]
    expected = codec.decode(codes)
    shaped, raw = np.zeros((4, 6), expected.dtype), bytearray(expected.nbytes)

    codec.decode(codes, out=shaped)
    codec.decode(codes, out=raw)

    np.testing.assert_array_equal(shaped.ravel(), expected)
    assert bytes(raw) == expected.tobytes()


@every_codec
@pytest.mark.parametrize("size", [0, 9, 11])
def test_out_of_another_size_is_refused(codec, size):
    codes = codes_of(codec)[:10]
    out = np.zeros(size, codec.decode(codes).dtype)

    with pytest.raises(ValueError, match=f"out holds {out.nbytes} bytes; the chunk has"):
        codec.decode(codes, out=out)


def test_a_damaged_length_is_refused():
    with pytest.raises(ValueError, match="a chunk of 3 bytes is not a whole number of <u2 values"):
        AnscombeFilter(codes="<u2").decode(b"abc")


@every_codec
def test_nothing_decodes_to_nothing(codec):
    assert codec.decode(b"").size == 0


# ---------------------------------------------------------------------------- encoding


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (1.0, r"1\.0 is not the transform of any uint8 value"),
        (100.0, r"100\.0 is not the transform of any uint8 value"),
        (math.nan, "NaN has no uint8 code; give the array a fill_value"),
    ],
)
def test_only_transforms_of_codes_are_encoded(y, message):
    with pytest.raises(ValueError, match=message):
        AnscombeFilter(codes="|u1").encode(np.array([anscombe(3), y]))


def test_floating_codes_keep_nan():
    codec = AnscombeFilter(codes="<f4")

    assert np.isnan(codec.decode(codec.encode(np.array([math.nan])))).all()


def test_chunks_keep_their_shape_when_encoded():
    y = anscombe(np.arange(24).reshape(2, 3, 4))

    assert AnscombeFilter(codes="|u1").encode(y).shape == (2, 3, 4)


# ---------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"codes": ">u2"}, "codes is '>u2'; it must be a dtype of little-endian integers or float"),
        ({"codes": "|b1"}, "codes is '|b1'"),
        ({"codes": "<c8"}, "codes is '<c8'"),
        ({"codes": "<U3"}, "codes is '<U3'"),
        ({"codes": "|O"}, r"codes is '\|O'"),
        ({"codes": "<f4", "step": 0.5}, "codes is '<f4'; .* little-endian integers$"),
        ({"codes": None}, "codes is None"),
        ({"codes": "|u1", "gain": 0}, r"gain is 0\.0"),
        ({"codes": "|u1", "gain": 10**400}, "gain is inf; it must be finite"),
        ({"codes": "|u1", "step": 10**400}, "step is 10+; it must be 0 < step <= 1"),
        ({"codes": "|u1", "offset": math.nan}, "offset is nan"),
        ({"codes": "|u1", "variance": -1}, r"variance is -1\.0"),
    ],
    ids=str,
)
def test_parameters_out_of_range_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        AnscombeFilter(**wrong)


@pytest.mark.parametrize("wrong", ["1", True, None, [2.0], 1j], ids=str)
@pytest.mark.parametrize("name", ["gain", "offset", "variance"])
def test_parameters_that_are_no_numbers_are_refused(name, wrong):
    with pytest.raises(TypeError, match=f"{name} is .*; it must be a real number"):
        AnscombeFilter("|u1", **{name: wrong})


def test_parameters_are_plain_json_whatever_they_were():
    other: dict[str, Any] = {"codes": np.dtype("u2"), "gain": np.float32(2), "offset": np.int64(3)}

    assert json.loads(json.dumps(AnscombeFilter(**other, variance=4).get_config())) == {
        "id": "photon.anscombe",
        "codes": "<u2",
        "gain": 2.0,
        "offset": 3.0,
        "variance": 4.0,
        "step": None,
    }


@every_codec
def test_pickle_carries_the_configuration_only(codec):
    fresh = len(pickle.dumps(codec))
    codec.decode(codes_of(codec))

    assert len(pickle.dumps(codec)) == fresh
    assert fresh < 500
    assert pickle.loads(pickle.dumps(codec)) == codec


# ---------------------------------------------------------------------------- views


def test_views_decode_to_inserted_values_or_to_photons():
    codes = np.array([50, 100, 600], "<i2")
    camera: dict[str, Any] = {"codes": "<i2", "gain": 50.0, "offset": 100.0}

    adu = LinearFilter(**camera, dtype=">i4").decode(codes)
    photons = LinearFilter(**camera, dtype="<f4", unit="photon").decode(codes)

    np.testing.assert_array_equal(adu, np.array([50, 100, 600], ">i4"), strict=True)
    np.testing.assert_array_equal(photons, np.array([-1, 0, 10], "<f4"), strict=True)


def test_photons_of_unsigned_codes_do_not_wrap():
    photons = LinearFilter(codes="<u8", dtype="<f4", gain=2, offset=10, unit="photon")

    assert photons.decode(np.array([0, 2**40], "u8")).tolist() == [-5, 2**39]


@pytest.mark.parametrize("codec", VIEWS, ids=repr)
def test_views_are_for_reading_only(codec):
    with pytest.raises(ValueError, match="views of a stored movie, for reading only"):
        codec.encode(np.zeros(3))


def test_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="unit is 'electron'; it must be 'ADU' or 'photon'"):
        LinearFilter(codes="|u1", dtype="<f4", unit="electron")  # type: ignore[arg-type]


# ---------------------------------------------------------------------------- zarr, by itself


@pytest.mark.parametrize("codec", FILTERS, ids=repr)
def test_plain_zarr_writes_and_reads_through_the_filter(codec, tmp_path):
    codes = codes_of(codec)[: 10 * 4 * 5].reshape(10, 4, 5)
    transformed = codec.decode(codes).reshape(codes.shape)
    array = zarr.create_array(
        tmp_path / "movie.zarr",
        shape=codes.shape,
        chunks=(4, 4, 5),  # the last chunk is padded with the fill value
        dtype="float64",
        zarr_format=2,
        filters=[codec],
        compressors=[BLOSC],
        fill_value=float(transformed[0, 0, 0]),
    )
    array[:] = transformed

    read = zarr.open_array(tmp_path / "movie.zarr", mode="r")

    assert read.filters == (codec,)
    np.testing.assert_array_equal(read[:], transformed, strict=True)


def test_fill_value_that_has_no_code_is_refused(tmp_path):
    array = zarr.create_array(
        tmp_path / "movie.zarr",
        shape=(3, 2, 2),
        chunks=(2, 2, 2),
        dtype="float64",
        zarr_format=2,
        filters=[AnscombeFilter(codes="|u1")],
        fill_value=math.nan,
    )
    with pytest.raises(ValueError, match="NaN has no uint8 code; give the array a fill_value"):
        array[:] = anscombe(photon_counts((3, 2, 2)))


@pytest.mark.parametrize("codec", [FILTERS[0], VIEWS[0]], ids=repr)
def test_numcodecs_finds_the_filter_through_its_entry_point(codec):
    program = f"import numcodecs; print(numcodecs.get_codec({codec.get_config()!r}))"

    found = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert found.stdout.strip() == repr(codec)
