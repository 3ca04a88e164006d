"""Buffers of codes: which are taken, and where codes are put."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.buffers import DTYPES, check_codes, room_for

CODES = np.arange(600, dtype="<u2").reshape(6, 10, 10)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_codes_of_all_numbers_are_taken_as_they_are(dtype):
    codes = CODES.astype(dtype)
    checked = check_codes(codes)
    np.testing.assert_array_equal(checked, codes, strict=True)


def test_codes_of_any_strides_are_put_in_their_order():
    checked = check_codes(CODES[:, ::2])
    assert checked.flags.c_contiguous
    np.testing.assert_array_equal(checked, CODES[:, ::2], strict=True)


def test_of_an_array_in_f_order_the_memory_is_taken():
    codes = np.asfortranarray(CODES)
    assert check_codes(codes).tobytes() == codes.tobytes(order="A")
    assert np.shares_memory(check_codes(codes), codes)


@pytest.mark.parametrize("dtype", ["M8[s]", ">M8[ns]", "m8[D]"])
def test_dates_are_taken_for_integers(dtype):
    codes = np.array(["NaT", 3, -5], dtype)
    checked = check_codes(codes)
    assert checked.dtype.kind == "i"
    assert checked.dtype.byteorder == codes.dtype.byteorder
    assert checked.tolist() == [-(2**63), 3, -5]


@pytest.mark.parametrize("dtype", ["c8", "c16", "S3", "U3", "O", "g", "u2,u2"])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(TypeError, match=r"codes are of dtype .*; they must be numbers of 1 to 8"):
        check_codes(np.zeros(4, dtype))


def test_codes_lie_where_they_are_wanted():
    out = bytearray(12)
    room_for(6, np.dtype("<u2"), out)[:] = 258
    assert bytes(out) == b"\x02\x01" * 6
    assert room_for(6, np.dtype("<u2"), None).shape == (6,)


def test_room_of_another_size_is_refused():
    with pytest.raises(ValueError, match="out holds 10 bytes; the chunk has 12"):
        room_for(6, np.dtype("<u2"), bytearray(10))


def test_room_that_cannot_be_written_is_refused():
    with pytest.raises(ValueError, match="out is read-only"):
        room_for(6, np.dtype("<u2"), bytes(12))
    with pytest.raises(ValueError, match="contiguous"):
        room_for(6, np.dtype("<u2"), np.zeros(12, "u2")[::2])


def test_objects_are_no_room():
    with pytest.raises(TypeError, match="object"):
        room_for(6, np.dtype("<u8"), np.zeros(6, object))
