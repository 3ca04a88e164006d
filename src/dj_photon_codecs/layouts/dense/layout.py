"""`DenseLayout`, the filter that makes movies nearly as small as their noise allows."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numcodecs import Blosc
from numcodecs.abc import Codec
from numpy.typing import NDArray

from dj_photon_codecs.layouts.adaptive.packing import LEAST_WIDTH, MOST_WIDTH, pack_adaptive
from dj_photon_codecs.layouts.buffers import (
    as_bytes,
    check_codes,
    is_little_endian_integer,
    room_for,
)
from dj_photon_codecs.layouts.dense.chunk import Form, chunk_header, frame_shape, open_dense
from dj_photon_codecs.layouts.grouped.chunk import Form as GroupedForm
from dj_photon_codecs.layouts.grouped.chunk import join_chunk
from dj_photon_codecs.layouts.grouped.layout import COMPRESSOR, GroupedLayout
from dj_photon_codecs.layouts.kernels.backend import kernel_in_use
from dj_photon_codecs.layouts.layout import OpenChunk
from dj_photon_codecs.layouts.numbering import number_codes
from dj_photon_codecs.layouts.plain import compress_below, count_varying
from dj_photon_codecs.layouts.repeats import find_repeats
from dj_photon_codecs.layouts.static.plan import StaticPlan, plan_static

__all__ = ["DenseLayout"]

FINDER = Blosc(cname="zstd", clevel=7, shuffle=Blosc.NOSHUFFLE, blocksize=1 << 24)  # of repeats
NEAR = 1.005  # times the size of an adaptive chunk, up to which frames are decoded alone instead
CLEAR = 1.008  # the same, as a sample estimates it, to about half a hundredth
SAMPLED, FEWEST_ROWS = 1 << 13, 16  # pixels of a frame, and rows, of such a sample
WORTH = 4  # times as many pixels in all, from where on a sample is taken


class DenseLayout(Codec):  # type: ignore[misc]
    """Numcodecs filter between codes and entropy-coded bytes, which need no compressor.

    The fewer codes are likely at the brightness that the frames before predict, the fewer bits a
    code takes. A chunk that is smaller in the order of frames or in groups, such as one of
    floating-point numbers, is stored so, compressed by Blosc. The stored bytes say all that
    decoding needs; there are no parameters.

    Examples
    --------
    >>> layout = DenseLayout()
    >>> counts = np.random.default_rng(0).poisson(3, (100, 64, 64)).astype("u2")
    >>> stored = layout.encode(counts)
    >>> bool((layout.decode(stored) == counts.ravel()).all())
    True
    >>> 8 * len(stored) / counts.size < 1.02 * 2.83  # bits; the entropy of 3 photons
    True
    >>> layout.get_config()
    {'id': 'photon.dense'}
    """

    codec_id: ClassVar[str] = "photon.dense"

    def encode(self, buf: Any) -> NDArray[np.uint8]:
        """Return a chunk in the form that takes the fewest bytes.

        Parameters
        ----------
        buf : buffer, shape (frames, ..., height, width)
            Codes: numbers of at most 8 bytes. Frames at the end in which all codes are the same,
            such as those with which Zarr fills the last chunk, take no space. An array in F order
            is stored as its transpose: exactly, but not well predicted.
        """
        codes = check_codes(buf)
        frames = codes.reshape(frame_shape(codes))
        varying = frames[: count_varying(frames)]
        if not varying.size:
            return np.frombuffer(chunk_header(Form.DENSE, codes, varying=0), np.uint8)
        best = _adaptive(codes, varying)
        if best is None:
            return _grouped(codes)
        repeats = find_repeats(varying)
        larger = not repeats.are_many and _looks_larger(varying, size=len(best))
        plan = None if larger else plan_static(varying, repeats)
        if plan is not None and plan.size <= NEAR * len(best):
            best = _static(codes, plan, most=NEAR * len(best)) or best
        plain = compress_below(codes, len(best), repeats)
        if plain is not None:
            best = chunk_header(Form.PLAIN, codes, varying=len(frames)) + plain.tobytes()
        return np.frombuffer(best, np.uint8)

    def decode(self, buf: Any, out: Any = None) -> NDArray[Any]:
        """Return the codes of a chunk; see `Layout`."""
        chunk = self.open(as_bytes(buf, apart_from=out))
        codes = room_for(math.prod(chunk.shape), chunk.dtype, out)
        return chunk.frames(0, chunk.shape[0], out=codes.reshape(chunk.shape)).reshape(-1)

    def open(self, buf: Any) -> OpenChunk:
        """Return a chunk whose header was read; see `Layout`."""
        return open_dense(buf)


def _adaptive(codes: NDArray[Any], varying: NDArray[Any]) -> bytes | None:
    """Return an adaptive chunk; None if codes are no integers, span too much, or frames are narrow.

    So it is without the compiled kernel, which alone writes these.
    """
    if not is_little_endian_integer(codes.dtype) or kernel_in_use() != "compiled":
        return None
    wide = LEAST_WIDTH <= varying.shape[2] <= MOST_WIDTH
    numbered = number_codes(varying) if wide else None
    if numbered is None:
        return None
    numbers, numbering = numbered
    header = chunk_header(Form.ADAPTIVE, codes, varying=len(varying), numbering=numbering)
    return b"".join([header, *pack_adaptive(numbers, numbering.values, numbering.top)])


def _looks_larger(varying: NDArray[Any], *, size: int) -> bool:
    """Return whether some rows tell that a static model takes clearly more than so many bytes.

    All but the model itself grows with the rows.
    """
    every = min(varying[0].size // SAMPLED, varying.shape[1] // FEWEST_ROWS)
    sample = plan_static(np.ascontiguousarray(varying[:, ::every])) if every >= WORTH else None
    if sample is None:
        return False
    model, share = len(sample.sections[0]), sample.numbers.size / varying.size
    return bool(model + (sample.size - model) / share > CLEAR * size)


def _static(codes: NDArray[Any], plan: StaticPlan, *, most: float) -> bytes | None:
    """Return a static chunk in which streams that repeat are found; None if it is larger."""
    grouped = join_chunk(GroupedForm.STATIC, np.atleast_1d(codes), body=plan.encode())
    compressor = FINDER if plan.repeats.are_many else COMPRESSOR
    header = chunk_header(Form.GROUPED, codes, varying=frame_shape(codes)[0])
    stored = header + bytes(compressor.encode(grouped))
    return stored if len(stored) <= most else None


def _grouped(codes: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a chunk as `photon.grouped` stores it."""
    header = chunk_header(Form.GROUPED, codes, varying=frame_shape(codes)[0])
    stored = header + bytes(COMPRESSOR.encode(GroupedLayout().encode(codes)))
    return np.frombuffer(stored, np.uint8)
