"""Codes that do not fit are listed by what is between them."""

from typing import Any

import numpy as np
import pytest

from dj_photon_codecs.layouts.grouped.events import Events, find_events
from dj_photon_codecs.layouts.grouped.grouping import Kind
from dj_photon_codecs.layouts.grouped.unpacking import _places
from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.kernels.reference_grouped import unpack_places

pytestmark = pytest.mark.usefixtures("backend")

SHAPE = (20, 30)


def events(*, frame: int = 2, gap: int = 3, excess: int = 1) -> Events:
    """One event, in one of twenty frames of thirty pixels."""
    counts = np.bincount([frame], minlength=SHAPE[0])
    return Events(counts, np.array([frame * SHAPE[1] + gap]), np.array([excess], "u1"))


def as_told(each: Events, kind: Kind) -> tuple[Any, ...]:
    """Return what `unpack_frames` is told of a chunk of events only, of fifty pixels a frame."""
    ends = np.append(0, np.cumsum(each.counts)).astype("u8")[np.newaxis]
    places = _places(each.gaps, each.counts, kind, pixels=50).astype("u8")
    excess = each.excess.astype("u2") << (kind.bits + kind.low)
    base, place, none = np.zeros(50, "u2"), np.arange(50, dtype="u4"), np.zeros(0, "u1")
    planes = np.zeros((0, 5), "u8")
    return SHAPE[0], none, planes, base, place, ends, places, excess, np.zeros(0, "u2")


def added(each: Events, kind: Kind, frames: range) -> np.ndarray:
    codes = np.zeros((len(frames), 50), "u2")
    kernel().unpack_frames(frames.start, frames.stop, *as_told(each, kind), codes)
    return codes


@pytest.mark.parametrize(("bits", "expected"), [(0, [0, 1, 2, 5]), (2, [2, 5]), (7, [5]), (8, [])])
def test_what_does_not_fit_is_found(bits, expected):
    codes = np.array([[1, 2, 4], [0, 0, 255]], "u1")
    at, excess = find_events(codes, bits=bits, before=100)
    assert (at - 100).tolist() == expected
    assert excess.tolist() == [int(codes.ravel()[each]) >> bits for each in expected]


def test_excess_is_above_the_bits_of_the_kind():
    codes = added(events(frame=2, gap=3, excess=5), Kind(4, 2, 10, 40), range(20))
    assert codes[2, 10 + 3] == 5 << 6
    assert np.count_nonzero(codes) == 1


@pytest.mark.parametrize(("frames", "found"), [(range(2), 0), (range(2, 3), 1), (range(3, 9), 0)])
def test_events_are_in_their_frame(frames, found):
    assert np.count_nonzero(added(events(), Kind(0, 0, 0, 30), frames)) == found


def test_events_are_added_to_the_pixels_that_have_them():
    each, kind = events(), Kind(0, 0, 10, 40)
    whole = added(each, kind, range(9))
    (column,) = np.flatnonzero(whole.any(axis=0))
    for pixels in ([column], [0, column, 49], [column - 1, column + 1]):
        picked = unpack_places(np.array(pixels), range(1, 5), *as_told(each, kind))
        assert (picked == whole[1:5, np.array(pixels)]).all()


def test_gaps_run_on_from_frame_to_frame():
    counts = np.bincount([0, 0, 2], minlength=SHAPE[0])
    each = Events(counts, np.array([0, 0, 58]), np.array([1, 2, 3], "u1"))
    codes = added(each, Kind(1, 0, 0, 30), range(20))
    assert codes[0, :2].tolist() == [2, 4]
    assert codes[2, 0] == 6


@pytest.mark.parametrize(
    "each",
    [
        events(gap=30),
        events(gap=-1)._replace(gaps=np.array([59])),
        events()._replace(gaps=np.array([2**64 - 1], "u8")),
        events()._replace(gaps=np.array([2**32 - 1], "u4")),
        # three, of which the last is in the frame again if sums overflow
        Events(
            np.bincount([2, 2, 2], minlength=20), np.array([60, 2**63, 2**63], "u8"), np.ones(3)
        ),
        # of two events of a frame, only the second is beyond it
        Events(np.bincount([2, 2], minlength=20), np.array([63, 26], "u1"), np.ones(2, "u1")),
        # and the first comes before it
        Events(np.bincount([2, 2], minlength=20), np.array([59, 5], "u1"), np.ones(2, "u1")),
    ],
    ids=["late", "early", "far", "far in 4 bytes", "around", "second late", "first early"],
)
def test_events_outside_of_their_frame_are_refused(each):
    with pytest.raises(ValueError, match=r"damaged chunk: an event at -?\d+ of 30 codes"):
        added(each, Kind(0, 0, 0, 30), range(20))
