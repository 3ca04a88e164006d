"""The numbers of a chunk as bytes, and back, as far as a frame that is wanted."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.adaptive.bins import choose_bins
from dj_photon_codecs.layouts.adaptive.levels import Levels, fit_levels
from dj_photon_codecs.layouts.adaptive.prediction import (
    EPOCHS,
    FEATURES,
    FEWEST_DROPPED,
    MOST_DROPPED,
    Prediction,
    key_values,
    measure_noise,
    predict,
)
from dj_photon_codecs.layouts.columns import bytewise, changes, cut, inflated, numbers_of
from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.layout import DamagedChunk
from dj_photon_codecs.layouts.static.bins import bins_of_numbers, numbers_of_bins
from dj_photon_codecs.layouts.static.tables import frequencies_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LEAST_WIDTH", "MOST_WIDTH", "pack_adaptive", "unpack_adaptive"]

# These are parts of the stored format.
LEAST_WIDTH, MOST_WIDTH = 16, 1 << 16  # of frames; a decoder needs 16 rows of room
LANES = 16
MOST_NUMBERS, MOST_TABLES, MOST_BITS = 1 << 16, 256, 15
# These were found by ablation on real and simulated movies.
# Levels of zlib: for models of this share, and for others, which take up to eight times longer.
SMALL_MODEL, LEVEL_OF_ZLIB, BEST_OF_ZLIB = 0.1, 7, 9
FEWEST_ROWS, PREDICTED = 4, 1 << 19  # every how many rows, at least, or pixels, levels are made of
BODY_HEADER = np.dtype(
    [
        ("start", "<f4"),
        ("gate", "<f4", (3,)),
        ("model", "<u4"),
        ("bins", "<u4"),
        ("values", "<u4"),
        ("escapes", "<u4"),
        ("words", "<u4"),
        ("first", "<u2"),
        ("levels", "<u2"),
        ("tables", "<u2"),
        ("dropped", "<u2"),
    ]
)


class Packed(NamedTuple):
    """The parts of a chunk.

    Attributes
    ----------
    prediction : Prediction
        What is expected.
    levels : Levels
        Which table has the frequencies of a symbol.
    bits : ndarray of uint8
        The low bits of each bin.
    values : ndarray of uint16
        If there are any, numbers are indices into them; in ascending order.
    escapes : ndarray of uint16
        The bins of escapes, in the order of coding.
    states : ndarray of uint32
        The lanes as they were written.
    words : ndarray of uint16, or uint8
        The words, or when read their bytes.
    payload : ndarray of uint8
        The low bits of all numbers.
    """

    prediction: Prediction
    levels: Levels
    bits: NDArray[np.uint8]
    values: NDArray[np.uint16]
    escapes: NDArray[np.uint16]
    states: NDArray[np.uint32]
    words: NDArray[Any]
    payload: NDArray[np.uint8]


def pack_adaptive(numbers: NDArray[Any], values: NDArray[np.uint16], top: int) -> list[Any]:
    """Pack numbers up to `top`, shape (frames, height, width), which index values if there are any.

    They are of 8 or 16 bits. What is returned are the parts of the packed bytes, one by one.
    """
    numbers = np.ascontiguousarray(numbers)
    value = (values if values.size else np.arange(top + 1)).astype(np.float32)
    noise = measure_noise(numbers, value)
    deviation = np.sqrt(np.interp(value + 1, *noise))
    bits = choose_bins(numbers, value, deviation)
    of_number = bins_of_numbers(bits)
    bins, payload = numbers, np.empty(0, np.uint8)
    if bits.any():
        bins = np.empty(numbers.shape, np.uint8 if bits.size <= 1 << 8 else np.uint16)
        payload = np.empty(2 * numbers.size + 8, np.uint8)
        payload = payload[: kernel().split_numbers(numbers, of_number, bins, payload)]
    prediction = predict(bins, _bin_values(bits, values), noise)
    given = prediction.arguments(*numbers.shape)
    flat = bins.reshape(len(bins), -1)
    keys = np.empty(flat.size + 1, np.uint16)
    counts = np.zeros((2, key_values(prediction.dropped).size), np.uint32)
    squares = np.zeros(counts.shape)
    every = max(FEWEST_ROWS, flat.size // PREDICTED)
    kernel().predict_keys(*given, bins, keys[:-1], prediction.scale, every, counts, squares)
    below = np.searchsorted(value, np.arange(int(value[-1]) + 2) - 1, "right") - 1
    of_value = of_number[np.maximum(below, 0)].astype(np.uint16)
    levels = fit_levels(
        flat,
        keys[:-1],
        (counts, squares, every),
        expected=prediction.expected,
        of_value=of_value,
    )
    states, left = np.empty(LANES, np.uint32), np.empty(2, np.uint32)
    escapes = np.empty(flat.size, np.uint16)
    kernel().encode_predicted(
        *given,
        levels.entries(prediction.dropped),
        frequencies_of(levels.roots),
        bins,
        keys,
        escapes,
        states,
        left,
    )
    return _join(
        Packed(
            prediction,
            levels,
            bits,
            values,
            escapes[left[1] :],
            states,
            keys[left[0] :],
            payload,
        )
    )


def unpack_adaptive(
    packed: NDArray[np.uint8], shape: tuple[int, int, int], out: NDArray[Any], *, start: int = 0
) -> tuple[NDArray[Any], NDArray[np.uint16]]:
    """Unpack frames of a chunk.

    Parameters
    ----------
    packed : ndarray of uint8
        What `pack_adaptive` returned.
    shape : tuple of int
        Frames, height and width.
    out : ndarray of unsigned integers, shape (frames, ...)
        Where to put the numbers, if it can hold them; of fewer frames, if only these are wanted.
    start : int
        The first frame that is wanted: those before it are decoded too, and not kept.

    Returns
    -------
    numbers : ndarray of uint8 or uint16
        `out`, or an array like it.
    values : ndarray of uint16
        If there are any, numbers are indices into them.

    Raises
    ------
    DamagedChunk
        If it is not what `pack_adaptive` returned for this shape.
    """
    parts = _split(packed, shape)
    prediction, levels = parts.prediction, parts.levels
    narrow = parts.bits.size <= 1 << 8 and not parts.bits.any()
    holds = out.itemsize == 2 or (out.itemsize == 1 and narrow)
    numbers = out if holds else np.empty(out.shape, np.uint16)
    has_bits = bool(parts.bits.any())
    kernel().decode_predicted(
        *prediction.arguments(*shape),
        levels.entries(prediction.dropped),
        frequencies_of(levels.roots),
        parts.states,
        parts.words,
        parts.escapes,
        numbers_of_bins(parts.bits if has_bits else parts.bits[:0]),
        parts.payload if has_bits else parts.payload[:0],
        start,
        start + len(numbers),
        numbers,
    )
    return numbers, parts.values


def _bin_values(bits: NDArray[np.uint8], values: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the value of the number in the middle of each bin, plus 1."""
    sizes = np.left_shift(1, bits, dtype=np.int64)
    middle = np.cumsum(sizes) - sizes + sizes // 2
    found = values[np.minimum(middle, values.size - 1)] if values.size else middle
    return found.astype(np.float32) + np.float32(1)


