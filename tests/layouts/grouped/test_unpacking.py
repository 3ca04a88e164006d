"""Chunks of groups, which earlier versions wrote, come back, all or some, or are damaged."""

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dj_photon_codecs.layouts.blosc_chunks import MAX_BYTES
from dj_photon_codecs.layouts.grouped.layout import GroupedLayout
from dj_photon_codecs.layouts.grouped.unpacking import (
    CLASS,
    PACKED_HEADER,
    SECTIONS,
    Grouping,
    Kind,
    PackedChunk,
    _places,
)
from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.kernels.reference_grouped import STRETCH, Packed, unpack_places
from tests.layouts.grouped.old_encoder import encode, group, pack, plane

pytestmark = pytest.mark.usefixtures("backend")

RATES = np.geomspace(0.02, 3000, 1200)


def chunk(frames: int = 30, dtype: str = "u2") -> np.ndarray:
    """Counts of all kinds: events, planes of every size, and escapes."""
    counts = np.random.default_rng(frames).poisson(RATES, (frames, RATES.size)).astype(dtype)
    counts[frames // 2, ::50] += 90
    return counts


def packed(counts: np.ndarray, seed: int = 0) -> np.ndarray:
    codes = counts.view(f"u{counts.itemsize}")
    return pack(codes, group(codes, np.random.default_rng(seed)))


def unpack(stored: np.ndarray) -> np.ndarray:
    unpacked = PackedChunk(stored)
    return unpacked.read(0, unpacked.shape[0])


@pytest.mark.parametrize("frames", [*range(1, 12), 100])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "i8"])
def test_codes_come_back(frames, dtype):
    counts = chunk(frames, dtype)
    assert (unpack(packed(counts, seed=frames)).view(dtype) == counts).all()


@pytest.mark.slow
@given(
    st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"]),
    st.integers(1, 20),
    st.integers(1, 60),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=100, deadline=None)
def test_any_integers_come_back(dtype, frames, pixels, seed):
    rng = np.random.default_rng(seed)
    limits, reach = np.iinfo(dtype), int(rng.integers(0, 64))
    low, high = max(limits.min, -(2**reach)), min(limits.max, 2**reach)
    codes = rng.integers(low, high, (frames, pixels), dtype, endpoint=True)
    codes[:, : pixels // 2] = codes[0, 0]
    assert (unpack(packed(codes, seed)).view(dtype) == codes).all()


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (7, 8), (6, 10), (3, 30), (29, 30), (5, 5)])
def test_some_frames(start, stop):
    counts = chunk()
    assert (PackedChunk(packed(counts)).read(start, stop) == counts[start:stop]).all()


@pytest.mark.parametrize("dtype", ["u2", "i2", "u4", "i8"])
@pytest.mark.parametrize("frames", [range(1), range(7, 8), range(13, 30), range(30)])
def test_some_pixels(dtype, frames):
    counts = chunk(30, dtype)
    packed_chunk = PackedChunk(packed(counts))
    for pixels in (np.arange(0, 1200, 50), np.array([1199, 3, 600]), np.arange(1200)):
        picked = packed_chunk.read_pixels(pixels, frames).view(dtype)
        assert (picked == counts[frames.start : frames.stop, pixels]).all()


def test_codes_may_be_numbers_of_values():
    counts, values = np.minimum(chunk(), 49), np.arange(50, dtype="u2") ** 2
    stored = pack(counts, group(counts, np.random.default_rng(1)), values)
    pixels = np.arange(0, 1200, 7)
    assert (unpack(stored) == values[counts]).all()
    picked = PackedChunk(stored).read_pixels(pixels, range(4, 9))
    assert (picked == values[counts[4:9, pixels]]).all()


def test_codes_go_where_they_are_wanted():
    counts, out = chunk(), np.zeros((30, 1200), "u2")
    assert PackedChunk(packed(counts)).read(0, 30, out=out) is out
    assert (out == counts).all()


# ---------------------------------------------------------------------------- whole chunks


