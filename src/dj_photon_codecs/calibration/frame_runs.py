"""A movie as runs of four consecutive frames, read in blocks and never whole."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.calibration.frame_faults import FrameCounts, FrameScreen
from dj_photon_codecs.movies.slabs import slabs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["RUN", "RunReader", "read_blocks"]

RUN = 4  # frames; the fewest in which two contrasts are free of both level and slope
BLOCK = 1 << 23  # samples looked at together, 16 MB of uint16
ENOUGH = 1 << 28  # samples; of a longer movie, evenly spread blocks are read
LONGEST_GAP = 3  # frames left out in a row, across which a run may go on


class RunReader:
    """Iterator over the runs of a movie, which counts the frames that it leaves out.

    Parameters
    ----------
    movie : array_like
        (frames, height, width). Of more than 2**28 values, about so many are read.

    Examples
    --------
    >>> movie = np.random.default_rng(0).poisson(5, (10, 16, 16))
    >>> [runs.shape for _, runs in RunReader(movie)]
    [(2, 4, 16, 16)]
    """

    def __init__(self, movie: Any) -> None:
        self._movie = movie
        self._screen = FrameScreen()

    @property
    def counts(self) -> FrameCounts:
        """How many frames were read so far, and how many of them left out."""
        return self._screen.counts

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
            free = self._screen.judge(frames, free, more=more)
            runs, partial = _grouped(np.flatnonzero(free[: len(frames) - more]))
            if runs:
                chosen = np.array(runs)
                yield (start + chosen[:, 0]).tolist(), frames[chosen]
                free[chosen] = False
            # What follows is compared with the last frame, and that one with the one before it.
            keep = max(min([*partial, len(frames) - 2]), 0)
            start, rest, free = start + keep, frames[keep:].copy(), free[keep:]


def read_blocks(movie: Any) -> Iterator[tuple[int, NDArray[Any]]]:
    """Read a movie in blocks of consecutive frames; of a long movie, evenly spread ones.

    Parameters
    ----------
    movie : array_like
        (frames, height, width). Of more than 2**28 values, about so many are read.

    Yields
    ------
    tuple
        The number of the first frame, and frames: about 2**23 values or one slab, if that is
        more. In a movie that is read whole each block follows the one before.

    Examples
    --------
    >>> [(first, len(block)) for first, block in read_blocks(np.zeros((100, 512, 512), "u1"))]
    [(0, 32), (32, 32), (64, 32), (96, 4)]
    """
    length = _block_length(movie)
    starts = np.arange(0, movie.shape[0], length)
    wanted = max(ENOUGH // (length * math.prod(movie.shape[1:])), 2)
    if wanted < len(starts):
        starts = starts[np.linspace(0, len(starts) - 1, wanted).astype(int)]
    for start in starts.tolist():
        parts = [part for _, part in slabs(movie, start, min(start + length, movie.shape[0]))]
        yield start, parts[0] if len(parts) == 1 else np.concatenate(parts)


def _block_length(movie: Any) -> int:
    """Choose the frames of a block: runs, and whole chunks of a stored movie if memory allows."""
    pixels = math.prod(movie.shape[1:])
    length = max(RUN, BLOCK // pixels // RUN * RUN)
    chunks = getattr(movie, "chunks", None)
    chunk = chunks[0] if chunks and isinstance(chunks[0], int) else RUN
    if chunk * pixels > 4 * BLOCK:
        return length
    return max(length // chunk, -(-RUN // chunk)) * chunk


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
