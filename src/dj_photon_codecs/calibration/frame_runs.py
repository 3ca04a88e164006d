"""A movie as runs of four consecutive frames, read in blocks and never whole."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.calibration.frame_faults import FrameCounts, judge_frames
from dj_photon_codecs.movies.progress import advance
from dj_photon_codecs.movies.sources import SLAB_BYTES, Source

__all__ = ["RUN", "RunReader", "read_blocks"]

RUN = 4  # frames; the fewest in which two contrasts are free of both level and slope
# benchmarks/constants_calibration.py tries other values of these.
BLOCK = 1 << 23  # samples looked at together, 16 MB of uint16
ENOUGH = 1 << 28  # samples; of a longer movie, evenly spread blocks are read
LONGEST_GAP = 3  # frames left out in a row, across which a run may go on


class RunReader:
    """Iterator over the runs of a movie, (frames, height, width), which counts what it leaves out.

    Of more than 2**28 values, about so many are read.
    """

    def __init__(self, movie: Any) -> None:
        self._movie = movie
        self.counts = FrameCounts()  # of those that were read so far

    def __iter__(self) -> Iterator[tuple[list[int], NDArray[Any]]]:
        """Yield the number of the first frame of each run, and the runs, (n, 4, height, width)."""
        start, end = 0, 0
        rest, free = np.zeros((0, *self._movie.shape[1:])), np.zeros(0, bool)
        for first, block in read_blocks(self._movie):
            if first != end:  # of a long movie, parts are read
                start, rest, free = first, block[:0], free[:0]
            frames = np.concatenate([rest, block]) if len(rest) else block
            end = first + len(block)
            more = end < self._movie.shape[0]
            free = judge_frames(frames, free, counts=self.counts, more=more)
            runs, partial = _grouped(np.flatnonzero(free[: len(frames) - more]))
            if runs:
                chosen = np.array(runs)
                yield (start + chosen[:, 0]).tolist(), frames[chosen]
                free[chosen] = False
            # What follows is compared with the last frame, and that one with the one before it.
            keep = max(min([*partial, len(frames) - 2]), 0)
            start, rest, free = start + keep, frames[keep:].copy(), free[keep:]


def read_blocks(movie: Any) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield blocks of consecutive frames, and the number of their first one; of long movies, parts.

    A block has about 2**23 values, and at least four frames but at the end of the movie. Of a movie
    of more than 2**28 values about so many are read, evenly spread.
    """
    source = Source(movie)  # one for all blocks, so that each chunk is read once
    length = max(RUN, BLOCK // math.prod(source.shape[1:]))
    parts = _parts(source)
    share = source.shape[0] / sum(stop - start for start, stop in parts)  # of a frame that is read
    for start, stop in parts:
        for first in range(start, stop, length):
            slabs = [slab for _, slab in source.slabs(first, min(first + length, stop))]
            block = slabs[0] if len(slabs) == 1 else np.concatenate(slabs)
            yield first, block
            advance(share * len(block), bytes_in=block.nbytes)


def _parts(source: Source) -> list[tuple[int, int]]:
    """Choose what to read: first frames of parts, and the frames after their last ones."""
    frames, pixels = source.shape[0], math.prod(source.shape[1:])
    if frames * pixels <= ENOUGH:
        return [(0, frames)]
    # A part is as long as a slab of whole chunks: a source reads no less of a stored movie.
    length = max(1, SLAB_BYTES // (pixels * source.dtype.itemsize))
    chunks = getattr(source.values, "chunks", None)
    if chunks and isinstance(chunks[0], int):
        length = max(chunks[0], length // chunks[0] * chunks[0])
    length *= -(-RUN // length)
    starts = range(0, frames, length)
    wanted = min(max(ENOUGH // (length * pixels), 2), len(starts))
    spread = np.linspace(0, len(starts) - 1, wanted).astype(int).tolist()
    return [(starts[n], min(starts[n] + length, frames)) for n in spread]


def _grouped(numbers: NDArray[np.intp]) -> tuple[list[list[int]], list[int]]:
    """Group the numbers of frames into runs; what is left for the next run is the second result."""
    runs: list[list[int]] = []
    run: list[int] = []
    for number in numbers.tolist():
        if run and number - run[-1] > LONGEST_GAP + 1:
            run = []
        run.append(number)
        if len(run) == RUN:
            runs.append(run)
            run = []
    return runs, run
