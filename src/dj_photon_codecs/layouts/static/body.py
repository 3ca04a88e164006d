"""An open static body, whose frames and bands of pixels are decoded alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.buffers import is_little_endian_integer
from dj_photon_codecs.layouts.columns import inflated
from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.kernels.reference_rans import SLOTS
from dj_photon_codecs.layouts.layout import DamagedChunk
from dj_photon_codecs.layouts.numbering import Numbering
from dj_photon_codecs.layouts.static.sections import model_size, split_body

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["StaticBody"]


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
        self.shape = self._header["varying"], shape[1]
        self.dtype = np.dtype(f"u{dtype.itemsize}")
        self._length = self._header["frames_per_stream"]
        self._band = self._header["pixels_per_stream"]
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
        self._decode(start, np.zeros(0, np.uint32), codes)
        return codes

    def read_pixels(self, pixels: NDArray[np.intp], frames: range) -> NDArray[Any]:
        """Return the codes of single pixels; only the bands that have them are decoded.

        Parameters
        ----------
        pixels : ndarray of intp, shape (pixels,)
            Which pixels of a frame, in ascending order; at least one.
        frames : range
            Consecutive frames; at least one.

        Returns
        -------
        ndarray of unsigned integers, shape (frames, pixels)
            Codes.
        """
        codes = np.empty((len(frames), pixels.size), self.dtype)
        self._decode(frames.start, pixels.astype(np.uint32), codes)
        return codes

    def _decode(self, start: int, pixels: NDArray[np.uint32], codes: NDArray[Any]) -> None:
        """Decode frames from one on; all pixels if none are given."""
        opened, sections = self._open(), self._sections
        numbers = codes if codes.itemsize <= 2 else np.empty(codes.shape, np.uint16)
        kernel().decode_streams(
            sections.payload,
            sections.lengths,
            opened.frame_class,
            opened.cells,
            opened.slots,
            opened.bins,
            self._length,
            self._band,
            start,
            pixels,
            numbers,
        )
        opened.numbering.apply(codes, numbers)

    def _open(self) -> Opened:
        """Return what all streams are decoded with, which is made once.

        Several threads may do so at a time: a lock would hang a process that is forked meanwhile.
        """
        opened = self._opened
        if opened is None:
            self._opened = opened = self._model()
        return opened

    def _model(self) -> Opened:
        header, sections = self._header, self._sections
        columns = inflated(sections.model, model_size(header))
        cells = np.empty((header["classes"], self.shape[1]), np.uint32)
        slots = np.empty((header["tables"], SLOTS), np.uint32)
        bins, values = np.empty(header["bins"], np.uint32), np.empty(header["values"], np.uint16)
        kernel().open_streams(
            columns,
            header["varying"],
            header["brightnesses"],
            header["families"],
            header["width"],
            sections.map,
            sections.family_map,
            cells,
            slots,
            bins,
            values,
        )
        numbering = Numbering(header["lowest"], header["unit"], values)
        return Opened(numbering, columns[: header["varying"]], cells, slots, bins)
