"""Dense chunks, which earlier versions wrote, come back, or are damaged."""

import struct
import zlib

import numpy as np
import pytest

from dj_photon_codecs.layouts.dense.chunk import CHUNK_HEADER, Form
from dj_photon_codecs.layouts.dense.layout import DenseLayout
from dj_photon_codecs.layouts.dense.unpacking import (
    SECTIONS_HEADER,
    fewest_coders,
    split_sections,
    unpack_dense,
)
from dj_photon_codecs.layouts.headers import new_header
from tests.layouts.dense.old_encoder import Chunk

pytestmark = pytest.mark.usefixtures("backend")

SHAPE = (12, 20, 20)


def counts(shape=SHAPE, darkest=0.1, brightest=300.0):
    rates = np.geomspace(darkest, brightest, shape[1] * shape[2]).reshape(shape[1:])
    return np.random.default_rng(0).poisson(rates, shape)


def unpacked(packed, shape=SHAPE, dtype="u2"):
    out = np.empty(shape, dtype)
    values = unpack_dense(packed, shape, out=out)
    return out, values


@pytest.mark.parametrize("dtype", ["u2", "u4", "u8"])
@pytest.mark.parametrize(
    "options",
    [{}, {"most_low": 0}, {"most_low": 9}, {"coders": 7}, {"coders": 399}, {"levels": 1}],
    ids=str,
)
def test_numbers_come_back(options, dtype):
    out, values = unpacked(Chunk(counts(), **options).packed(), dtype=dtype)
    assert (out == counts()).all()
    assert not values.size


@pytest.mark.parametrize("shape", [(1, 20, 20), (70, 4, 5), (5, 1, 40), (5, 40, 1), (9, 2, 3)])
def test_frames_may_have_any_shape(shape):
    out, _ = unpacked(Chunk(counts(shape)).packed(), shape)
    assert (out == counts(shape)).all()


def test_numbers_may_be_indices_of_values():
    numbers = counts(darkest=1, brightest=9)
    squares = np.arange(numbers.max() + 1) ** 2
    out, values = unpacked(Chunk(numbers, values=squares).packed())
    assert (out == numbers).all()
    np.testing.assert_array_equal(values, squares)


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8"])
def test_the_layout_reads_them(dtype):
    numbers = counts(brightest=20)
    codes = (3 * numbers - 50).astype(dtype) if dtype != "u1" else numbers.astype("u1")
    codes = np.concatenate([codes, np.full((2, 20, 20), codes[-1, -1, -1])])
    header = new_header(CHUNK_HEADER, codes, form=Form.DENSE)
    header["frames"], header["height"], header["width"] = codes.shape
    header["varying"], header["unit"] = len(numbers), 1 if dtype == "u1" else 3
    header["lowest"] = np.array([0 if dtype == "u1" else -50], dtype).tobytes()
    stored = np.concatenate([header.view("u1"), Chunk(numbers).packed()])

    decoded = DenseLayout().decode(stored)

    np.testing.assert_array_equal(decoded, codes.ravel(), strict=True)
    opened = DenseLayout().open(stored)
    assert (opened.frames(3, 14) == codes[3:].reshape(11, -1)).all()


# ---------------------------------------------------------------------------- bytes


def test_every_byte_has_its_place():
    numbers = counts((3, 4, 5))
    values = [*range(0, 2 * numbers.max() + 2, 2)]
    chunk = Chunk(numbers, values=values, coders=2)
    stored = chunk.packed().tobytes()
    sections = split_sections(chunk.packed(), (3, 4, 5))
    size = struct.unpack("<I", stored[36:40])[0]
    escaped = struct.unpack("<I", stored[24:28])[0]
    model = zlib.decompress(stored[40 : 40 + size])
    assert len(model) == 4 * (3 * 7 + len(chunk.levels) * 3 + 4 + 4 * 256 + escaped + len(values))
    np.testing.assert_array_equal(sections.weights, chunk.weights)
    np.testing.assert_array_equal(sections.level, chunk.levels)
    np.testing.assert_array_equal(sections.table, chunk.tables)
    assert sections.values.tolist() == values
    assert sections.words.tobytes() == stored[40 + size + 8 :]
    assert sections.coders.tolist() == chunk.states


def with_header(name, value):
    stored = Chunk(counts()).packed()
    stored[: SECTIONS_HEADER.itemsize].view(SECTIONS_HEADER)[name] = value
    return stored


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frames", 2),
        ("height", 5),
        ("width", 4),
        ("top", 1 << 24),
        ("start", 0.25),
        ("start", 2.0**26),
        ("start", np.nan),
        ("tables", 257),
        ("escapes", 4801),
        ("values", 5),
        ("values", 1 << 24),
        ("coders", 0),
        ("coders", 4097),
        ("levels", 0),
    ],
)
def test_a_header_that_cannot_be_is_refused(name, value):
    with pytest.raises(ValueError, match=r"damaged chunk: \(12, 20, 20\) codes with the header"):
        split_sections(with_header(name, value), SHAPE)


