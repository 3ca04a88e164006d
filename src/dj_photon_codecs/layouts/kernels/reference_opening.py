"""The opening of static bodies, in NumPy: from their columns to what streams are decoded with."""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.layouts.columns import numbers_of
from dj_photon_codecs.layouts.kernels.reference_maps import MAP_CONTEXTS, decode_map
from dj_photon_codecs.layouts.kernels.reference_rans import (
    SLOTS,
    damaged,
    decoding_slots,
    refuse,
)
from dj_photon_codecs.layouts.static.bins import numbers_of_bins
from dj_photon_codecs.layouts.static.tables import frequencies_of

__all__ = ["open_streams"]

MOST = 1 << 16  # numbers in all bins


def open_streams(
    columns: NDArray[np.uint8],
    frames: int,
    brightnesses: int,
    families: int,
    width: int,
    brightness_map: NDArray[np.uint8],
    family_map: NDArray[np.uint8],
    cells: NDArray[np.uint32],
    slots: NDArray[np.uint32],
    bins: NDArray[np.uint32],
    values: NDArray[np.uint16],
) -> None:
    """Put cells, slots and bins as `decode_streams` takes them, and the values of numbers.

    Parameters
    ----------
    columns : ndarray of uint8
        The class of each frame; of each row the low byte of its base, then the high bytes, then
        the tables, each less that of the level before; the roots of the tables, and of the
        contexts of maps; the low bits of bins; low and high bytes of the values, each less the one
        before.
    frames, brightnesses, families : int
        A level is a brightness in a family.
    width : int
        Of the maps.
    brightness_map, family_map : ndarray of uint8
        As `encode_map` wrote them; that of families is not used if there is one.
    """
    (classes, pixels), levels = cells.shape, families * brightnesses
    refuse(not 0 < levels <= MOST or not width or not pixels or pixels % width != 0)
    maps, tables = 1 + (families > 1), slots.size // SLOTS
    rows, contexts = classes * levels, maps * MAP_CONTEXTS
    sizes = frames, 2 * rows, rows, 256 * tables, 256 * contexts, bins.size, 2 * values.size
    edges = list(accumulate(sizes, initial=0))
    refuse(edges[-1] != columns.size)
    frame_class, base, table, roots, map_roots, low, differences = (
        columns[start:stop] for start, stop in pairwise(edges)
    )
    base = np.cumsum(numbers_of(base, "u2").reshape(classes, -1), axis=1, dtype=np.uint16)
    table = np.cumsum(table.reshape(classes, -1), axis=1, dtype=np.uint8)
    if frame_class.max(initial=0) >= classes or int(table.max()) >= tables:
        raise damaged()
    if low.max(initial=0) > 15 or (1 << low.astype(np.int64)).sum() > MOST:
        raise damaged()
    decoding_slots(frequencies_of(roots.reshape(-1, 256)), slots)
    bins[...] = numbers_of_bins(low)
    values[...] = np.cumsum(numbers_of(differences, "u2"), dtype=np.uint16)
    map_slots = np.empty((contexts, SLOTS), np.uint32)
    decoding_slots(frequencies_of(map_roots.reshape(-1, 256)), map_slots)
    level, family = np.zeros((2, pixels), np.uint16)
    decode_map(brightness_map, width, map_slots[:MAP_CONTEXTS], level)
    if maps > 1:
        decode_map(family_map, width, map_slots[MAP_CONTEXTS:], family)
    if level.max() >= brightnesses or family.max() >= families:
        raise damaged()
    level += family * np.uint16(brightnesses % MOST)
    np.take(base | table.astype(np.uint32) << np.uint32(24), level, axis=1, out=cells, mode="clip")
