"""A sample of a movie's values, from frames spread over it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.movies.sources import Frames

__all__ = ["sample_frames", "sampled_part", "sampled_runs"]

# benchmarks/constants_fit.py tries other values of these.
VALUES = 1 << 20  # in a sample; 2 MB of uint16, 8 MB of float64
RUNS = 16  # of consecutive frames in a sample, evenly spread


def sample_frames(values: Frames) -> NDArray[Any]:
    """Return about a million values of a movie, (frames, pixels), from frames spread over it.

    The whole movie if it has at most 2**20 values. Of large frames at least 16, with evenly spaced
    pixels of each. A `Source` that has kept the frames of `sampled_runs` reads none again.
    """
    runs, spacing = sampled_runs(values.shape), _spacing(values.shape)
    parts = [np.asarray(values[run.start : run.stop]) for run in runs]
    return np.concatenate([part.reshape(len(part), -1)[:, ::spacing] for part in parts])


def sampled_part(part: NDArray[Any], first: int, *, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return what `sample_frames` takes from a part of a movie of some shape: a copy.

    The frame `first` of the movie is the first of the part.

    Examples
    --------
    >>> movie = np.arange(72).reshape(18, 2, 2)
    >>> parts = [sampled_part(movie[i : i + 9], i, shape=(18, 2, 2)) for i in (0, 9)]
    >>> bool((np.concatenate(parts) == sample_frames(movie)).all())
    True
    """
    sampled = {frame for run in sampled_runs(shape) for frame in run}
    wanted = [n for n in range(len(part)) if first + n in sampled]
    pixels = part.reshape(len(part), -1)[:, :: _spacing(shape)]
    return pixels[wanted]


def _spacing(shape: tuple[int, ...]) -> int:
    """Return the distance of the pixels that are taken of each frame of a sample."""
    frames = sum(map(len, sampled_runs(shape)))
    return max(1, -(-frames * math.prod(shape[1:]) // VALUES))


def sampled_runs(shape: tuple[int, ...]) -> list[range]:
    """Return the frames that `sample_frames` reads of a movie of some shape.

    Examples
    --------
    >>> sampled_runs((100, 64, 64))
    [range(0, 100)]
    >>> sampled_runs((1000, 512, 512))[:3]
    [range(31, 32), range(93, 94), range(156, 157)]
    """
    frames, pixels = shape[0], max(1, math.prod(shape[1:]))
    wanted = min(frames, max(RUNS, VALUES // pixels))
    runs = 1 if wanted == frames else min(RUNS, wanted)
    length = wanted // runs
    starts = ((np.arange(runs) + 0.5) / runs * (frames - length)).astype(int).tolist()
    return [range(start, start + length) for start in starts]