@pytest.mark.parametrize("shape", [(30, 30, 40), (30, 1, 1), (1, 7, 9), (9, 1200)])
def test_the_layout_reads_them(shape):
    codes = np.resize(chunk(), shape)
    codes[-1:], codes[0, 0] = codes[-1].flat[-1], 77
    stored = encode(codes)
    assert stored[0] == 1
    np.testing.assert_array_equal(GroupedLayout().decode(stored), codes.ravel(), strict=True)


@pytest.mark.parametrize("number", [1, 20, 1200])
def test_their_frames_and_pixels_are_read_alone(number):
    codes = chunk(100)
    codes[98:] = codes[-1, -1]
    opened = GroupedLayout().open(encode(codes).tobytes())
    pixels = np.random.default_rng(0).permutation(1200)[:number]
    for frames in (range(1), range(41, 60), range(90, 100), range(98, 100)):
        expected = codes[frames.start : frames.stop]
        assert (opened.frames(frames.start, frames.stop) == expected).all()
        assert (opened.pixels(pixels, frames) == expected[:, pixels]).all()


@pytest.mark.parametrize("changes", [{"frames": 99}, {"pixels": 1199}], ids=str)
def test_what_is_within_is_not_larger_than_the_header_says(changes):
    stored = encode(chunk(100))
    for name, value in changes.items():
        stored[8:24].view([("frames", "<u8"), ("pixels", "<u8")])[name] = value
    with pytest.raises(ValueError, match="damaged chunk: 100 x 1200 codes of uint16, for"):
        GroupedLayout().decode(stored)


# ---------------------------------------------------------------------------- damage


def with_header(name: str, value: int) -> np.ndarray:
    bad = packed(chunk())
    bad[: PACKED_HEADER.itemsize].view(PACKED_HEADER)[name] = (
        value % 2**32 if name == "itemsize" else value
    )
    return bad


DAMAGED = [(name, value) for name in PACKED_HEADER.names or () for value in (0, 7, 2**31, 2**63)]


@pytest.mark.parametrize(("name", "value"), sorted(set(DAMAGED) - {("values", 0)}))
def test_damaged_headers_are_refused(name, value):
    bad = with_header(name, value)
    with pytest.raises(ValueError, match="damaged chunk: "):
        unpack(bad)


@pytest.mark.parametrize("size", [0, 1, PACKED_HEADER.itemsize - 1, PACKED_HEADER.itemsize, 5000])
def test_chunks_that_were_cut_are_refused(size):
    with pytest.raises(ValueError, match="damaged chunk: "):
        unpack(packed(chunk())[:size])


@pytest.mark.slow
def test_no_damage_does_anything_but_raise_or_give_codes():
    good, rng = packed(chunk()), np.random.default_rng(0)
    refused = 0
    for _ in range(1500):
        bad = good.copy()
        bad[rng.integers(0, rng.choice([PACKED_HEADER.itemsize, 800, bad.size]))] ^= (
            1 << rng.integers(8)
        )
        with suppress(ValueError):
            refused += 1
            assert unpack(bad).nbytes < MAX_BYTES
            refused -= 1
    assert refused > 400


def test_sections_are_all_in_use():
    header = packed(chunk())[: PACKED_HEADER.itemsize].view(PACKED_HEADER)[0]
    assert all(header[name] > 0 for name in SECTIONS if name != "values")


def damaged_table(**changes: int) -> np.ndarray:
    grouping = Grouping(np.array([0, 1], "u1"), np.zeros(4, "i1"), np.zeros(2, CLASS))
    grouping.table["bits"] = 8
    stored = pack(np.zeros((3, 4), "u2"), grouping)
    for name, value in changes.items():
        stored[PACKED_HEADER.itemsize :][: 2 * CLASS.itemsize].view(CLASS)[name][0] = value
    return stored


def test_bits_may_be_all_of_a_code():
    assert PackedChunk(damaged_table()).shape == (3, 4)
    codes = np.full((3, 4), 0xFEDC, "u2")
    grouping = Grouping(np.array([0, 0], "u1"), np.zeros(4, "i1"), np.zeros(1, CLASS))
    grouping.table["bits"], grouping.table["low"] = 8, 8
    assert (unpack(pack(codes, grouping)) == codes).all()


