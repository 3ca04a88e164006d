"""Symbols come back in their order, and take the bits that their frequencies allow."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.dense.rans import (
    PRECISION,
    SymbolWriter,
)
from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.kernels.reference_dense import SymbolReader


def frequencies() -> np.ndarray:
    """Many symbols, few, one of them rare, and one alone."""
    tables = np.zeros((4, 256), int)
    tables[0] = 16
    tables[1, [3, 200]] = 4095, 1
    tables[2, :4] = 2048, 1024, 512, 512
    tables[3, 77] = 4096
    return tables


def slots_of(tables: np.ndarray) -> np.ndarray:
    slots = np.empty(len(tables) << PRECISION, "u4")
    kernel().decoding_slots(tables.astype("u2"), slots)
    return slots


def drawn(size: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    table = rng.integers(0, 4, size).astype("u1")
    symbols = np.empty(size, "u1")
    for number, each in enumerate(frequencies()):
        chosen = table == number
        symbols[chosen] = rng.choice(256, chosen.sum(), p=each / 4096)
    return symbols, table


@pytest.mark.parametrize("coders", [1, 7, 100, 5000])
@pytest.mark.parametrize("size", [1, 6, 1000, 4999])
def test_symbols_and_bits_come_back(coders, size):
    symbols, table = drawn(size)
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 17, size).astype("u4")
    numbers = rng.integers(0, 1 << 16, size).astype("u4") & ((1 << bits) - 1).astype("u4")
    writer = SymbolWriter(coders, frequencies())
    for _ in range(2):  # the last first
        writer.write_bits(numbers, bits)
        writer.write(symbols, table)
    reader = SymbolReader(*writer.finish(), slots_of(frequencies()))
    for _ in range(2):
        np.testing.assert_array_equal(
            reader.read(table.astype(np.uint32) << np.uint32(PRECISION)), symbols
        )
        np.testing.assert_array_equal(reader.read_bits(bits), numbers)
    reader.finish()


@pytest.mark.parametrize(("table", "bits"), [(0, 8.0), (2, 1.75), (3, 0.0)])
def test_symbols_take_their_entropy(table, bits):
    rng = np.random.default_rng(2)
    symbols = rng.choice(256, 100_000, p=frequencies()[table] / 4096).astype("u1")
    writer = SymbolWriter(10, frequencies())
    writer.write(symbols, np.full(symbols.size, table, "u1"))
    assert 16 * writer.finish()[1].size / symbols.size == pytest.approx(bits, rel=0.01, abs=0.01)


def test_what_is_left_or_missing_is_noticed():
    symbols, table = drawn(1000)
    writer = SymbolWriter(10, frequencies())
    writer.write(symbols, table)
    coders, stream = writer.finish()
    tables, slots = slots_of(frequencies()), table.astype(np.uint32) << np.uint32(PRECISION)
    longer = SymbolReader(coders, np.append(stream, stream[:1]), tables)
    longer.read(slots)
    with pytest.raises(ValueError, match=r"damaged chunk: its symbols took \d+ of \d+ words"):
        longer.finish()
    with pytest.raises(ValueError, match=r"damaged chunk: its \d+ words are too few"):
        SymbolReader(coders, stream[:-9], tables).read(slots)