def _join(parts: Packed) -> list[Any]:
    """Return the bytes of a chunk, in parts."""
    prediction, levels = parts.prediction, parts.levels
    columns = (
        bytewise(prediction.weights.T),
        *(bytewise(changes(each)) for each in (levels.key, levels.base)),
        changes(levels.table),
        levels.roots,
        parts.bits,
        bytewise(changes(parts.values)),
        bytewise(parts.escapes),
    )
    model = b"".join(column.tobytes() for column in columns)
    is_small = len(model) < SMALL_MODEL * (parts.words.nbytes + parts.payload.nbytes)
    model = zlib.compress(model, LEVEL_OF_ZLIB if is_small else BEST_OF_ZLIB)
    counts = len(model), parts.bits.size, parts.values.size, parts.escapes.size, parts.words.size
    sizes = levels.first, levels.key.size, len(levels.roots), prediction.dropped
    header = np.array([(prediction.start, prediction.gate, *counts, *sizes)], BODY_HEADER)
    words = parts.words.astype("<u2", copy=False)
    return [header.tobytes(), model, parts.states.astype("<u4"), words, parts.payload]


def _split(packed: NDArray[np.uint8], shape: tuple[int, int, int]) -> Packed:
    if packed.size < BODY_HEADER.itemsize:
        raise DamagedChunk(f"damaged chunk: {packed.size} bytes are too few for its body")
    header = packed[: BODY_HEADER.itemsize].view(BODY_HEADER)[0]
    legal = (
        shape[0] > 0
        and LEAST_WIDTH <= shape[2] <= MOST_WIDTH
        and max(int(header["bins"]), int(header["values"])) <= MOST_NUMBERS
        and header["escapes"] <= math.prod(shape)
        and 0 < header["tables"] <= MOST_TABLES
        and FEWEST_DROPPED <= header["dropped"] <= MOST_DROPPED
    )
    if not legal:
        raise DamagedChunk(f"damaged chunk: {shape} numbers with the header {header}")
    sizes = BODY_HEADER.itemsize, int(header["model"]), 4 * LANES, 2 * int(header["words"])
    _, model, states, words, payload = cut(packed, sizes)
    prediction, levels, bits, values, escapes = _model(header, model)
    coded = states.copy().view("<u4")
    return Packed(prediction, levels, bits, values, escapes, coded, words, payload)


def _model(header: Any, stored: NDArray[np.uint8]) -> tuple[Any, ...]:
    bins, levels, tables, values, escapes = (
        int(header[name]) for name in ("bins", "levels", "tables", "values", "escapes")
    )
    sizes = [4 * EPOCHS * FEATURES, 2 * levels, 2 * levels, levels]
    sizes += [256 * tables, bins, 2 * values, 2 * escapes]
    weight, *words, table, roots, bits, value, escape = cut(
        inflated(stored, sum(sizes)), sizes, all_of_it=True
    )
    key, base, values_read = (
        np.cumsum(numbers_of(each, "u2"), dtype=np.uint16) for each in (*words, value)
    )
    if (
        not 0 < np.left_shift(1, bits, dtype=np.int64).sum() <= MOST_NUMBERS
        or bits.max() > MOST_BITS
    ):
        raise DamagedChunk(f"damaged chunk: {bins} bins")
    weights = np.ascontiguousarray(numbers_of(weight, "i4").reshape(FEATURES, EPOCHS).T)
    gate = tuple(header["gate"].tolist())
    return (
        Prediction(
            _bin_values(bits, values_read),
            float(header["start"]),
            gate,
            weights,
            int(header["dropped"]),
        ),
        Levels(
            int(header["first"]),
            key,
            base,
            np.cumsum(table, dtype=np.uint8),
            roots.reshape(tables, 256),
        ),
        bits,
        values_read,
        numbers_of(escape, "u2"),
    )
