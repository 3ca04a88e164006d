"""The codes of a dense chunk as bytes.

Frame by frame, encoder and decoder predict the brightness of each pixel from the frames before. Its
level has the table with which the symbol of the code is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.dense.brightness import FEATURES, Brightness
from dj_photon_codecs.layouts.dense.level_fitting import Outline, fit_levels, outline_levels
from dj_photon_codecs.layouts.dense.levels import ESCAPE, KEYS, Levels, brightness_keys
from dj_photon_codecs.layouts.dense.rans import SymbolWriter
from dj_photon_codecs.layouts.dense.sections import join_sections
from dj_photon_codecs.layouts.dense.unpacking import MOST_CODERS, Model, Sections, fewest_coders
from dj_photon_codecs.layouts.dense.weighting import Weighting

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["pack_dense"]

# These are measured by benchmarks/constants.py.
CODERS_SHARE = 1 << 13  # bits of the stream for each coder, at least; a coder takes 16 itself
NOISE_SAMPLED = 7  # the noise is measured in every seventh pixel


def pack_dense(codes: NDArray[Any], *, values: NDArray[Any] | None = None) -> bytes:
    """Pack codes.

    Parameters
    ----------
    codes : ndarray of unsigned integers, shape (frames, height, width)
        Codes below 2**24; at least one.
    values : ndarray of unsigned integers, optional
        If given, the codes are indices into it.

    Returns
    -------
    bytes
        What `unpack_dense` reads.

    Examples
    --------
    >>> from dj_photon_codecs.layouts.dense.unpacking import unpack_dense
    >>> counts = np.random.default_rng(0).poisson(3, (100, 64, 64)).astype("u2")
    >>> packed = np.frombuffer(pack_dense(counts), np.uint8)
    >>> unpacked = np.empty_like(counts)
    >>> values = unpack_dense(packed, counts.shape, out=unpacked)
    >>> bool((unpacked == counts).all()), counts.nbytes // packed.size
    (True, 5)
    """
    top = int(codes.max())
    start = np.float32(2 * top + 4)  # above all later predictions
    keys, weights, outline = _predicted(codes, start=start, top=top)
    histograms = _histograms(codes, keys, outline)
    levels = fit_levels(outline, histograms)
    writer = SymbolWriter(_coders(histograms, codes[0].size), levels.table["frequencies"])
    escapes = _write(writer, codes, keys, levels)
    nothing = np.zeros(0, np.uint32)
    model = Model(weights, levels, escapes, nothing if values is None else values)
    sections = Sections(top, float(start), model, *writer.finish())
    return join_sections(sections, codes.shape)


def _predicted(
    codes: NDArray[Any], *, start: np.float32, top: int
) -> tuple[NDArray[np.uint16], NDArray[np.int32], Outline]:
    """Return the keys of all predictions, the weights of each frame, and the levels."""
    keys = np.empty((len(codes), codes[0].size), np.uint16)
    weights = np.empty((len(codes), FEATURES), np.int32)
    counts, squares = np.zeros(KEYS), np.zeros(KEYS)
    brightness, weighting = Brightness(codes.shape[1:], start=float(start)), Weighting(codes)
    for number, frame in enumerate(codes):
        weights[number] = weighting.fit(brightness.features, frame, number=number)
        expected = brightness.expect(weights[number])
        keys[number] = brightness_keys(expected).ravel()
        brightness.learn(frame)
        if not number:
            continue
        noise = (frame.ravel()[::NOISE_SAMPLED] + 1.0) - expected.ravel()[::NOISE_SAMPLED]
        sample = keys[number, ::NOISE_SAMPLED]
        counts += np.bincount(sample, minlength=KEYS)
        squares += np.bincount(sample, noise * noise, minlength=KEYS)
    return keys, weights, outline_levels(counts, squares, first=int(keys[0, 0]), top=top)


def _histograms(
    codes: NDArray[Any], keys: NDArray[np.uint16], outline: Outline
) -> NDArray[np.int64]:
    """Count each symbol at each level."""
    level, low = outline
    size = len(level) * (ESCAPE + 1)
    by_key = Levels.numbers_of(level)
    counts = np.zeros(size, np.int64)
    for frame, key in zip(codes, keys, strict=True):
        number = by_key[key]
        symbols = _symbols(frame, level["base"][number], low[number])
        counts += np.bincount(number * (ESCAPE + 1) + symbols, minlength=size)
    return counts.reshape(len(level), -1)


def _symbols(frame: NDArray[Any], base: NDArray[Any], low: NDArray[Any]) -> NDArray[np.uint8]:
    above = frame.ravel().astype(np.int32)
    above -= base.astype(np.int32)
    above >>= low
    # read as unsigned, codes below the base become large, and so escapes
    return np.minimum(above.view(np.uint32), ESCAPE).astype(np.uint8)


def _write(
    writer: SymbolWriter, codes: NDArray[Any], keys: NDArray[np.uint16], levels: Levels
) -> NDArray[np.uint32]:
    """Write all frames, the last one first, and return the escapes."""
    table, base, low = levels.by_key("table"), levels.by_key("base"), levels.low_by_key()
    frequencies = levels.table["frequencies"]
    escapes = [np.zeros(0, np.uint32)]
    for frame, key in zip(reversed(codes), reversed(keys), strict=True):
        tables, bits = table[key], low[key]
        symbols = _symbols(frame, base[key], bits)
        symbols[frequencies[tables, symbols] == 0] = ESCAPE
        escaped = symbols == ESCAPE
        above = frame.ravel().astype(np.uint32) - base[key]
        escapes.append(above[escaped])
        if low.any():
            bits[escaped] = 0
            writer.write_bits(above & ((np.uint32(1) << bits) - np.uint32(1)), bits)
        writer.write(symbols, tables.astype(np.uint8))
    return np.concatenate(escapes[::-1])


def _coders(histograms: NDArray[np.int64], pixels: int) -> int:
    """Return the number of coders: a power of two, of which each writes `CODERS_SHARE` bits."""
    counts = histograms[histograms > 0]
    of_level = np.repeat(histograms.sum(axis=1), (histograms > 0).sum(axis=1))
    bits = int((counts * np.log2(of_level / counts)).sum())
    number = 1 << max(bits // CODERS_SHARE, 1).bit_length() - 1
    return max(fewest_coders(pixels), min(MOST_CODERS, number, pixels))