@pytest.mark.parametrize("start", [0.5, 2.0**25])
def test_the_last_legal_starts_are_no_damage_of_the_header(start):
    assert split_sections(with_header("start", start), SHAPE).start == start


def test_coders_that_would_take_long_are_refused():
    assert [fewest_coders(pixels) for pixels in (0, 2047, 2048, 1 << 22, 1 << 24)] == [
        1, 1, 2, 4096, 4096,
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"damaged chunk: \(12, 1024, 20\) codes with the header"):
        split_sections(with_header("height", 1024), (12, 1024, 20))


@pytest.mark.parametrize("size", [0, 39])
def test_what_is_shorter_than_a_header_is_refused(size):
    with pytest.raises(ValueError, match=f"damaged chunk: {size} bytes are too few for its header"):
        split_sections(Chunk(counts()).packed()[:size], SHAPE)


def test_what_is_cut_is_refused():
    chunk = Chunk(counts())
    chunk.words = chunk.words[:1]
    with pytest.raises(ValueError, match=r"damaged chunk: \d+ bytes are not what its header says"):
        split_sections(chunk.packed()[:-5], SHAPE)


def with_model(change):
    """Return a chunk whose model is other bytes."""
    chunk, header = Chunk(counts()).packed(), SECTIONS_HEADER.itemsize
    size = int(chunk[:header].view(SECTIONS_HEADER)["model"][0])
    model = np.frombuffer(change(chunk[header : header + size].tobytes()), "u1")
    changed = np.concatenate([chunk[:header], model, chunk[header + size :]])
    changed[:header].view(SECTIONS_HEADER)["model"] = model.size
    return changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: zlib.compress(zlib.decompress(model)[:-4]), "a model of"),
        (lambda model: zlib.compress(zlib.decompress(model) + bytes(4)), "a model of"),
        (lambda model: model[:-3], "a model of"),
        (lambda model: model + b"more", "a model of"),
        (lambda model: b"none" + model[4:], "Error -3"),
    ],
    ids=["shorter", "longer", "cut", "more", "none"],
)
def test_a_model_that_cannot_be_is_refused(change, message):
    with pytest.raises(ValueError, match=f"damaged chunk: {message}"):
        split_sections(with_model(change), SHAPE)


def changed(**changes):
    """Return a chunk of which something is other than what was coded."""
    chunk = Chunk(counts())
    for name, change in changes.items():
        setattr(chunk, name, change(getattr(chunk, name)))
    return chunk.packed()


@pytest.mark.parametrize(
    "packed",
    [
        changed(escapes=lambda e: e[:-1]),
        changed(escapes=lambda e: [*e, 1]),
        changed(escapes=lambda e: [e[0] + (1 << 20), *e[1:]]),
        changed(top=lambda t: t - 1),
        changed(words=lambda w: w[:-5]),
        changed(words=lambda w: [*w, 7]),
        changed(states=lambda s: [s[0] ^ 1, *s[1:]]),
    ],
    ids=["escapes", "more", "escape", "top", "cut", "longer", "state"],
)
def test_what_was_not_packed_is_refused(packed):
    with pytest.raises(ValueError, match="damaged chunk: its bytes are not"):
        unpacked(packed)


def level_of(name, values):
    """Return a chunk of which something of the first levels, or tables, is other."""
    chunk = Chunk(counts())
    (chunk.tables if name in (chunk.tables.dtype.names or ()) else chunk.levels)[name][:2] = values
    return chunk.packed()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("key", (2048, 1024)),
        ("key", (1024, 1024)),
        ("table", (0, 4)),
        ("base", (0, 1 << 24)),
        ("low", (0, 17)),
        ("frequencies", 15),
        ("frequencies", 17),
    ],
)
def test_what_cannot_be_levels_is_refused(name, values):
    with pytest.raises(ValueError, match="damaged chunk: 9 levels with 4 tables"):
        split_sections(level_of(name, values), SHAPE)


def test_each_key_is_of_the_last_level_that_is_not_above_it():
    chunk = Chunk(counts(), levels=2)
    chunk.levels["key"][0] = 20_000  # above most keys, which are of it all the same
    chunk.levels["key"][1] = 20_001
    assert (chunk.keys[1:] < 20_000).all()
    out, _ = unpacked(Chunk(counts(), levels=1).packed())
    assert (out == counts()).all()


def test_numbers_that_their_dtype_does_not_hold_are_refused():
    with pytest.raises(ValueError, match="damaged chunk: uint8 codes up to"):
        unpacked(Chunk(counts()).packed(), dtype="u1")
