import math
from itertools import product

import numpy as np
import pytest

from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.layout import DamagedChunk
from tests.backends import use_backend

ESCAPE, SLOTS, LANES = 255, 4096, 32


def frequencies_of(counts):
    """Return frequencies that add up to 4096, of which each symbol that was counted has one."""
    counts = np.asarray(counts, float)
    counts[:, ESCAPE] += 1e-3
    share = np.floor(counts / counts.sum(axis=1, keepdims=True) * (SLOTS - 256))
    frequencies = np.where(counts > 0, np.maximum(share, 1), 0).astype(np.uint16)
    best = frequencies.argmax(axis=1)
    frequencies[np.arange(len(counts)), best] += SLOTS - frequencies.sum(axis=1, dtype=np.uint16)
    return frequencies


class Movie:
    """Random numbers of pixels whose models are random, some of which do not fit."""

    def __init__(self, seed, shape, *, levels=7, classes=1, most_low=0, spread=40):
        rng = np.random.default_rng(seed)
        frames, pixels = shape
        self.level = rng.integers(0, levels, pixels, np.uint16)
        self.frame_class = rng.integers(0, classes, frames, np.uint8)
        base = rng.integers(0, 3000, (classes, levels), np.uint32)
        self.tables = min(levels, 5)
        table = rng.integers(0, self.tables, (classes, levels), np.uint32)
        self.rows = base | table << np.uint32(24)
        self.cells = np.take(self.rows, self.level, axis=1)
        cells = self.cells[self.frame_class]
        above = rng.gamma(2, spread / 2, shape).astype(np.uint32)
        self.bins = np.minimum((cells & 0xFFFF) + above, 3399).astype(np.uint16)
        symbols = np.minimum(self.bins - (cells & 0xFFFF), ESCAPE)
        self._widen(rng, most_low)
        self.symbol_counts = np.zeros((classes, levels, 256), np.uint32)
        np.add.at(self.symbol_counts, (self.frame_class[:, None], self.level, symbols), 1)
        pairs = np.arange(table.size, dtype=np.uint32).reshape(table.shape) // 2
        self.groups = base | pairs << np.uint32(16)
        self.group_counts = np.zeros((pairs.max() + 1, 256), np.uint32)
        np.add.at(self.group_counts, pairs.ravel(), self.symbol_counts.reshape(-1, 256))
        by_table = np.zeros((self.tables, 256))
        np.add.at(by_table, table.ravel(), self.symbol_counts.reshape(-1, 256))
        self.frequencies = frequencies_of(by_table)
        self.slots = np.empty((self.tables, SLOTS), np.uint32)
        kernel().decoding_slots(self.frequencies, self.slots)

    def _widen(self, rng, most_low):
        """Make bins of 1, 2, 4, ... numbers, of which those of a block are as wide; draw one."""
        self.numbers, (self.bin_of, self.first) = self.bins, np.zeros((2, 0), np.uint32)
        if most_low:
            of_block = rng.integers(0, most_low + 1, 60_000 >> most_low)
            low = of_block.repeat(1 << most_low - of_block)
            starts = np.cumsum(1 << low) - (1 << low)
            self.first = (starts | low << 16).astype(np.uint32)
            self.bin_of = (np.arange(low.size) | low << 16).repeat(1 << low).astype(np.uint32)
            within = rng.integers(0, 1 << 15, self.bins.shape) & ((1 << low[self.bins]) - 1)
            self.numbers = (starts[self.bins] + within).astype(np.uint16)

    def encode(self, frames_per_stream, pixels_per_stream):
        frames, pixels = self.numbers.shape
        streams = -(-frames // frames_per_stream) * -(-pixels // pixels_per_stream)
        lengths = np.zeros(streams, np.uint32)
        payload = np.zeros(6 * self.numbers.size + 4 * LANES * streams, np.uint8)
        models = self.frame_class, self.cells, self.frequencies, self.bin_of
        cut = frames_per_stream, pixels_per_stream
        used = kernel().encode_streams(self.numbers, *models, *cut, lengths, payload)
        return lengths, payload[:used]

    def decode(self, lengths, payload, *cut, start=0, pixels=(), out=None):
        out = np.zeros_like(self.numbers) if out is None else out
        models = self.frame_class, self.cells, self.slots, self.first
        pixels = np.array(pixels, np.uint32)
        kernel().decode_streams(payload, lengths, *models, *cut, start, pixels, out)
        return out


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (1, 31), (7, 33), (5, 1000), (40, 64)])
@pytest.mark.parametrize("options", [{}, {"classes": 3}, {"most_low": 8}, {"spread": 150}])
def test_numbers_come_back(shape, options, backend):
    movie = Movie(0, shape, **options)
    with use_backend(backend):
        for cut in [(1, 10**6), (3, 32), (10**6, 100)]:
            lengths, payload = movie.encode(*cut)
            assert payload.size == 4 * LANES * lengths.size + 2 * lengths.sum()
            np.testing.assert_array_equal(movie.decode(lengths, payload, *cut), movie.numbers)


