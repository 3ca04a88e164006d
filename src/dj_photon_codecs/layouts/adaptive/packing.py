"""The numbers of a chunk as bytes, and back, as far as a frame that is wanted."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.adaptive.bins import (
    MOST_BITS,
    choose_bins,
    decoding_bins,
    encoding_bins,
)
from dj_photon_codecs.layouts.adaptive.levels import (
    Levels,
    code_of,
    fit_levels,
    read_frequencies,
)
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
from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.layout import DamagedChunk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["LEAST_WIDTH", "MOST_WIDTH", "pack_adaptive", "unpack_adaptive"]

# These are parts of the stored format.
LEAST_WIDTH, MOST_WIDTH = 16, 1 << 16  # of frames; a decoder needs 16 rows of room
LANES = 16
MOST_NUMBERS, MOST_TABLES = 1 << 16, 256
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
    states, words : ndarray of integers
        The lanes as they were written, and the words.
    payload : ndarray of uint8
        The low bits of all numbers.
    """

    prediction: Prediction
    levels: Levels
    bits: NDArray[np.uint8]
    values: NDArray[np.uint16]
    escapes: NDArray[np.uint16]
    states: NDArray[np.uint32]
    words: NDArray[np.uint16]
    payload: NDArray[np.uint8]


def pack_adaptive(numbers: NDArray[np.uint16], values: NDArray[np.uint16]) -> bytes:
    """Pack numbers, shape (frames, height, width), which index values if there are any."""
    numbers = np.ascontiguousarray(numbers)
    flat = numbers.reshape(len(numbers), -1)
    value = _values(int(numbers.max()) + 1, values)
    noise = measure_noise(numbers, value)
    deviation = np.sqrt(np.interp(value + 1, *noise))
    bits = choose_bins(numbers, value, deviation)
    of_number = encoding_bins(bits)
    bins, payload = numbers, np.empty(0, np.uint8)
    if bits.any():
        bins, payload = np.empty_like(numbers), np.empty(2 * numbers.size + 4, np.uint8)
        payload = payload[: kernel().split_numbers(numbers, of_number, bins, payload)]
    prediction = predict(bins, _bin_values(bits, value), noise)
    given = prediction.arguments(*numbers.shape)
    keys = np.empty_like(flat)
    counts = np.zeros((2, key_values(prediction.dropped).size), np.uint32)
    squares = np.zeros(counts.shape)
    kernel().predict_keys(*given, bins, keys, counts, squares)
    below = np.searchsorted(value, np.arange(int(value[-1]) + 2) - 1, "right") - 1
    of_value = of_number[np.maximum(below, 0)].astype(np.uint16)
    levels = fit_levels(
        bins.reshape(flat.shape),
        keys,
        (counts, squares),
        dropped=prediction.dropped,
        of_value=of_value,
    )
    words, escapes = np.empty(flat.size + 1, np.uint16), np.empty(flat.size, np.uint16)
    states, left = np.empty(LANES, np.uint32), np.empty(2, np.uint32)
    kernel().encode_predicted(
        *given,
        levels.entries(prediction.dropped),
        levels.frequencies,
        bins,
        keys,
        states,
        words,
        escapes,
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
            words[left[0] :],
            payload,
        )
    )


def unpack_adaptive(
    packed: NDArray[np.uint8], shape: tuple[int, int, int], numbers: NDArray[np.uint16]
) -> NDArray[np.uint16]:
    """Unpack the first frames of a chunk.

    Parameters
    ----------
    packed : ndarray of uint8
        What `pack_adaptive` returned.
    shape : tuple of int
        Frames, height and width.
    numbers : ndarray of uint16, shape (frames, ...)
        Where to put the numbers; of fewer frames, if only these are wanted.

    Returns
    -------
    ndarray of uint16
        Values; if there are any, numbers are indices into them.

    Raises
    ------
    DamagedChunk
        If it is not what `pack_adaptive` returned for this shape.
    """
    parts = _split(packed, shape)
    prediction, levels = parts.prediction, parts.levels
    slots = np.empty((len(levels.frequencies), 1 << 12), np.uint32)
    kernel().decoding_slots(levels.frequencies, slots)
    kernel().decode_predicted(
        *prediction.arguments(*shape),
        levels.entries(prediction.dropped),
        slots,
        parts.states,
        parts.words,
        parts.escapes,
        len(numbers),
        numbers,
    )
    if parts.bits.any():
        used = kernel().join_numbers(numbers, decoding_bins(parts.bits), parts.payload)
        if len(numbers) == shape[0] and used != parts.payload.size:
            raise DamagedChunk(f"damaged chunk: {used} of {parts.payload.size} bytes of low bits")
    return parts.values


def _values(count: int, values: NDArray[np.uint16]) -> NDArray[np.float32]:
    return (values[:count] if values.size else np.arange(count)).astype(np.float32)


