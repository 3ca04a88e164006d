"""Samples are spread over the frame; frames of one value and frames that repeat are seen."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.sampling import count_varying, frames_repeat, sample_patches

CODES = np.arange(600, dtype="<u2").reshape(6, 10, 10)


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