@pytest.mark.parametrize("options", [{}, {"classes": 3, "most_low": 5}, {"spread": 150}])
def test_both_kernels_write_the_same_bytes(options):
    movie = Movie(1, (9, 333), **options)
    for cut in [(2, 64), (3, 100)]:
        written = []
        for backend in ("compiled", "numpy"):
            with use_backend(backend):
                lengths, payload = movie.encode(*cut)
            written.append((lengths.tobytes(), payload.tobytes()))
        assert written[0] == written[1]


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_a_part_is_decoded_alone(backend):
    movie = Movie(2, (23, 200), classes=2, most_low=3)
    lengths, payload = movie.encode(4, 64)
    with use_backend(backend):
        for start, frames, pixels in [
            (0, 1, [0]),
            (5, 9, range(200)),
            (5, 9, [63, 64, 70, 131, 199]),
            (20, 3, range(130, 200)),
        ]:
            out = np.zeros((frames, len(pixels)), np.uint16)
            movie.decode(lengths, payload, 4, 64, start=start, pixels=pixels, out=out)
            part = movie.numbers[start : start + frames, list(pixels)]
            np.testing.assert_array_equal(out, part)
            low = out.astype(np.uint8)
            movie.decode(lengths, payload, 4, 64, start=start, pixels=pixels, out=low)
            np.testing.assert_array_equal(low, part & 255)
        for wrong in ([3, 3], [5, 4], [0, 200]):
            with pytest.raises(ValueError, match="do not fit"):
                movie.decode(lengths, payload, 4, 64, pixels=wrong, out=np.zeros((1, 2), "u2"))


# ---------------------------------------------------------------------------- vectors


@pytest.mark.slow
def test_all_vectors_write_and_read_the_same(fewer_vectors, monkeypatch):
    for options in ({}, {"classes": 2, "most_low": 4}, {"spread": 150}):
        movie = Movie(3, (11, 3000), **options)
        with use_backend("compiled"):
            written = movie.encode(3, 700)
            with monkeypatch.context() as other:
                other.setitem(globals(), "kernel", lambda: fewer_vectors)
                again, read = movie.encode(3, 700), movie.decode(*written, 3, 700)
        np.testing.assert_array_equal(again[1], written[1])
        np.testing.assert_array_equal(read, movie.numbers)


# ---------------------------------------------------------------------------- maps


def image(kind, shape):
    rng = np.random.default_rng(5)
    if kind == "smooth":
        y, x = np.indices(shape)
        return (300 + y / 4 + 9 * np.sin(x / 9) + rng.normal(0, 1, shape)).astype(np.uint16)
    return rng.integers(0, {"flat": 1, "noise": 65536}[kind], shape, np.uint16)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("kind", ["smooth", "flat", "noise"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3), (33, 70), (70, 41)])
def test_maps_come_back(kind, shape):
    level, width = image(kind, shape).ravel(), shape[1]

    payload, slots = encoded_map(level, width)

    read = np.zeros_like(level)
    kernel().decode_map(payload, width, slots, read)
    np.testing.assert_array_equal(read, level)


def encoded_map(level, width):
    counts, slots = np.zeros((6, 256), np.uint32), np.empty((6, SLOTS), np.uint32)
    kernel().count_map(level, width, counts)
    assert counts.sum() == level.size
    frequencies = frequencies_of(counts)
    kernel().decoding_slots(frequencies, slots)
    payload = np.zeros(8 * level.size + 8, np.uint8)
    return payload[: kernel().encode_map(level, width, frequencies, payload)], slots


