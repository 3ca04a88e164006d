"""The bytes of a dense chunk are what its description says; others are refused."""

import struct
import zlib

import numpy as np
import pytest

from dj_photon_codecs.layouts.dense.levels import LEVEL, TABLE, Levels
from dj_photon_codecs.layouts.dense.sections import join_sections
from dj_photon_codecs.layouts.dense.unpacking import (
    SECTIONS_HEADER,
    Model,
    Sections,
    fewest_coders,
    split_sections,
)

SHAPE = (3, 4, 5)
WEIGHTS = np.array([[1 << 14, -5, 0, 0, 0, 0, 0], [1, 0, 2, 0, 0, 0, 0], [1, 7, 2, 0, 0, 0, -9]])


def sections(values: int = 6) -> Sections:
    level, table = np.zeros(2, LEVEL), np.zeros(1, TABLE)
    level["key"], level["base"], table["low"] = (300, 70), (2, 70_000), 3
    level["key"][1] = 800
    table["frequencies"][0, [0, 255]] = 4000, 96
    escapes = np.array([0xFFFFFFFF, 12], "u4")
    model = Model(WEIGHTS.astype("i4"), Levels(level, table), escapes, 2 * np.arange(values))
    return Sections(5, 14.0, model, np.array([65536, 70_000], "u4"), np.array([1, 515], "u2"))


def joined() -> np.ndarray:
    return np.frombuffer(join_sections(sections(), SHAPE), np.uint8).copy()


def planes(numbers: list[int]) -> bytes:
    return b"".join(bytes(n >> shift & 255 for n in numbers) for shift in (0, 8, 16, 24))


def columns() -> list[list[int]]:
    """Return what the model of `sections` is, number by number."""
    frequencies = [4000, *[0] * 254, 96]
    weights = [
        [1 << 14, 2**32 + 1 - (1 << 14), 0],
        [2**32 - 5, 5, 7],
        [0, 2, 0],
        *[[0, 0, 0]] * 3,
        [0, 0, 2**32 - 9],
    ]
    levels = [[300, 500], [0, 0], [2, 69_998]]
    return [*weights, *levels, [3], frequencies, [2**32 - 1, 12], [0, 2, 2, 2, 2, 2]]


def with_model(model: bytes) -> np.ndarray:
    """Return a chunk with other bytes in the place of its model."""
    stored, header = joined(), SECTIONS_HEADER.itemsize
    size = int(stored[:header].view(SECTIONS_HEADER)["model"][0])
    changed = np.concatenate([stored[:header], np.frombuffer(model, "u1"), stored[header + size :]])
    changed[:header].view(SECTIONS_HEADER)["model"] = len(model)
    return changed


def test_every_byte_has_its_place():
    stored = joined().tobytes()
    *header, size = struct.unpack("<4IfHH4I", stored[:40])
    assert header == [*SHAPE, 5, 14.0, 2, 1, 2, 6, 2]
    assert zlib.decompress(stored[40 : 40 + size]) == b"".join(map(planes, columns()))
    assert stored[40 + size :] == struct.pack("<2I2H", 65536, 70_000, 1, 515)


def test_sections_come_back():
    found, given = split_sections(joined(), SHAPE), sections()
    assert (found.top, found.start) == (5, 14.0)
    np.testing.assert_array_equal(found.model.weights, WEIGHTS.astype("i4"), strict=True)
    np.testing.assert_array_equal(found.model.levels.level, given.model.levels.level, strict=True)
    np.testing.assert_array_equal(found.model.levels.table, given.model.levels.table, strict=True)
    np.testing.assert_array_equal(found.model.escapes, given.model.escapes, strict=True)
    np.testing.assert_array_equal(found.model.values, [0, 2, 4, 6, 8, 10])
    np.testing.assert_array_equal(found.coders, given.coders, strict=True)
    np.testing.assert_array_equal(found.stream, given.stream, strict=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frames", 2),
        ("height", 5),
        ("width", 4),
        ("top", 1 << 24),
        ("top", 6),
        ("start", 0.25),
        ("start", 2.0**26),
        ("start", np.nan),
        ("tables", 257),
        ("escapes", 61),
        ("values", 5),
        ("values", 1 << 24),
        ("coders", 0),
        ("coders", 4097),
    ],
)
def test_a_header_that_cannot_be_is_refused(name, value):
    stored = joined()
    stored[: SECTIONS_HEADER.itemsize].view(SECTIONS_HEADER)[name] = value
    with pytest.raises(ValueError, match=r"damaged chunk: \(3, 4, 5\) codes with the header"):
        split_sections(stored, SHAPE)


@pytest.mark.parametrize(("name", "most"), [("values", 0), ("start", 0.5), ("start", 2.0**25)])
def test_the_last_legal_values_are_no_damage_of_the_header(name, most):
    stored = joined()
    stored[: SECTIONS_HEADER.itemsize].view(SECTIONS_HEADER)[name] = most
    if name == "values":
        with pytest.raises(ValueError, match=r"a model of \d+ bytes or more, not \d+"):
            split_sections(stored, SHAPE)
    else:
        assert split_sections(stored, SHAPE).start == most


def test_coders_that_would_take_long_are_refused():
    assert [fewest_coders(pixels) for pixels in (0, 2047, 2048, 1 << 22, 1 << 24)] == [
        1, 1, 2, 4096, 4096,
    ]  # fmt: skip
    stored = joined()
    stored[: SECTIONS_HEADER.itemsize].view(SECTIONS_HEADER)["height"] = 1024
    with pytest.raises(ValueError, match=r"damaged chunk: \(3, 1024, 5\) codes with the header"):
        split_sections(stored, (3, 1024, 5))


@pytest.mark.parametrize("size", [0, 39])
def test_what_is_shorter_than_a_header_is_refused(size):
    with pytest.raises(ValueError, match=f"damaged chunk: {size} bytes are too few for its header"):
        split_sections(joined()[:size], SHAPE)


@pytest.mark.parametrize("left", [-1, -5])
def test_what_is_cut_is_refused(left):
    with pytest.raises(ValueError, match=r"damaged chunk: \d+ bytes are not what its header says"):
        split_sections(joined()[:left], SHAPE)


@pytest.mark.parametrize("change", [-4, 4])
def test_a_model_of_another_size_is_refused(change):
    model = b"".join(map(planes, columns()))
    longer = zlib.compress(model[:change] if change < 0 else model + bytes(change))
    with pytest.raises(ValueError, match=r"a model of \d+ bytes or more, not \d+"):
        split_sections(with_model(longer), SHAPE)


@pytest.mark.parametrize("turn", [lambda z: z[:-2], lambda z: z + b"\0\0"], ids=["cut", "longer"])
def test_a_model_whose_checksum_is_cut_or_not_its_end_is_refused(turn):
    stream = zlib.compress(b"".join(map(planes, columns())))
    split_sections(with_model(stream), SHAPE)
    with pytest.raises(ValueError, match="damaged chunk: a model"):
        split_sections(with_model(turn(stream)), SHAPE)


def test_a_model_that_is_no_zlib_stream_is_refused():
    with pytest.raises(ValueError, match="damaged chunk: Error -3 while decompressing"):
        split_sections(with_model(b"\0\1\2\3"), SHAPE)


def test_a_model_that_grows_without_end_is_not_unpacked():
    with pytest.raises(ValueError, match=r"a model of (\d{4}) bytes or more, not \d{4}$"):
        split_sections(with_model(zlib.compress(bytes(1 << 22))), SHAPE)
