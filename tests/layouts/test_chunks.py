"""Chunks of codes: which there may be, and samples of them."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.chunks import (
    DTYPES,
    check_chunk,
    count_varying,
    frames_repeat,
    room_for,
    sample_patches,
)

CODES = np.arange(600, dtype="<u2").reshape(6, 10, 10)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_codes_of_all_numbers_are_taken_as_they_are(dtype):
    codes = CODES.astype(dtype)
    checked = check_chunk(codes)
    np.testing.assert_array_equal(checked, codes, strict=True)


def test_codes_are_contiguous():
    checked = check_chunk(CODES[:, ::2])
    assert checked.flags.c_contiguous
    np.testing.assert_array_equal(checked, CODES[:, ::2], strict=True)


@pytest.mark.parametrize("dtype", ["c8", "c16", "S3", "M8[s]"])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(ValueError, match=r"codes are of dtype .*; they must be numbers"):
        check_chunk(np.zeros(4, dtype))


def test_the_last_frames_of_one_value_do_not_vary():
    frames = np.concatenate([CODES, np.full((4, 10, 10), 7, "u2")])
    assert count_varying(frames) == 6
    assert count_varying(frames[:6]) == 6
    assert count_varying(frames[6:]) == 0
    assert count_varying(frames[:0]) == 0


def test_frames_of_one_value_vary_before_frames_of_another():
    assert count_varying(np.array([[1, 1], [2, 2]])) == 1


def test_zeros_of_either_sign_are_two_values():
    assert count_varying(np.array([[0.0, 0.0], [-0.0, 0.0], [0.0, 0.0]])) == 2


@pytest.mark.parametrize("dtype", ["u1", "i8", "f4"])
def test_frames_repeat_if_any_two_are_the_same(dtype):
    frames = np.arange(60).reshape(5, 3, 4).astype(dtype)
    assert not frames_repeat(frames)
    frames[[1, 3]] = 7  # of one value
    assert not frames_repeat(frames)
    frames[4] = frames[0]
    assert frames_repeat(frames)
    assert not frames_repeat(frames[:, :0])


def test_codes_lie_where_they_are_wanted():
    out = bytearray(12)
    room_for(6, np.dtype("<u2"), out)[:] = 258
    assert bytes(out) == b"\x02\x01" * 6
    assert room_for(6, np.dtype("<u2"), None).shape == (6,)


def test_room_of_another_size_is_refused():
    with pytest.raises(ValueError, match="out holds 10 bytes; the chunk has 12"):
        room_for(6, np.dtype("<u2"), bytearray(10))


def test_samples_are_spread_over_the_frame():
    rows, columns = np.mgrid[:100, :200]
    where = np.broadcast_to(rows * 1000 + columns, (50, 100, 200))
    sample = sample_patches(where, 1 << 15, columns=16)
    seen = sample[0].ravel()
    assert sample.size == pytest.approx(1 << 15, rel=0.2)
    assert np.ptp(seen // 1000) > 70
    assert np.ptp(seen % 1000) > 140
    assert len(set(seen.tolist())) == seen.size


def test_a_sample_is_all_of_what_is_not_much_larger():
    assert sample_patches(CODES, 400, columns=4) is not CODES
    assert (sample_patches(CODES, 400, columns=4) == CODES).all()
