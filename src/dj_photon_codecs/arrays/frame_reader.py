"""Reading parts of a movie: frame by frame, or a patch of it, decoding no more than that takes."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore
from typing import TYPE_CHECKING, Any

import numcodecs
import numpy as np

from dj_photon_codecs.arrays.selection import find_patch
from dj_photon_codecs.layouts.blosc_blocks import decompress_alone
from dj_photon_codecs.layouts.grouped.layout import GroupedLayout
from dj_photon_codecs.layouts.grouped.planes import ROW, whole_rows
from dj_photon_codecs.layouts.threads import processors_for, usable_processors
from dj_photon_codecs.storage.checksum_filter import ChecksumFilter
from dj_photon_codecs.storage.documents import split_transform
from dj_photon_codecs.storage.movie_store import zarr_array

if TYPE_CHECKING:
    from collections.abc import Callable

    from numcodecs.abc import Codec
    from numpy.typing import NDArray

    from dj_photon_codecs.arrays.selection import Patch
    from dj_photon_codecs.storage.documents import Document
    from dj_photon_codecs.storage.movie_store import MovieStore

__all__ = ["FrameReader"]

SMALL = 1 << 15  # bytes of codes of a frame; smaller ones are transformed together, too
TILE = 1 << 21  # bytes of codes that are decoded, and then transformed while they are in the cache
READS = 8  # chunks that are read at once from a store that is not local
SHARED = 1 << 23  # bytes of codes of a chunk that are decoded by a thread of their own, at least
SPANS = 2  # such parts for each processor, should one of them be slower


class FrameReader:
    """Parts of a movie, from its codes; the chunk that a frame came from last is kept.

    It is kept decompressed but in its layout, from which a frame is decoded alone. Frames that are
    read in order are decoded several at a time, more with each time, and kept until the next.

    Parameters
    ----------
    store : MovieStore
        The movie to read, or a view of it, in chunks of whole frames.
    """

    def __init__(self, store: MovieStore) -> None:
        self._store = store
        self._transform, documents = split_transform(store.documents)
        self._dtype = np.dtype(store.documents["zarray"]["dtype"])
        self._codes = zarr_array(store.with_documents(documents))
        self._compressor, filters = _codecs(documents["zarray"])
        # the stored bytes were checked against the row: no second checksum of what is in them
        self._checksum = filters.pop() if _ends_in_checksum(filters) else None
        self._filters = filters
        # the only filter of which a part can be decoded, if nothing comes before it
        only = self._filters[0] if len(self._filters) == 1 else None
        self._grouped = only if isinstance(only, GroupedLayout) else None
        self._recent: tuple[int, Any] | None = None
        self._decoded: tuple[int, NDArray[Any]] = -2, np.empty(0)  # before all frames
        frame = math.prod(self._codes.chunks[1:]) * self._codes.dtype.itemsize
        self._small = frame <= SMALL
        self._decoders = processors_for(frame * self._codes.chunks[0])
        self._tile = whole_rows(TILE, frame=frame)
        self._span = max(ROW, SHARED // frame)

    def select(self, selection: Any) -> Any:
        """Return the values of a basic selection, through the codes of just that."""
        patch = None if self._grouped is None else find_patch(selection, self._codes.shape)
        if patch is None:
            return self._transformed(np.asarray(self._codes[selection]))[()]
        return self._transformed(self._patch_codes(patch)).reshape(patch.shape)[()]

    def frame(self, index: int) -> Any:
        """Return one frame, shape (height, width, ...)."""
        # One tuple, read once and replaced at once, so that threads cannot see half of a change.
        first, known = self._decoded
        if not first <= index < first + len(known):
            follows = index == first + len(known)
            number = min(1 << len(known).bit_length(), self._tile) if follows else 1
            known = self._frame_codes(index, number)
            first, known = index, self._transformed(known) if self._small else known
            self._decoded = first, known
        frame = known[index - first]
        return frame.copy() if self._small else self._transformed(frame)

    def frames(self, start: int, stop: int) -> NDArray[Any]:
        """Return consecutive frames, shape (frames, height, width, ...).

        Chunks are read from the store several at a time, and decoded on all processors.
        """
        values = np.empty((stop - start, *self._codes.shape[1:]), self._dtype)

        def decode(opened: Any, first: int, place: slice) -> None:
            self._decode(opened, first, out=values[place])

        chunks, length = self._chunks(start, stop), self._codes.chunks[0]
        shared = self._side_by_side(len(chunks))
        if shared:
            self._each_chunk(start, min(stop, chunks[shared - 1] * length + length), decode)
        for chunk in chunks[shared:]:
            first = max(start, chunk * length)
            part = values[first - start : (chunk + 1) * length - start]
            self._decode_alone(chunk, first % length, out=part)
        return values

    def _side_by_side(self, chunks: int) -> int:
        """How many chunks to decode side by side, so that no processor is left without one.

        The others are decoded one after the other, each on all processors.
        """
        left = chunks % self._decoders if self._store.is_local else 0
        return 0 if chunks == 1 else chunks - left * (2 * left <= self._decoders)

    def _patch_codes(self, patch: Patch) -> NDArray[Any]:
        frames, pixels, _ = patch
        codes = np.empty((len(frames), pixels.size), self._codes.dtype)

        def pick(opened: Any, first: int, place: slice) -> None:
            some = codes[place]
            some[...] = opened.pixels(pixels, range(first, first + len(some)))

        chunks = self._chunks(frames.start, frames.stop)
        if len(chunks) == 1:
            pick(self._chunk(chunks[0]), frames.start % self._codes.chunks[0], slice(None))
        else:
            self._each_chunk(frames.start, frames.stop, pick)
        return codes

    def _chunks(self, start: int, stop: int) -> range:
        length = self._codes.chunks[0]
        return range(start // length, -(-stop // length))

    def _each_chunk(self, start: int, stop: int, use: Callable[[Any, int, slice], None]) -> None:
        """Open all chunks of some frames, and use each: from which frame on, as which of them."""
        length = self._codes.chunks[0]
        decoding = Semaphore(self._decoders)

        def read(chunk: int) -> None:
            first, last = max(start, chunk * length), min(stop, (chunk + 1) * length)
            stored = self._store.read_chunk(chunk)
            with decoding:
                if self._compressor is not None:
                    stored = self._compressor.decode(stored)
                use(self._opened(stored), first % length, slice(first - start, last - start))

        chunks = self._chunks(start, stop)
        readers = self._decoders + 1 if self._store.is_local else READS
        with ThreadPoolExecutor(min(readers, len(chunks)), thread_name_prefix="photon") as pool:
            for _ in pool.map(read, chunks):
                pass

    def _decode_alone(self, chunk: int, first: int, *, out: NDArray[Any]) -> None:
        """Decode frames of a chunk, from the first one on, while no other chunk is decoded."""
        whole = len(out) == self._codes.chunks[0]  # and so it need not be kept for what is left
        opened = self._open_alone(chunk) if whole else self._chunk(chunk)
        parts = SPANS * usable_processors() if self._grouped is None or opened.divisible else 1
        span = max(self._span, -(-len(out) // (parts * ROW)) * ROW)
        if span >= len(out):
            self._decode(opened, first, out=out)
            return

        def decode(start: int) -> None:
            self._decode(opened, first + start, out=out[start : start + span])

        with ThreadPoolExecutor(usable_processors(), thread_name_prefix="photon") as pool:
            for _ in pool.map(decode, range(0, len(out), span)):
                pass

    def _decode(self, opened: Any, first: int, *, out: NDArray[Any]) -> None:
        """Decode frames of a chunk, from the first one on, into an array."""
        if self._transform is None and self._grouped is not None:
            opened.frames(first, first + len(out), out=out.reshape(len(out), -1))
            return
        for start in range(0, len(out), self._tile):
            tile = out[start : start + self._tile]
            codes = self._opened_codes(opened, first + start, first + start + len(tile))
            if self._transform is None:
                tile[...] = codes
            else:
                self._transform.decode(codes, out=tile)

    def _transformed(self, codes: NDArray[Any]) -> NDArray[Any]:
        if self._transform is None:
            return codes.copy()
        values = np.empty(codes.shape, self._dtype)
        self._transform.decode(np.ascontiguousarray(codes), out=values)
        return values

    def _frame_codes(self, first: int, number: int) -> NDArray[Any]:
        """Return the codes of a frame, and of those after it up to a multiple of a number."""
        length = self._codes.chunks[0]
        chunk, start = divmod(first, length)
        stop = min(start - start % number + number, length)
        return self._opened_codes(self._chunk(chunk), start, stop)

    def _opened_codes(self, opened: Any, start: int, stop: int) -> NDArray[Any]:
        shape = self._codes.chunks
        if self._grouped is not None:
            return opened.frames(start, stop).reshape(-1, *shape[1:])
        codes: NDArray[Any] = np.frombuffer(opened, self._codes.dtype).reshape(shape)
        return codes[start:stop]

    def _chunk(self, chunk: int) -> Any:
        recent = self._recent
        if recent is None or recent[0] != chunk:
            self._recent = recent = chunk, self._open_alone(chunk)
        return recent[1]

    def _open_alone(self, chunk: int) -> Any:
        stored = self._store.read_chunk(chunk)
        if self._compressor is not None:
            stored = decompress_alone(stored, compressor=self._compressor)
        return self._opened(stored)

    def _opened(self, stored: Any) -> Any:
        """Return a chunk of which frames can be decoded, or, without a layout, its codes."""
        if self._checksum is not None:
            stored = self._checksum.payload(stored)
        if self._grouped is not None:
            return self._grouped.open(stored)
        for each in reversed(self._filters):
            stored = each.decode(stored)
        return stored


def _codecs(zarray: Document) -> tuple[Codec | None, list[Codec]]:
    """Return what decodes a chunk of codes: the compressor, and the filters in their order."""
    configured = zarray["compressor"]
    compressor = None if configured is None else numcodecs.get_codec(dict(configured))
    return compressor, [numcodecs.get_codec(dict(each)) for each in zarray["filters"] or []]


def _ends_in_checksum(filters: list[Codec]) -> bool:
    return bool(filters) and isinstance(filters[-1], ChecksumFilter)
