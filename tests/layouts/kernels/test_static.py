import numpy as np
import pytest

from dj_photon_codecs.layouts.kernels.backend import kernel
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

    def decode(self, lengths, payload, *cut, start=(0, 0), out=None):
        out = np.zeros_like(self.numbers) if out is None else out
        models = self.frame_class, self.cells, self.slots, self.first
        kernel().decode_streams(payload, lengths, *models, *cut, *start, out)
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
        for start, shape in [((0, 0), (1, 1)), ((5, 70), (9, 60)), ((20, 130), (3, 70))]:
            out = np.zeros(shape, np.uint16)
            movie.decode(lengths, payload, 4, 64, start=start, out=out)
            part = movie.numbers[start[0] :, start[1] :][: shape[0], : shape[1]]
            np.testing.assert_array_equal(out, part)
