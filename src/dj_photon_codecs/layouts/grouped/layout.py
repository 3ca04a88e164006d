"""`GroupedLayout`, the filter that makes movies small, and whose frames are decoded alone."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numcodecs import Blosc
from numcodecs.abc import Codec
from numpy.typing import NDArray

from dj_photon_codecs.layouts.buffers import as_bytes, check_codes, room_for
from dj_photon_codecs.layouts.grouped.chunk import Form, join_chunk, open_grouped
from dj_photon_codecs.layouts.layout import OpenChunk
from dj_photon_codecs.layouts.plain import compress_below, compress_plain, count_varying
from dj_photon_codecs.layouts.repeats import find_repeats
from dj_photon_codecs.layouts.static.plan import plan_static

__all__ = ["COMPRESSOR", "GroupedLayout"]

# What the layout returns is compressed already: it passes. (Level 1 finds nothing either.)
COMPRESSOR = Blosc(cname="zstd", clevel=0, shuffle=Blosc.NOSHUFFLE, blocksize=1 << 20)


class GroupedLayout(Codec):  # type: ignore[misc]
    """Numcodecs filter between codes in the order of frames and entropy-coded bytes.

    The fewer codes are likely at the brightness of a pixel, the fewer bits a code takes. A chunk
    that is smaller in the order of frames, such as one of floating-point numbers, stays in it,
    compressed by Blosc. The stored bytes say all that decoding needs; there are no parameters.

    Examples
    --------
    >>> layout = GroupedLayout()
    >>> counts = np.random.default_rng(0).poisson(3, (100, 64, 64)).astype("u2")
    >>> stored = layout.encode(counts)
    >>> bool((layout.decode(stored) == counts.ravel()).all())
    True
    >>> 8 * len(stored) / counts.size < 1.02 * 2.83  # bits; the entropy of 3 photons
    True
    >>> layout.get_config()
    {'id': 'photon.grouped'}
    """

    codec_id: ClassVar[str] = "photon.grouped"

    def encode(self, buf: Any) -> NDArray[np.uint8]:
        """Return a chunk, static or plain, whichever is smaller.

        Parameters
        ----------
        buf : array_like, shape (frames, ...)
            Codes: numbers of at most 8 bytes. Only integers are static. Frames at the end in which
            all codes are the same, such as those with which Zarr fills the last chunk, take no
            space.
        """
        chunk = np.atleast_1d(check_codes(buf))
        frames = chunk[: count_varying(chunk)]
        if not len(frames):
            return join_chunk(Form.CONSTANT, chunk)
        plan = plan_static(frames)
        if plan is None:
            return join_chunk(Form.PLAIN, chunk, body=[compress_plain(chunk)])
        plain = compress_below(chunk, plan.size, find_repeats(chunk))
        if plain is not None:
            return join_chunk(Form.PLAIN, chunk, body=[plain])
        return join_chunk(Form.STATIC, chunk, body=plan.encode())

    def decode(self, buf: Any, out: Any = None) -> NDArray[Any]:
        """Return the codes of a chunk; see `Layout`."""
        chunk = self.open(as_bytes(buf, apart_from=out))
        codes = room_for(math.prod(chunk.shape), chunk.dtype, out)
        return chunk.frames(0, chunk.shape[0], out=codes.reshape(chunk.shape)).reshape(-1)

    def open(self, buf: Any) -> OpenChunk:
        """Return a chunk whose header was read; see `Layout`."""
        return open_grouped(buf)
