"""The plan of a static body: its model, and so its size, before anything is encoded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.buffers import is_little_endian_integer
from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.kernels.reference_maps import MAP_CONTEXTS
from dj_photon_codecs.layouts.kernels.reference_static import LANES
from dj_photon_codecs.layouts.numbering import number_codes
from dj_photon_codecs.layouts.repeats import NOTHING, Repeats
from dj_photon_codecs.layouts.static.bins import bins_of_numbers
from dj_photon_codecs.layouts.static.levels import find_levels
from dj_photon_codecs.layouts.static.rows import fit_rows
from dj_photon_codecs.layouts.static.sections import (
    BODY_HEADER,
    Model,
    join_model,
)
from dj_photon_codecs.layouts.static.tables import fit_tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["StaticPlan", "plan_static"]

FEWEST_FRAMES = 2  # of which a model can be made
MOST_FRAMES = 1 << 16  # so that the sums of pixels are below 2**32
STREAM_COST = 3 * LANES + 4  # bytes, about, that a stream takes beside its symbols
# These are measured by benchmarks/constants.py.
BAND = 1 << 14  # pixels of a stream, about
STREAM = 28_000  # bytes of a stream, about
ROW_STREAM = 6_000  # likewise, where rows repeat
LENGTHS = 1, 2, 4, 8  # frames of a stream, where frames are large


@dataclass(frozen=True, eq=False)
class StaticPlan:
    """A chunk for which a model was made.

    Parameters
    ----------
    numbers : ndarray of uint8 or uint16, shape (frames, pixels)
        Of the codes.
    level : ndarray of uint16, shape (pixels,)
        Of each pixel.
    model : Model
        What else is stored of them.
    frequencies : ndarray of uint16, shape (tables, 256)
        Of the model.
    header : numpy.ndarray, shape (1,)
        Of the body, of `BODY_HEADER`.
    sections : list of bytes
        The model and the maps, as they are stored.
    bits : float
        That the symbols will take, about.
    repeats : Repeats
        What repeats in the streams, for the compressor that follows.
    """

    numbers: NDArray[Any]
    level: NDArray[np.uint16]
    model: Model
    frequencies: NDArray[np.uint16]
    header: NDArray[Any]
    sections: list[bytes]
    bits: float
    repeats: Repeats

    @property
    def streams(self) -> int:
        """How many streams there are."""
        header, (frames, pixels) = self.header[0], self.numbers.shape
        return -(-frames // int(header["frames_per_stream"])) * -(
            -pixels // int(header["pixels_per_stream"])
        )

    @property
    def size(self) -> int:
        """How many bytes the body will have, compressed, to about one part in a hundred."""
        stored = sum(map(len, self.sections)) + BODY_HEADER.itemsize
        share = self.repeats.frames if self.repeats.frames < 1 else self.repeats.rows
        return int(stored + share * (self.bits / 8 + STREAM_COST * self.streams))

    def encode(self) -> list[NDArray[np.uint8]]:
        """Return the parts of the body."""
        rows, header = self.model.rows, self.header[0]
        lengths = np.empty(self.streams, np.uint32)
        room = int(self.bits / 8 * 1.05) + STREAM_COST * 2 * self.streams + 4096
        used = 0
        while not used:
            payload = np.empty(room, np.uint8)
            used = kernel().encode_streams(
                self.numbers,
                self.model.frame_class,
                rows.cells(self.level),
                self.frequencies,
                bins_of_numbers(rows.low),
                int(header["frames_per_stream"]),
                int(header["pixels_per_stream"]),
                lengths,
                payload,
            )
            room *= 2
        sections = [np.frombuffer(section, np.uint8) for section in self.sections]
        return [
            self.header.view(np.uint8),
            *sections,
            lengths.astype("<u4").view(np.uint8),
            payload[:used],
        ]


def plan_static(frames: NDArray[Any], repeats: Repeats = NOTHING) -> StaticPlan | None:
    """Make a model of the codes of a chunk.

    Parameters
    ----------
    frames : numpy.ndarray, shape (frames, ..., width)
        Codes, in C order.
    repeats : Repeats, optional
        What repeats in them, if what is encoded will be compressed: then streams repeat.

    Returns
    -------
    StaticPlan or None
        None if codes are no little-endian integers, span more than 2**16 values, or are of a single
        frame.
    """
    if not FEWEST_FRAMES <= len(frames) <= MOST_FRAMES or not is_little_endian_integer(
        frames.dtype
    ):
        return None
    numbered = number_codes(frames)
    if numbered is None:
        return None
    numbers, numbering = numbered[0].reshape(len(frames), -1), numbered[1]
    pixels = numbers.shape[1]
    width = frames.shape[-1] if frames.ndim > 2 else math.gcd(pixels, 1 << 10)
    sums, squares = np.empty(pixels, np.uint32), np.empty(pixels, np.uint64)
    kernel().sum_pixels(numbers, sums, squares)
    # neighbours are not smoothed over rows that repeat, so that their streams do
    levels = find_levels(numbers, sums, squares, width=width if repeats.rows == 1 else pixels)
    rows, frequencies, bits = fit_rows(numbers, sums, levels)
    pictures = [levels.brightness, levels.family][: 1 + (levels.families > 1)]
    roots, maps = _encoded_maps(pictures, width)
    model = Model(levels.frame_class, rows, roots, numbering.values)
    stored = [join_model(model), *maps]
    length, band = _stream_shape(len(numbers), pixels, bits / 8 / numbers.size)
    if repeats.frames < 1:
        length, band = 1, pixels
    elif repeats.rows < 1:
        wanted = ROW_STREAM / max(bits / 8 / numbers.size * width, 1)
        length, band = max(1, min(len(numbers), round(wanted))), width
    fields = {
        "varying": len(numbers),
        "width": width,
        "values": numbering.values.size,
        "bins": rows.low.size,
        "classes": len(rows.base),
        "families": levels.families,
        "brightnesses": levels.number,
        "tables": len(rows.roots),
        "frames_per_stream": length,
        "pixels_per_stream": band,
        "model": len(stored[0]),
        "map": len(maps[0]),
        "family_map": sum(map(len, maps[1:])),
        "lowest": numbering.lowest % (1 << 64),
        "unit": numbering.unit,
    }
    header = np.array([tuple(fields[name] for name in BODY_HEADER.names or ())], BODY_HEADER)
    return StaticPlan(numbers, levels.level, model, frequencies, header, stored, bits, repeats)


def _encoded_maps(
    pictures: list[NDArray[np.uint16]], width: int
) -> tuple[NDArray[np.uint8], list[bytes]]:
    """Return the roots of the frequencies with which maps are encoded, and their bytes."""
    counts = np.zeros((len(pictures), MAP_CONTEXTS, 256), np.uint32)
    for picture, of_map in zip(pictures, counts, strict=True):
        kernel().count_map(picture, width, of_map)
    roots, tables, _ = fit_tables(counts.reshape(-1, 256), sampled=False)
    maps = []
    payload = np.empty(4 * pictures[0].size + 4 * (pictures[0].size // width) + 8, np.uint8)
    for picture, frequencies in zip(pictures, tables.reshape(counts.shape), strict=True):
        used = kernel().encode_map(picture, width, frequencies, payload)
        maps.append(payload[:used].tobytes())
    return roots.reshape(counts.shape), maps


def _stream_shape(frames: int, pixels: int, size: float) -> tuple[int, int]:
    """Return the frames and the pixels of a stream, from the bytes of a number.

    Narrow bands make patches fast, and short streams single frames; but each stream takes bytes of
    its own. Readers decode 8 large frames at a time, and so streams are no longer.
    """
    if pixels <= 1.5 * BAND:
        return max(1, min(frames, round(STREAM / max(size * pixels, 1)))), pixels
    wanted = STREAM / (size + 1e-9)  # pixels
    length = next((n for n in LENGTHS if n * BAND > 0.7 * wanted), LENGTHS[-1])
    bands = max(1, round(pixels / max(BAND, wanted / length)))
    return min(length, frames), -(-pixels // (bands * LANES)) * LANES
