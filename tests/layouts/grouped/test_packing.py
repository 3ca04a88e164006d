"""A packed chunk gives back its codes, all or some, or says that it is damaged."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dj_photon_codecs.layouts.blosc_chunks import MAX_BYTES
from dj_photon_codecs.layouts.grouped.grouping import CLASS, Grouping, group_pixels
from dj_photon_codecs.layouts.grouped.packing import pack
from dj_photon_codecs.layouts.grouped.unpacking import (
    PACKED_HEADER,
    SECTIONS,
    PackedChunk,
    _check_table,
)

pytestmark = pytest.mark.usefixtures("backend")

RATES = np.geomspace(0.02, 3000, 1200)


def chunk(frames: int = 30, dtype: str = "u2") -> np.ndarray:
    """Counts of all kinds: events, planes of every size, and escapes."""
    counts = np.random.default_rng(frames).poisson(RATES, (frames, RATES.size)).astype(dtype)
    counts[frames // 2, ::50] += 900
    return counts


def packed(counts: np.ndarray) -> np.ndarray:
    codes = counts.view(f"u{counts.itemsize}")
    return np.concatenate(pack(codes, group_pixels(counts)))


def unpack(stored: np.ndarray) -> np.ndarray:
    chunk = PackedChunk(stored)
    return chunk.read(0, chunk.shape[0])


@pytest.mark.parametrize("frames", [*range(1, 12), 100])
@pytest.mark.parametrize("dtype", ["u2", "i2", "u4", "i8"])
def test_codes_come_back(frames, dtype):
    counts = chunk(frames, dtype)
    assert (unpack(packed(counts)).view(dtype) == counts).all()


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
    assert (unpack(packed(codes)).view(dtype) == codes).all()


def test_a_bad_grouping_is_exact_too():
    counts = chunk()
    wrong = group_pixels(counts[:, ::-1])
    assert (unpack(np.concatenate(pack(counts, wrong))) == counts).all()
    assert isinstance(wrong, Grouping)


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (7, 8), (6, 10), (3, 30), (29, 30), (5, 5)])
def test_some_frames(start, stop):
    counts = chunk()
    assert (PackedChunk(packed(counts)).read(start, stop) == counts[start:stop]).all()


@pytest.mark.parametrize("cached", [1, 10_000, 1 << 30])
def test_what_is_packed_at_a_time_changes_nothing(cached, monkeypatch):
    expected = packed(chunk(100))
    monkeypatch.setattr("dj_photon_codecs.layouts.grouped.packing.TILE", cached)
    assert packed(chunk(100)).tobytes() == expected.tobytes()
    assert (unpack(expected) == chunk(100)).all()


@pytest.mark.parametrize("dtype", ["u2", "i2", "u4", "i8"])
@pytest.mark.parametrize("frames", [range(1), range(7, 8), range(13, 30), range(30)])
def test_some_pixels(dtype, frames):
    counts = chunk(30, dtype)
    assert (counts[15, ::50] >= 900).all()  # events
    packed_chunk = PackedChunk(packed(counts))
    for pixels in (np.arange(0, 1200, 50), np.array([1199, 3, 600]), np.arange(1200)):
        picked = packed_chunk.read_pixels(pixels, frames).view(dtype)
        assert (picked == counts[frames.start : frames.stop, pixels]).all()


def test_some_pixels_may_be_numbers_of_values():
    counts = np.minimum(chunk(), 49)
    values = np.arange(50, dtype="u2") ** 2
    stored = np.concatenate(pack(counts, group_pixels(counts), values=values))
    pixels = np.arange(0, 1200, 7)
    picked = PackedChunk(stored).read_pixels(pixels, range(4, 9))
    assert (picked == values[counts[4:9, pixels]]).all()


def test_codes_go_where_they_are_wanted():
    counts, out = chunk(), np.zeros((30, 1200), "u2")
    assert PackedChunk(packed(counts)).read(0, 30, out=out) is out
    assert (out == counts).all()


def test_codes_may_be_numbers_of_values():
    values = np.array([2, 5, 6, 1000], "u2")
    numbers = np.random.default_rng(0).integers(0, 4, (9, 12)).astype("u2")
    stored = np.concatenate(pack(numbers, group_pixels(numbers), values=values))
    assert (unpack(stored) == values[numbers]).all()


def with_header(name: str, value: int) -> np.ndarray:
    bad = packed(chunk())
    bad[: PACKED_HEADER.itemsize].view(PACKED_HEADER)[name] = (
        value % 2**32 if name == "itemsize" else value
    )
    return bad


DAMAGED = [(name, value) for name in PACKED_HEADER.names or () for value in (0, 7, 2**31, 2**63)]
HARMLESS = [each for each in DAMAGED if (with_header(*each) == packed(chunk())).all()]


def test_headers_that_say_the_same_are_no_damage():
    assert HARMLESS == [("values", 0)]


@pytest.mark.parametrize(("name", "value"), sorted(set(DAMAGED) - set(HARMLESS)))
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
    stored = np.concatenate(pack(np.zeros((3, 4), "u2"), grouping))
    for name, value in changes.items():
        stored[PACKED_HEADER.itemsize :][: 2 * CLASS.itemsize].view(CLASS)[name][0] = value
    return stored


@pytest.mark.parametrize("low", [9, 24])
def test_bits_may_be_all_of_a_code_but_not_more(low):
    table = np.zeros(1, CLASS)
    table["bits"], table["low"] = 8, 8
    _check_table(table, bits=16)
    table["low"] = low
    with pytest.raises(ValueError, match=r"damaged chunk: classes of bits \[8\], low \["):
        _check_table(table, bits=16)


@pytest.mark.parametrize("changes", [{"bits": 3}, {"low": 9}, {"low": 8}, {"unit": 16}], ids=str)
def test_damaged_tables_are_refused(changes):
    with pytest.raises(ValueError, match="damaged chunk: classes of bits"):
        PackedChunk(damaged_table(**changes))
