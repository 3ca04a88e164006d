"""Reading a selection of a movie, without decoding more of a chunk than the selection takes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.arrays.chunk_cache import CACHE
from dj_photon_codecs.layouts.threads import (
    WAITING,
    in_background,
    in_threads,
    processors_for,
    usable_processors,
)
from dj_photon_codecs.storage.documents.views import split_transform

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from dj_photon_codecs.arrays.selection import Selection
    from dj_photon_codecs.arrays.stored_chunks import StoredChunks
    from dj_photon_codecs.layouts.layout import OpenChunk
    from dj_photon_codecs.storage.documents.description import Documents

    _Coming = dict[int, Callable[[], NDArray[Any]]]  # what waits for frames, by the first of them
    _Ahead = tuple[int, NDArray[Any], _Coming]

__all__ = ["MovieReader"]

TOGETHER = 8  # frames, which layouts decode together, at most, where frames are large
OPEN = 1 << 28  # bytes of codes of all chunks that are opened side by side
# benchmarks/constants_reading.py tries other values of the following.
SMALL = 1 << 15  # bytes of codes of a frame; smaller ones are transformed together, too
TILE = 1 << 21  # bytes of codes that are decoded, and then transformed while they are in the cache
SHARED = 1 << 23  # bytes of codes of a chunk that are decoded by a thread of their own, at least
AHEAD = 2  # tiles that are decoded ahead of a loop at a time
GAP = 8  # frames; wanted frames that are nearer to each other are read with those between them


class MovieReader:
    """Reads the values of a movie, or of a view of it, from the codes in its chunks.

    The documents, of the movie or of the view, say how codes become values.
    """

    def __init__(self, chunks: StoredChunks, documents: Documents) -> None:
        self._chunks = chunks
        self._transform, _ = split_transform(documents)
        self._dtype = np.dtype(documents["zarray"]["dtype"])
        self._length, self._frame = documents["zarray"]["shape"][0], chunks.frame
        frame = max(1, chunks.bytes // chunks.length)
        self._small = frame <= SMALL
        self._decoders = processors_for(chunks.bytes)
        self._tile = max(1, TILE // (frame * TOGETHER)) * TOGETHER
        self._span = max(1, SHARED // (frame * TOGETHER)) * TOGETHER

    def read(self, selection: Selection) -> Any:
        """Return what a selection takes: an array, or a scalar for a single point."""
        if 0 in selection.shape:
            return np.empty(selection.shape, self._dtype)
        if selection.pixels is None:
            values = self._whole_frames(selection.frames)
        elif selection.paired:
            values = self._points(np.asarray(selection.frames), selection.pixels)
        else:
            values = self._patch(selection.frames, selection.pixels)
        return _arranged(values, selection)

    # ------------------------------------------------------------------------ whole frames

    def frame(self, index: int) -> NDArray[Any]:
        """Return one frame, shape (height, width, ...).

        When frames are read in order, the next ones are decoded together, twice as many each time,
        and kept in the cache; once these are many, those behind them are decoded meanwhile.
        """
        # in one tuple, so that no thread sees one without the others
        nothing: _Ahead = -2, np.empty(0), {}
        first, decoded, coming = CACHE.get(self, "ahead") or nothing
        if not first <= index < first + len(decoded):
            follows = index == first + len(decoded)
            if follows and index % self._chunks.length == 0:
                self._chunks.release(index // self._chunks.length - 1)
            number = min(1 << len(decoded).bit_length(), self._tile) if follows else 1
            CACHE.discard(self, "ahead")  # whatever fails now is tried again by the next call
            decoded = coming[index]() if index in coming else self._ahead(index, number)
            first, coming = index, self._coming(index + len(decoded), number, coming)
            CACHE.put(
                self, "ahead", (first, decoded, coming), size=decoded.nbytes * (1 + len(coming))
            )
        frame: NDArray[Any] = decoded[index - first]
        return frame.copy() if self._small else self._transformed(frame)

    def _ahead(self, first: int, number: int) -> NDArray[Any]:
        """Return the codes of a frame and the next ones; of small frames, the values."""
        codes = self._frame_codes(first, number)
        return self._transformed(codes) if self._small else codes

    def _coming(self, first: int, number: int, begun: _Coming) -> _Coming:
        """Begin to decode the next frames of the chunk of a loop, where that has not `begun`."""
        chunk, inside = divmod(first, self._chunks.length)
        if number < self._tile or not inside:
            return {}
        most = AHEAD if self._chunks.open(chunk).divisible else 1  # which others would wait for
        stop = min(self._length, first - inside + self._chunks.length)
        coming = {
            start: begun.get(start) or in_background(partial(self._ahead, start, number))
            for start in range(first, stop, number)[:most]
        }
        return {start: wait for start, wait in coming.items() if wait is not None}

    def _whole_frames(self, frames: range | NDArray[np.intp]) -> NDArray[Any]:
        if isinstance(frames, range) and frames.step == 1:
            if len(frames) == 1:
                return self.frame(frames.start)[None]
            return self._consecutive_frames(frames.start, frames.stop)
        wanted, places = np.unique(np.asarray(frames), return_inverse=True)
        values = np.empty((len(wanted), *self._frame), self._dtype)

        def read(number_and_place: tuple[int, slice]) -> None:
            number, place = number_and_place
            inside = wanted[place] - number * self._chunks.length
            chunk = self._chunks.open(number, keep=len(inside) < self._chunks.length)
            with self._chunks.decoding(number):
                runs = _runs(inside, gap=1)
                if len(runs) > 1:
                    _decode_together(chunk, int(inside[0]), int(inside[-1]) + 1)
                for run in runs:
                    start = place.start + run.start
                    out = values[start : start + len(inside[run])]
                    self._decode(chunk, int(inside[run.start]), out=out)

        self._in_threads(read, self._by_chunk(wanted))
        in_order = len(wanted) == len(places) and bool((np.diff(places) > 0).all())
        return values if in_order else values[places]

    def _consecutive_frames(self, start: int, stop: int) -> NDArray[Any]:
        values = np.empty((stop - start, *self._frame), self._dtype)
        length = self._chunks.length
        chunks = range(start // length, -(-stop // length))
        shared = self._side_by_side(len(chunks))

        def part(number: int) -> tuple[int, NDArray[Any]]:
            first = max(start, number * length)
            return first % length, values[first - start : (number + 1) * length - start]

        def read(number: int) -> None:
            first, out = part(number)
            chunk = self._chunks.open(number, keep=len(out) < length)
            with self._chunks.decoding(number):
                self._decode(chunk, first, out=out)

        self._in_threads(read, list(chunks[:shared]))
        for number in chunks[shared:]:
            first, out = part(number)
            self._decode_alone(number, first, out=out)
        return values

    def _side_by_side(self, chunks: int) -> int:
        """Return how many chunks to decode side by side, so that all processors are busy.

        The others are decoded one after the other, each on all processors.
        """
        left = chunks % self._decoders if self._chunks.store.is_local else 0
        return 0 if chunks == 1 else chunks - left * (2 * left <= self._decoders)

    def _decode_alone(self, number: int, first: int, *, out: NDArray[Any]) -> None:
        """Decode frames of a chunk, from the first one on, while no other chunk is decoded."""
        chunk = self._chunks.open(number, keep=len(out) < self._chunks.length)
        parts = 2 * usable_processors() if chunk.divisible else 1  # one may be slower
        span = max(self._span, -(-len(out) // (parts * TOGETHER)) * TOGETHER)

        def decode(start: int) -> None:
            self._decode(chunk, first + start, out=out[start : start + span])

        with self._chunks.decoding(number):
            in_threads(decode, range(0, len(out), span))

    def _decode(self, chunk: OpenChunk, first: int, *, out: NDArray[Any]) -> None:
        """Decode frames of a chunk, from the first one on, into an array."""
        if self._transform is None:
            chunk.frames(first, first + len(out), out=out.reshape(len(out), -1))
            return
        _decode_together(chunk, first, first + len(out))
        for start in range(0, len(out), self._tile):
            tile = out[start : start + self._tile]
            codes = chunk.frames(first + start, first + start + len(tile))
            self._transform.decode(np.ascontiguousarray(codes), out=tile)

    def _frame_codes(self, first: int, number: int) -> NDArray[Any]:
        """Return the codes of a frame and the next ones, up to a multiple of `number`."""
        chunk, start = divmod(first, self._chunks.length)
        stop = min(start - start % number + number, self._chunks.length)
        opened = self._chunks.open(chunk)
        with self._chunks.decoding(chunk):
            return opened.frames(start, stop).reshape(-1, *self._frame)

    # ------------------------------------------------------------------------ pixels

    def _patch(self, frames: range | NDArray[np.intp], pixels: NDArray[np.intp]) -> NDArray[Any]:
        """Return pixels of frames, shape (frames, pixels)."""
        wanted, frame_places = _distinct(np.asarray(frames))
        distinct, pixel_places = _distinct(pixels)
        codes = np.empty((len(wanted), len(distinct)), self._chunks.dtype)
        chunks = self._by_chunk(wanted)
        keep = self._fits(len(chunks))

        def read(number_and_place: tuple[int, slice]) -> None:
            number, place = number_and_place
            inside = wanted[place] - number * self._chunks.length
            self._read_pixels(number, distinct, inside, keep=keep, out=codes[place])

        self._in_threads(read, chunks)
        values = self._transformed(codes)
        values = values if frame_places is None else values[frame_places]
        return values if pixel_places is None else values[:, pixel_places]

    def _points(self, frames: NDArray[np.intp], pixels: NDArray[np.intp]) -> NDArray[Any]:
        """Return single points, in the order of `frames` and `pixels`."""
        order = np.argsort(frames, kind="stable")
        codes = np.empty(len(order), self._chunks.dtype)
        chunks = self._by_chunk(frames[order])
        keep = self._fits(len(chunks))

        def read(number_and_place: tuple[int, slice]) -> None:
            number, place = number_and_place
            points = order[place]
            inside, rows = np.unique(
                frames[points] - number * self._chunks.length, return_inverse=True
            )
            distinct, columns = np.unique(pixels[points], return_inverse=True)
            found = np.empty((len(inside), len(distinct)), self._chunks.dtype)
            self._read_pixels(number, distinct, inside, keep=keep, out=found)
            codes[points] = found[rows, columns]

        self._in_threads(read, chunks)
        return self._transformed(codes)

    def _read_pixels(
        self,
        number: int,
        pixels: NDArray[np.intp],
        frames: NDArray[np.intp],
        *,
        keep: bool,
        out: NDArray[Any],
    ) -> None:
        """Decode pixels of some frames of a chunk; both are in rising order."""
        chunk = self._chunks.open(number, keep=keep)
        with self._chunks.decoding(number):
            _decode_together(chunk, int(frames[0]), int(frames[-1]) + 1)
            for run in _runs(frames, gap=GAP):
                start, last = int(frames[run.start]), int(frames[run.stop - 1])
                out[run] = chunk.pixels(pixels, range(start, last + 1))[frames[run] - start]

    # ------------------------------------------------------------------------ both

    def _transformed(self, codes: NDArray[Any]) -> NDArray[Any]:
        if self._transform is None:
            return codes.copy()
        values = np.empty(codes.shape, self._dtype)
        self._transform.decode(np.ascontiguousarray(codes), out=values)
        return values

    def _fits(self, chunks: int) -> bool:
        """Return whether to cache the chunks of a selection that takes so many of them."""
        return chunks == 1 or 4 * self._chunks.bytes <= CACHE.limit

    def _by_chunk(self, frames: NDArray[np.intp]) -> list[tuple[int, slice]]:
        """Return the chunks of frames in rising order, each with the places of its frames."""
        numbers, starts = np.unique(frames // self._chunks.length, return_index=True)
        stops = [*starts[1:].tolist(), len(frames)]
        places = map(slice, starts.tolist(), stops)
        return list(zip(numbers.tolist(), places, strict=True))

    def _in_threads(self, read: Callable[[Any], None], chunks: list[Any]) -> None:
        """Read chunks side by side, so that some are decoded while others are fetched.

        Small chunks of a local store are read one by one: threads would wait for each other.
        Chunks of `OPEN` bytes or more are read one by one, each on all processors.
        """
        fetched = int(self._decoders > 1) if self._chunks.store.is_local else WAITING
        most = max(1, min(self._decoders + fetched, OPEN // max(1, self._chunks.bytes)))
        in_threads(read, chunks, most=most)


def _decode_together(chunk: OpenChunk, start: int, stop: int) -> None:
    """Decode the wanted frames of a chunk at once, if it would decode the first ones once more."""
    if not chunk.divisible:
        chunk.frames(start, stop)


def _distinct(numbers: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
    """Return distinct numbers in rising order and, unless they were so, the place of each."""
    if bool((np.diff(numbers) > 0).all()):
        return numbers, None
    return np.unique(numbers, return_inverse=True)


def _runs(frames: NDArray[np.intp], *, gap: int) -> list[slice]:
    """Return the stretches of rising numbers in which neighbours differ by at most `gap`."""
    breaks = (np.flatnonzero(np.diff(frames) > gap) + 1).tolist()
    return list(map(slice, [0, *breaks], [*breaks, len(frames)]))


def _arranged(values: NDArray[Any], selection: Selection) -> Any:
    """Return values, shape (frames, pixels), (frames, height, ...) or (points,), as selected."""
    if values.shape == selection.shape:
        return values
    if not selection.shape:
        return values.reshape(-1)[0]
    if not selection.leading:
        return values.reshape(selection.shape)
    shape = list(selection.shape)
    frames = shape.pop(selection.leading)
    return np.moveaxis(values.reshape(frames, *shape), 0, selection.leading)
