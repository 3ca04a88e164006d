"""A dense chunk as a sequence of bytes, and back: each code as surprising as it is.

Frame by frame, the brightness of each pixel is predicted from the frames before, in the encoder as
in the decoder; and each code takes as many bits as are due at its level of brightness.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.dense.brightness import FEATURES, Brightness
from dj_photon_codecs.layouts.dense.level_fitting import Outline, fit_levels, outline_levels
from dj_photon_codecs.layouts.dense.levels import ESCAPE, KEYS, Levels, brightness_keys
from dj_photon_codecs.layouts.dense.rans import (
    PRECISION,
    SymbolReader,
    SymbolWriter,
    decoding_tables,
)
from dj_photon_codecs.layouts.dense.sections import (
    MOST_CODERS,
    Model,
    Sections,
    fewest_coders,
    join_sections,
    split_sections,
)
from dj_photon_codecs.layouts.dense.weighting import Weighting
from dj_photon_codecs.layouts.layout import DamagedChunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["pack_dense", "unpack_dense"]

CODERS_SHARE = 1 << 13  # bits of the stream, at least, for each of the coders, which take 16 each
NOISE_SAMPLED = 7  # one in so many pixels


def pack_dense(codes: NDArray[Any], *, values: NDArray[Any] | None = None) -> bytes:
    """Pack codes.

    Parameters
    ----------
    codes : ndarray of unsigned integers, shape (frames, height, width)
        Codes below 2**24; at least one.
    values : ndarray of unsigned integers, optional
        What the codes are numbers of, in ascending order, if anything.

    Returns
    -------
    bytes
        From which `unpack_dense` gets both.

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(3, (100, 64, 64)).astype("u2")
    >>> packed = np.frombuffer(pack_dense(counts), np.uint8)
    >>> unpacked = np.empty_like(counts)
    >>> values = unpack_dense(packed, counts.shape, out=unpacked)
    >>> bool((unpacked == counts).all()), counts.nbytes // packed.size
    (True, 5)
    """
    top = int(codes.max())
    start = np.float32(2 * top + 4)  # out of the way of all later predictions
    keys, weights, outline = _predicted(codes, start=start, top=top)
    histograms = _histograms(codes, keys, outline)
    levels = fit_levels(outline, histograms)
    writer = SymbolWriter(_coders(histograms, codes[0].size), levels.table["frequencies"])
    escapes = _write(writer, codes, keys, levels)
    nothing = np.zeros(0, np.uint32)
    model = Model(weights, levels, escapes, nothing if values is None else values)
    sections = Sections(top, float(start), model, *writer.finish())
    return join_sections(sections, codes.shape)


def unpack_dense(
    packed: NDArray[np.uint8], shape: tuple[int, int, int], *, out: NDArray[Any]
) -> NDArray[np.uint32]:
    """Unpack codes, and return what they are numbers of, if anything.

    Parameters
    ----------
    packed : ndarray of uint8
        What `pack_dense` returned.
    shape : tuple of int
        Frames, height and width.
    out : ndarray of unsigned integers, shape (frames, height, width)
        Where to put the codes.

    Raises
    ------
    ValueError
        If `packed` is not what `pack_dense` returned for this shape.
    """
    top, start, model, coders, stream = split_sections(packed, shape)
    weights, levels, escapes, values = model
    if top > np.iinfo(out.dtype).max:
        raise DamagedChunk(f"damaged chunk: {out.dtype} codes up to {top}")
    reader = SymbolReader(coders, stream, decoding_tables(levels.table["frequencies"]))
    slots, base = levels.by_key("table") << np.uint32(PRECISION), levels.by_key("base")
    low = levels.low_by_key() if levels.table["low"].any() else None
    brightness = Brightness(shape[1:], start=start)
    for frame, weight in zip(out, weights, strict=True):
        keys = brightness_keys(brightness.expect(weight)).ravel()
        symbols = reader.read(np.take(slots, keys, mode="clip"))
        found = symbols.astype(np.uint32)
        apart = np.flatnonzero(symbols == ESCAPE)
        if low is not None:
            bits = np.take(low, keys, mode="clip")
            bits[apart] = 0
            found = found << bits | reader.read_bits(bits)
        found[apart], escapes = _next(escapes, apart.size)
        found += np.take(base, keys, mode="clip")
        if int(found.max()) > top:
            raise DamagedChunk(f"damaged chunk: a code of {found.max()} where {top} is the largest")
        frame[...] = found.reshape(shape[1:])
        brightness.learn(frame)
    reader.finish()
    return values


def _next(
    escapes: NDArray[np.uint32], number: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    if number > escapes.size:
        raise DamagedChunk(f"damaged chunk: {number} codes apart where {escapes.size} are listed")
    return escapes[:number], escapes[number:]


def _predicted(
    codes: NDArray[Any], *, start: np.float32, top: int
) -> tuple[NDArray[np.uint16], NDArray[np.int32], Outline]:
    """The keys of all expected brightnesses, the weights, and the levels."""
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
        missed = (frame.ravel()[::NOISE_SAMPLED] + 1.0) - expected.ravel()[::NOISE_SAMPLED]
        some = keys[number, ::NOISE_SAMPLED]
        counts += np.bincount(some, minlength=KEYS)
        squares += np.bincount(some, missed * missed, minlength=KEYS)
    return keys, weights, outline_levels(counts, squares, first=int(keys[0, 0]), top=top)


def _histograms(
    codes: NDArray[Any], keys: NDArray[np.uint16], outline: Outline
) -> NDArray[np.int64]:
    """How often each symbol occurs at each level."""
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
    # what is below the base becomes large without its sign
    return np.minimum(above.view(np.uint32), ESCAPE).astype(np.uint8)


def _write(
    writer: SymbolWriter, codes: NDArray[Any], keys: NDArray[np.uint16], levels: Levels
) -> NDArray[np.uint32]:
    """Write all frames, the last one first, and return the codes that are listed apart."""
    table, base, low = levels.by_key("table"), levels.by_key("base"), levels.low_by_key()
    frequencies = levels.table["frequencies"]
    noisy = bool(low.any())
    listed = [np.zeros(0, np.uint32)]
    for frame, key in zip(reversed(codes), reversed(keys), strict=True):
        tables, bits = table[key], low[key]
        symbols = _symbols(frame, base[key], bits)
        symbols[frequencies[tables, symbols] == 0] = ESCAPE
        apart = symbols == ESCAPE
        above = frame.ravel().astype(np.uint32) - base[key]
        listed.append(above[apart])
        if noisy:
            bits[apart] = 0
            writer.write_bits(above & ((np.uint32(1) << bits) - np.uint32(1)), bits)
        writer.write(symbols, tables.astype(np.uint8))
    return np.concatenate(listed[::-1])


def _coders(histograms: NDArray[np.int64], pixels: int) -> int:
    """How many coders take turns: as many as are fast, if their own bits do not weigh."""
    seen = histograms[histograms > 0]
    of_level = np.repeat(histograms.sum(axis=1), (histograms > 0).sum(axis=1))
    bits = int((seen * np.log2(of_level / seen)).sum())
    due = 1 << max(bits // CODERS_SHARE, 1).bit_length() - 1
    return max(fewest_coders(pixels), min(MOST_CODERS, due, pixels))