def test_both_kernels_write_the_same_maps():
    for kind in ("smooth", "noise"):
        written = []
        for name in ("compiled", "numpy"):
            with use_backend(name):
                written.append(encoded_map(image(kind, (50, 60)).ravel(), 60)[0].tobytes())
        assert written[0] == written[1]


def test_a_smooth_map_takes_few_bits():
    payload, _ = encoded_map(image("smooth", (256, 256)).ravel(), 256)
    # noise of 1, rounded, which the weights of the neighbours, (4, 3, 2, -1) / 8, add to
    entropy = np.log2(2 * np.pi * math.e * (1 + 1 / 12) * (1 + 30 / 64)) / 2
    assert 8 * payload.size / 256**2 < entropy + 32 / 256 + 0.2


# ---------------------------------------------------------------------------- counts


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("most_low", [0, 5])
def test_sums_and_counts_are_those_of_the_numbers(most_low):
    movie = Movie(4, (12, 300), classes=3, spread=150, most_low=most_low)
    sums, squares = np.empty(300, np.uint32), np.empty(300, np.uint64)
    counts = np.zeros_like(movie.group_counts)

    kernel().sum_pixels(movie.numbers[::2], sums, squares)
    low = 0
    for part in (slice(5), slice(5, None)):
        given = movie.frame_class[part], movie.level, movie.groups, counts
        low += kernel().count_symbols(movie.numbers[part], movie.bin_of, *given)

    np.testing.assert_array_equal(sums, movie.numbers[::2].sum(axis=0))
    np.testing.assert_array_equal(squares, (movie.numbers[::2].astype("u8") ** 2).sum(axis=0))
    np.testing.assert_array_equal(counts, movie.group_counts)
    assert low == (movie.bin_of[movie.numbers] >> 16).sum() if most_low else low == 0
    with pytest.raises(ValueError, match="do not fit"):
        kernel().count_symbols(movie.numbers[part], movie.bin_of, *given[:3], counts[:-1])


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("options", [{}, {"classes": 3, "most_low": 5}])
def test_numbers_of_8_bits_are_as_those_of_16(options):
    movie, found = Movie(5, (11, 2500), **options), []
    for dtype in (np.uint8, np.uint16):
        movie.numbers = movie.numbers.astype(np.uint8).astype(dtype)
        sums, squares = np.empty(2500, np.uint32), np.empty(2500, np.uint64)
        kernel().sum_pixels(movie.numbers[::3], sums, squares)
        counts = np.zeros_like(movie.group_counts)
        given = movie.frame_class[::3].copy(), movie.level, movie.groups, counts
        kernel().count_symbols(movie.numbers[::3], movie.bin_of, *given)
        found.append([*movie.encode(3, 700), sums, squares, counts])
    for short, long in zip(*found, strict=True):
        np.testing.assert_array_equal(short, long)


@pytest.mark.usefixtures("backend")
def test_sums_of_more_frames_than_fit_are_refused():
    one = np.zeros(1, np.uint32), np.zeros(1, np.uint64)
    with pytest.raises(ValueError, match="do not fit"):
        kernel().sum_pixels(np.zeros((2**16 + 1, 1), np.uint8), *one)


@pytest.mark.usefixtures("backend")
def test_cells_are_the_rows_of_levels():
    movie = Movie(8, (2, 300), classes=3)
    cells = np.zeros((3, 300), np.uint32)
    kernel().fill_cells(movie.level, movie.rows, cells)
    np.testing.assert_array_equal(cells, movie.cells)
    with pytest.raises(DamagedChunk, match="damaged chunk"):
        kernel().fill_cells(movie.level, movie.rows[:, :2].copy(), cells)
    with pytest.raises(ValueError, match="do not fit"):
        kernel().fill_cells(movie.level, movie.rows[:2], cells)


# ---------------------------------------------------------------------------- damage