@pytest.mark.parametrize("changes", [{"bits": 3}, {"low": 9}, {"low": 8}, {"unit": 16}], ids=str)
def test_damaged_tables_are_refused(changes):
    with pytest.raises(ValueError, match="damaged chunk: classes of bits"):
        PackedChunk(damaged_table(**changes))


# ---------------------------------------------------------------------------- planes and events


def packed_parts(frames: int, pixels: int, dtype: str, **parts: Any) -> tuple[Any, ...]:
    """Return what `unpack_frames` takes, of a chunk without planes and events but for these."""
    none = {name: np.zeros(0, dtype) for name in ("excess", "values")}
    defaults = {
        "stored": np.zeros(0, "u1"),
        "planes": np.zeros((0, 5), "u8"),
        "base": np.zeros(pixels, dtype),
        "place": np.arange(pixels, dtype="u4"),
        "event_ends": np.zeros((1, frames + 1), "u8"),
        "events": np.zeros(0, "u8"),
    }
    return frames, *(defaults | none | parts).values()


@pytest.mark.parametrize("width", [1, 2, 4, 8])
@pytest.mark.parametrize("frames", [range(1), range(5, 7), range(3, 50), range(50)])
def test_planes_are_stretch_after_stretch(width, frames):
    pixels = 2 * STRETCH // 7 + 30  # two stretches, and what is left of a third
    codes = np.random.default_rng(width).integers(0, 2**width, (50, pixels), "u1")
    planes = np.array([[width, 0, 0, pixels, 0]], "u8")
    parts = packed_parts(50, pixels, "u1", stored=plane(codes, width), planes=planes)
    expected, found = codes[frames.start : frames.stop], np.zeros((len(frames), pixels), "u1")
    kernel().unpack_frames(frames.start, frames.stop, *parts, found)
    assert (found == expected).all()
    some = np.unique(np.random.default_rng(0).integers(0, pixels, 200))
    assert (unpack_places(some, frames, Packed(*parts)) == expected[:, some]).all()


SHAPE = (20, 30)  # of a kind with events, in frames of fifty pixels


def event(frame: int, gap: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts and the gaps of one event."""
    return np.bincount([frame], minlength=SHAPE[0]), np.array([frame * SHAPE[1] + gap])


@pytest.mark.parametrize(("frames", "found"), [(range(2), 0), (range(2, 3), 1), (range(3, 9), 0)])
def test_events_are_in_their_frame(frames, found):
    counts, gaps = event(2, 3)
    ends = np.append(0, np.cumsum(counts)).astype("u8")[np.newaxis]
    events = _places(gaps, counts, Kind(4, 2, 10, 40), pixels=50).astype("u8")
    parts = packed_parts(20, 50, "u2", event_ends=ends, events=events, excess=np.array([320], "u2"))
    codes = np.zeros((len(frames), 50), "u2")
    kernel().unpack_frames(frames.start, frames.stop, *parts, codes)
    assert np.count_nonzero(codes) == found
    assert not found or codes[0, 10 + 3] == 320
    for pixels in ([13], [0, 13, 49], [12, 14]):
        picked = unpack_places(np.array(pixels), frames, Packed(*parts))
        assert (picked == codes[:, pixels]).all()


TWICE = np.bincount([2, 2], minlength=20)


@pytest.mark.parametrize(
    ("counts", "gaps"),
    [
        event(2, 30),
        (event(2, 0)[0], np.array([59])),
        (event(2, 0)[0], np.array([2**64 - 1], "u8")),
        (event(2, 0)[0], np.array([2**32 - 1], "u4")),
        # three, of which the last is in the frame again if sums overflow
        (np.bincount([2, 2, 2], minlength=20), np.array([60, 2**63, 2**63], "u8")),
        # of two events of a frame, only the second is beyond it
        (TWICE, np.array([63, 26], "u1")),
        # and the first comes before it
        (TWICE, np.array([59, 5], "u1")),
    ],
    ids=["late", "early", "far", "far in 4 bytes", "around", "second late", "first early"],
)
def test_events_outside_of_their_frame_are_refused(counts, gaps):
    with pytest.raises(ValueError, match=r"damaged chunk: an event at -?\d+ of 30 codes"):
        _places(gaps, counts, Kind(0, 0, 0, 30), pixels=50)
