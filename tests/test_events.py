"""Rare codes are listed by what is between them."""

import numpy as np
import pytest

from dj_photon_codecs.events import LONG, EventReader, Events, list_events, mark_counts


def listed(codes: np.ndarray, sizes: list[int], base: int = 0) -> Events:
    pixels = sum(sizes)
    base_of_each = np.full(pixels, base, codes.dtype)
    return list_events(codes, np.array(sizes), order=np.arange(pixels), base=base_of_each)


def restored(events: Events, sizes: list[int], codes: np.ndarray) -> np.ndarray:
    frames = len(codes)
    reader = EventReader(events, np.array(sizes), order=np.arange(sum(sizes)), frames=frames)
    target = np.zeros_like(codes)
    reader.add(range(frames), target=target)
    return target


def test_gaps_run_on_from_frame_to_frame_and_anew_in_each_class():
    codes = np.array([[1, 0, 0, 2], [0, 0, 1, 0]], "u1")
    events = listed(codes, [3, 1])
    assert events.counts.tolist() == [2, 1]
    assert events.bytes.tolist() == [0, 2 * 4, 1]
    assert events.jumps.tolist() == [0]


@pytest.mark.parametrize("gap", [0, 1, LONG - 1, LONG, LONG + 1, 5000])
def test_gaps_of_any_length(gap):
    codes = np.zeros((2, 3000), "u2")
    codes.reshape(-1)[gap] = 1
    events = listed(codes, [3000])
    assert events.bytes.tolist() == [2 * min(gap, LONG)]
    assert events.gaps.tolist() == ([gap - LONG] if gap >= LONG else [])
    assert (restored(events, [3000], codes) == codes).all()


@pytest.mark.parametrize("value", [1, 2, 3, 256, 257, 258, 65535])
def test_values_of_any_size(value):
    codes = np.array([[0, value]], "u2")
    assert (restored(listed(codes, [2]), [2], codes) == codes).all()


@pytest.mark.parametrize("rate", [0, 0.001, 0.1, 1])
def test_listed_codes_are_exact(rate):
    codes = np.random.default_rng(0).poisson(rate, (50, 700)).astype("u2")
    events = listed(codes, [300, 0, 400])
    assert mark_counts(events.bytes) == (events.gaps.size, events.jumps.size)
    assert (restored(events, [300, 0, 400], codes) == codes).all()


def test_codes_are_relative_to_the_base():
    codes = np.array([[7, 7, 8]], "u1")
    assert listed(codes, [3], base=7).bytes.tolist() == [2 * 2]


def test_nothing_listed():
    assert listed(np.zeros((4, 5), "u1"), []).bytes.size == 0
    assert listed(np.zeros((4, 5), "u1"), [5]).counts.tolist() == [0]


def test_entropy_of_the_list_is_that_of_the_photons():
    rate = 0.1
    codes = np.random.default_rng(1).poisson(rate, (100, 10_000)).astype("u1")
    events = listed(codes, [10_000])
    share = np.bincount(events.bytes) / events.bytes.size
    share = share[share > 0]
    bits = -(share * np.log2(share)).sum() * events.bytes.size / codes.size
    assert bits == pytest.approx(0.4814, rel=0.01)  # of Poisson, rate 0.1


def test_events_beyond_the_end_are_refused():
    codes = np.ones((2, 3), "u1")
    events = listed(codes, [3])
    late = events._replace(bytes=np.full(6, 2, "u1"))
    with pytest.raises(ValueError, match="an event at 11 of 6 codes"):
        restored(late, [3], codes)
    far = events._replace(bytes=np.full(6, 2 * LONG, "u1"), gaps=np.full(6, 2**64 - 1, "u8"))
    with pytest.raises(ValueError, match="damaged chunk: an event"):
        restored(far, [3], codes)