@pytest.mark.usefixtures("backend")
def test_damaged_streams_are_refused():
    movie, cut = Movie(6, (6, 500), classes=2), (2, 200)
    lengths, payload = movie.encode(*cut)
    for where in (0, 3, 200, payload.size // 2, payload.size - 1):
        damaged = payload.copy()
        damaged[where] ^= 0x40
        with pytest.raises(DamagedChunk, match="its bytes are not what an encoder writes"):
            movie.decode(lengths, damaged, *cut)
    swapped = np.roll(lengths, 1)
    for wrong in ((lengths, payload[:-2]), (lengths + 1, payload), (swapped, payload)):
        with pytest.raises(DamagedChunk, match="damaged chunk"):
            movie.decode(*wrong, *cut)
    movie.cells[0, 7] |= 200 << 24
    with pytest.raises(DamagedChunk, match="damaged chunk"):
        movie.decode(lengths, payload, *cut)


@pytest.mark.parametrize("options", [{}, {"most_low": 8}, {"spread": 150}])
def test_both_kernels_refuse_the_same_parts_of_a_stream_that_was_cut(options):
    movie, cut = Movie(2, (6, 64), **options), (6, 64)
    lengths, payload = movie.encode(*cut)
    refused: dict[str, list[object]] = {"compiled": [], "numpy": []}
    for left, frames in product(range(0, int(lengths[0]), 5), range(1, 6)):
        words = np.array([left], np.uint32), payload[: 4 * LANES + 2 * left]
        for backend, parts in refused.items():
            out = np.zeros((frames, 64), np.uint16)
            with use_backend(backend):
                try:
                    movie.decode(*words, *cut, out=out)
                except DamagedChunk:
                    parts.append((left, frames))
                else:
                    np.testing.assert_array_equal(out, movie.numbers[:frames])
    assert refused["compiled"] == refused["numpy"]


@pytest.mark.usefixtures("backend")
def test_damaged_maps_are_refused():
    level = image("smooth", (40, 50)).ravel()
    payload, slots = encoded_map(level, 50)
    for where in (2, 170, payload.size - 1):
        damaged = payload.copy()
        damaged[where] ^= 0x10
        with pytest.raises(DamagedChunk, match="damaged chunk"):
            kernel().decode_map(damaged, 50, slots, level)
    for wrong in (payload[:100], payload[:-1], payload[:-2]):
        with pytest.raises(DamagedChunk, match="damaged chunk"):
            kernel().decode_map(wrong, 50, slots, level)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(("state", "word"), [(1 << 31, 1 << 15), (0, 1 << 15)])
def test_states_that_no_encoder_stores_are_refused(state, word):
    movie, level = Movie(9, (1, 32), levels=1), np.zeros(1, np.uint16)
    lengths, payload = np.ones(1, np.uint32), np.full(4 * LANES + 2, 0, np.uint8)
    payload[:-2].view("<u4")[...] = 1 << 15
    payload[:4].view("<u4")[0], payload[-2:].view("<u2")[0] = state, word
    slots = np.arange(SLOTS, dtype=np.uint32) << 8 | (SLOTS - 1) << 20  # of a single symbol
    movie.slots, of_map = slots[None], np.tile(slots, (6, 1))
    with pytest.raises(DamagedChunk, match="damaged chunk"):
        movie.decode(lengths, payload, 1, 32)
    with pytest.raises(DamagedChunk, match="damaged chunk"):
        kernel().decode_map(np.delete(payload, slice(4, -2)), 1, of_map, level)


@pytest.mark.usefixtures("backend")
def test_what_does_not_fit_is_refused_or_said():
    movie = Movie(7, (4, 100))
    given = movie.numbers, movie.frame_class, movie.cells
    bins, lengths = movie.bin_of, np.zeros(4, np.uint32)
    encode = kernel().encode_streams
    assert encode(*given, movie.frequencies, bins, 2, 50, lengths, np.zeros(300, "u1")) == 0
    payload = np.zeros(10_000, np.uint8)
    for wrong in ((2, 40), (0, 50), (2, 0), (1, 50)):
        with pytest.raises(ValueError, match="sizes of the arrays do not fit"):
            encode(*given, movie.frequencies, bins, *wrong, lengths, payload)
    frequencies = np.zeros_like(movie.frequencies)
    frequencies[:, 3] = SLOTS  # of no other symbol, and of no escape
    with pytest.raises(ValueError, match="do not fit"):
        encode(*given, frequencies, bins, 2, 50, lengths, payload)
    with pytest.raises(DamagedChunk, match="damaged chunk"):
        kernel().decoding_slots(frequencies // 2, movie.slots)
