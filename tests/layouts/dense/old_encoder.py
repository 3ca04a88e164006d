"""Writes dense chunks as earlier versions did, from the page of the format: for the decoder."""

import zlib

import numpy as np

from dj_photon_codecs.layouts.dense.unpacking import (
    LEVEL,
    SECTIONS_HEADER,
    SLOTS,
    TABLE,
    fewest_coders,
)
from dj_photon_codecs.layouts.kernels.reference_dense import (
    FEATURES,
    UNIT,
    Brightness,
    brightness_keys,
)
from dj_photon_codecs.layouts.kernels.reference_rans import ESCAPE

LEAST = 1 << 16  # of a coder


class Chunk:
    """A chunk of random weights and levels, whose symbols are coded one by one.

    What is to be stored may be changed before `packed` stores it.
    """

    def __init__(self, numbers, *, seed=0, levels=9, tables=4, most_low=3, coders=None, values=()):
        rng = np.random.default_rng(seed)
        self.numbers, self.shape, self.values = numbers.astype(int), numbers.shape, list(values)
        self.top, self.start = int(numbers.max()), np.float32(2 * numbers.max() + 4)
        self.weights = rng.integers(-UNIT // 20, UNIT // 20, (len(numbers), FEATURES))
        self.weights[:, 0] += UNIT
        self.keys = self.predicted()
        first = np.quantile(self.keys, np.linspace(0, 1, levels, endpoint=False)).astype(int)
        first = np.unique(first)
        self.levels, self.tables = np.zeros(first.size, LEVEL), np.zeros(tables, TABLE)
        self.levels["key"] = first
        self.levels["table"] = np.sort(rng.integers(0, tables, first.size))
        self.tables["low"] = rng.integers(0, most_low + 1, tables)
        self.level = np.maximum(np.searchsorted(first, self.keys, "right") - 1, 0)
        flat = self.numbers.reshape(len(numbers), -1)
        for level in range(first.size):
            of_level = flat[self.level == level]
            self.levels["base"][level] = np.quantile(of_level, 0.1) if of_level.size else 0
        self.symbols, self.escapes = self.divided(flat)
        self.count_symbols()
        pixels = flat.shape[1]
        self.coders = fewest_coders(pixels) if coders is None else coders
        self.states, self.words = self.coded(flat)

    def predicted(self):
        brightness, keys = Brightness(self.shape[1:], start=float(self.start)), []
        for frame, weights in zip(self.numbers, self.weights, strict=True):
            keys.append(brightness_keys(brightness.expect(weights)).ravel())
            brightness.learn(frame)
        return np.array(keys)

    def above(self, flat):
        return flat - self.levels["base"].astype(int)[self.level]

    def low(self):
        return self.tables["low"].astype(int)[self.levels["table"][self.level]]

    def divided(self, flat):
        above = self.above(flat)
        symbols = above >> self.low()
        symbols[
            (symbols < 0)
            | (symbols > ESCAPE)
            | (np.arange(symbols.size) % 97 == 5).reshape(symbols.shape)
        ] = ESCAPE
        return symbols, (above[symbols == ESCAPE] % (1 << 32)).tolist()

    def count_symbols(self):
        table = self.levels["table"].astype(int)[self.level]
        for number, row in enumerate(self.tables["frequencies"]):
            counts = np.bincount(self.symbols[table == number], minlength=256)
            share = counts * (SLOTS - 256) // max(counts.sum(), 1)
            row[...] = np.where(counts > 0, np.maximum(share, 1), 0)
            row[ESCAPE] += SLOTS - int(row.sum())

    def coded(self, flat):
        states, words, low = [LEAST] * self.coders, [], self.low()
        before = np.cumsum(self.tables["frequencies"].astype(int), axis=1)
        before -= self.tables["frequencies"]
        table = self.levels["table"].astype(int)[self.level]
        above = self.above(flat)

        def spill(coder, limit):
            if states[coder] >= limit:
                words.append(states[coder] & 0xFFFF)
                states[coder] >>= 16

        for t in reversed(range(len(flat))):
            symbols = self.symbols[t].tolist()
            bits = [0 if s == ESCAPE else int(b) for s, b in zip(symbols, low[t], strict=True)]
            for i in reversed(range(len(symbols))) if self.tables["low"].any() else ():
                coder = i % self.coders
                spill(coder, 1 << 32 - bits[i])
                states[coder] = states[coder] << bits[i] | int(above[t, i]) & ((1 << bits[i]) - 1)
            for i in reversed(range(len(symbols))):
                coder, row = i % self.coders, table[t, i]
                frequency = int(self.tables["frequencies"][row, symbols[i]])
                spill(coder, frequency << 20)
                quotient, rest = divmod(states[coder], frequency)
                states[coder] = (quotient << 12) + rest + int(before[row, symbols[i]])
        return states, words[::-1]

    def model(self):
        """Return the columns of the model, those that change little as changes."""
        changing = [*self.weights.T, *(self.levels[name] for name in ("key", "table", "base"))]
        columns = [np.diff(column.astype(int), prepend=0) for column in changing]
        columns += [self.tables["low"], self.tables["frequencies"].ravel(), self.escapes]
        return [*columns, np.diff(self.values, prepend=0) if self.values else []]

    def packed(self):
        columns = [
            (np.array(each, dtype=object) % (1 << 32)).astype("<u4") for each in self.model()
        ]
        planes = (each.view("u1").reshape(-1, 4).T.tobytes() for each in columns)
        model = zlib.compress(b"".join(planes))
        sizes = len(self.levels), len(self.tables), len(self.escapes), len(self.values)
        head = (*self.shape, self.top, self.start, *sizes, len(self.states), len(model))
        stored = np.array([head], SECTIONS_HEADER).tobytes() + model
        stored += np.array(self.states, "<u4").tobytes() + np.array(self.words, "<u2").tobytes()
        return np.frombuffer(stored, "u1").copy()