def _bin_values(bits: NDArray[np.uint8], value: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the value in the middle of each bin, plus 1."""
    sizes = 1 << bits.astype(np.int64)
    return value[np.cumsum(sizes) - sizes + sizes // 2] + np.float32(1)


def _join(parts: Packed) -> bytes:
    """Return the bytes of a chunk."""
    prediction, levels = parts.prediction, parts.levels
    model = zlib.compress(b"".join(_planes(section) for section in _sections(parts)), 9)
    header = np.zeros(1, BODY_HEADER)
    header["start"], header["gate"] = prediction.start, prediction.gate
    header["dropped"], header["first"] = prediction.dropped, levels.first
    header["levels"], header["tables"] = levels.key.size, len(levels.frequencies)
    for name in ("bits", "values", "escapes", "words"):
        header[name.replace("bits", "bins")] = getattr(parts, name).size
    header["model"] = len(model)
    stored = parts.states.astype("<u4"), parts.words.astype("<u2"), parts.payload
    return b"".join([header.tobytes(), model, *(part.tobytes() for part in stored)])


def _sections(parts: Packed) -> Iterator[NDArray[Any]]:
    """Yield the numbers of the model, in the dtypes and order of the stored format."""
    levels = parts.levels
    codes = code_of(levels.frequencies)
    yield parts.prediction.weights.T.astype("<i4")
    for numbers in (levels.key, levels.base, levels.table):
        yield np.diff(numbers.astype(np.int64), prepend=0).astype("<u2")
    yield np.diff(codes, axis=1, prepend=0).astype("u1")
    yield parts.bits
    yield np.diff(parts.values, prepend=np.uint16(0)).astype("<u2")
    yield parts.escapes.astype("<u2")


def _planes(numbers: NDArray[Any]) -> bytes:
    """Return the first byte of all numbers, then the second, and so on."""
    flat = np.ascontiguousarray(numbers).reshape(-1, 1).view(np.uint8)
    return flat.T.tobytes()


def _split(packed: NDArray[np.uint8], shape: tuple[int, int, int]) -> Packed:
    if packed.size < BODY_HEADER.itemsize:
        raise DamagedChunk(f"damaged chunk: {packed.size} bytes are too few for its body")
    header = packed[: BODY_HEADER.itemsize].view(BODY_HEADER)[0]
    sizes = int(header["model"]), 4 * LANES, 2 * int(header["words"])
    rest = packed[BODY_HEADER.itemsize :]
    legal = (
        sum(sizes) <= rest.size
        and shape[0] > 0
        and LEAST_WIDTH <= shape[2] <= MOST_WIDTH
        and max(int(header["bins"]), int(header["values"])) <= MOST_NUMBERS
        and header["escapes"] <= math.prod(shape)
        and 0 < header["tables"] <= MOST_TABLES
        and FEWEST_DROPPED <= header["dropped"] <= MOST_DROPPED
    )
    if not legal:
        raise DamagedChunk(f"damaged chunk: {shape} numbers with the header {header}")
    model, states, words, payload = np.split(rest, np.cumsum(sizes))
    return _model(header, model, states.copy().view("<u4"), words.copy().view("<u2"), payload)


def _model(header: Any, model: Any, states: Any, words: Any, payload: Any) -> Packed:
    bins, levels, tables = (int(header[name]) for name in ("bins", "levels", "tables"))
    sizes = [
        4 * EPOCHS * FEATURES,
        *[2 * levels] * 3,
        256 * tables,
        bins,
        2 * int(header["values"]),
        2 * int(header["escapes"]),
    ]
    unpacked = _decompress(model, sum(sizes))
    parts = iter(np.split(unpacked, np.cumsum(sizes)[:-1]))

    def take(dtype: str) -> NDArray[Any]:
        part = next(parts)
        planes = part.reshape(np.dtype(dtype).itemsize, -1)
        return planes.T.copy().view(dtype).reshape(-1)

    weights = np.ascontiguousarray(take("<i4").reshape(FEATURES, EPOCHS).T)
    key, base, table = (np.cumsum(take("<u2"), dtype=np.uint16) for _ in range(3))
    codes = np.cumsum(next(parts).reshape(tables, 256), axis=1, dtype=np.uint8)
    bits = next(parts)
    values, escapes = np.cumsum(take("<u2"), dtype=np.uint16), take("<u2")
    return Packed(
        Prediction(
            _checked_values(bits, values),
            float(header["start"]),
            tuple(header["gate"].tolist()),
            weights,
            int(header["dropped"]),
        ),
        Levels(int(header["first"]), key, base, table, read_frequencies(codes)),
        bits,
        values,
        escapes,
        states,
        words,
        payload,
    )


def _decompress(model: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    decompressor = zlib.decompressobj()
    try:
        unpacked = decompressor.decompress(model.tobytes(), size + 1)
    except zlib.error as error:
        raise DamagedChunk(f"damaged chunk: its model: {error}") from None
    if len(unpacked) != size or not decompressor.eof:
        raise DamagedChunk(f"damaged chunk: {len(unpacked)} bytes of model, where {size} belong")
    return np.frombuffer(unpacked, np.uint8)


def _checked_values(bits: NDArray[np.uint8], values: NDArray[np.uint16]) -> NDArray[np.float32]:
    count = int((1 << bits.astype(np.int64)).sum()) if bits.size else 0
    enough = count <= (values.size or 1 << 16)
    if not count or not enough or (bits > MOST_BITS).any():
        raise DamagedChunk(f"damaged chunk: {bits.size} bins of {count} numbers")
    return _bin_values(bits, _values(count, values))
