"""An open static body, whose frames and bands of pixels are decoded alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.buffers import is_little_endian_integer
from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.kernels.reference_maps import MAP_CONTEXTS
from dj_photon_codecs.layouts.kernels.reference_rans import SLOTS
from dj_photon_codecs.layouts.layout import DamagedChunk
from dj_photon_codecs.layouts.static.bins import numbers_of_bins
from dj_photon_codecs.layouts.static.sections import numbering_of, split_body, split_model
from dj_photon_codecs.layouts.static.tables import frequencies_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.layouts.numbering import Numbering

__all__ = ["StaticBody"]

TILE = 1 << 18  # numbers that are decoded at a time, where codes are of another size


class Opened(NamedTuple):
    """What the streams of a body are decoded with."""

    numbering: Numbering
    frame_class: NDArray[np.uint8]
    cells: NDArray[np.uint32]
    slots: NDArray[np.uint32]
    bins: NDArray[np.uint32]


class StaticBody:
    """An open static body, of which frames and bands of pixels are decoded alone.

    Any number of threads may read it at a time.

    Parameters
    ----------
    body : ndarray of uint8
        What `StaticPlan.encode` returned, joined.
    shape : tuple of int
        Frames and pixels of the chunk.
    dtype : numpy.dtype
        Of the codes.

    Attributes
    ----------
    shape : tuple of int
        Frames, without those of one value at the end of the chunk, and pixels.
    dtype : numpy.dtype
        Of the codes, unsigned.

    Raises
    ------
    DamagedChunk
        If it is no such body, as far as its header shows.
    """

    def __init__(
        self, body: NDArray[np.uint8], shape: tuple[int, int], dtype: np.dtype[Any]
    ) -> None:
        if not is_little_endian_integer(dtype):
            raise DamagedChunk(f"damaged chunk: static codes of dtype {dtype}")
        self._header, self._sections = split_body(body, shape, itemsize=dtype.itemsize)
        self.shape = int(self._header["varying"]), shape[1]
        self.dtype = np.dtype(f"u{dtype.itemsize}")
        self._length, self._band = (
            int(self._header[name]) for name in ("frames_per_stream", "pixels_per_stream")
        )
        self._opened: Opened | None = None

    def read(self, start: int, stop: int, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the codes of consecutive frames.

        Parameters
        ----------
        start, stop : int
            The first frame, and the one after the last.
        out : ndarray of the dtype of the codes, shape (frames, pixels), optional
            Where to put the codes, contiguous.

        Returns
        -------
        ndarray of unsigned integers, shape (frames, pixels)
            Codes; signed ones are to be viewed so.
        """
        codes = np.empty((stop - start, self.shape[1]), self.dtype) if out is None else out
        numbering = self._open().numbering
        if codes.itemsize <= 2:
            self._decode(start, 0, codes)
            numbering.apply(codes)
            return codes
        step = max(1, TILE // (self.shape[1] * self._length)) * self._length
        numbers = np.empty((min(step, len(codes)), self.shape[1]), np.uint16)
        for first in range(0, len(codes), step):
            tile = codes[first : first + step]
            self._decode(start + first, 0, numbers[: len(tile)])
            numbering.apply(tile, numbers[: len(tile)])
        return codes

    def read_pixels(self, pixels: NDArray[np.intp], frames: range) -> NDArray[Any]:
        """Return the codes of single pixels; only the bands that have them are decoded.

        Parameters
        ----------
        pixels : ndarray of intp, shape (pixels,)
            Which pixels of a frame; each once.
        frames : range
            Consecutive frames; at least one.

        Returns
        -------
        ndarray of unsigned integers, shape (frames, pixels)
            Codes.
        """
        numbers = np.empty((len(frames), pixels.size), np.uint16)
        band = pixels // self._band
        for number in np.unique(band).tolist():
            chosen, first = np.flatnonzero(band == number), number * self._band
            places = pixels[chosen] - first
            decoded = np.empty((len(frames), int(places.max()) + 1), np.uint16)
            self._decode(frames.start, first, decoded)
            numbers[:, chosen] = decoded[:, places]
        codes = np.empty(numbers.shape, self.dtype)
        self._open().numbering.apply(codes, numbers)
        return codes

    def _decode(self, start_frame: int, start_pixel: int, numbers: NDArray[Any]) -> None:
        opened, sections = self._open(), self._sections
        kernel().decode_streams(
            sections.payload,
            sections.lengths,
            opened.frame_class,
            opened.cells,
            opened.slots,
            opened.bins,
            self._length,
            self._band,
            start_frame,
            start_pixel,
            numbers,
        )

    def _open(self) -> Opened:
        """Return what all streams are decoded with, which is made once.

        Several threads may do so at a time: a lock would hang a process that is forked meanwhile.
        """
        opened = self._opened
        if opened is None:
            self._opened = opened = self._model()
        return opened

    def _model(self) -> Opened:
        model = split_model(self._header, self._sections.model)
        rows, width = model.rows, int(self._header["width"])
        roots = np.concatenate([model.map_roots.reshape(-1, 256), rows.roots])
        slots = np.empty((len(roots), SLOTS), np.uint32)
        kernel().decoding_slots(frequencies_of(roots), slots)
        level, family = np.zeros((2, self.shape[1]), np.uint16)
        maps = self._sections.map, self._sections.family_map
        for stored, picture in zip(maps[: len(model.map_roots)], (level, family), strict=False):
            kernel().decode_map(stored, width, slots[:MAP_CONTEXTS], picture)
            slots = slots[MAP_CONTEXTS:]
        brightnesses = int(self._header["brightnesses"])
        if level.max() >= brightnesses or family.max() >= self._header["families"]:
            raise DamagedChunk(f"damaged chunk: a level beyond the last of {brightnesses}")
        level += family * np.uint16(brightnesses)
        cells, bins = rows.cells(level), numbers_of_bins(rows.low)
        numbering = numbering_of(self._header, model.values)
        return Opened(numbering, model.frame_class, cells, slots, bins)
