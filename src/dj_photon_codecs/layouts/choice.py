"""How the codes of a movie are compressed: a layout and a compressor, chosen by size on samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numcodecs import Blosc

from dj_photon_codecs.layouts.grouped.entropy import noise_entropy
from dj_photon_codecs.layouts.grouped.layout import COMPRESSOR, GroupedLayout, groupable
from dj_photon_codecs.layouts.sampling import frames_repeat, sample_patches

if TYPE_CHECKING:
    from collections.abc import Callable

    from numcodecs.abc import Codec
    from numpy.typing import NDArray

__all__ = ["CANDIDATES", "Compression", "choose_compression"]

# These, and the rounds, are measured by benchmarks/constants.py.
GROUPED_SIZE = 1.06  # size of grouped codes, relative to the entropy of independent noise
CORRELATED = 0.85  # relative to that size; smaller ones show that frames depend on each other


class Round(NamedTuple):
    """One sample on which candidates are compared, and which of them go on to the next sample.

    The usual candidate is grouped codes where codes can be grouped, else plain ones; sizes are
    relative to its size. A small sample shows less of what repeats in a movie, and so is less
    strict.

    Attributes
    ----------
    size : int
        Codes in the sample.
    columns : int
        The least width of its patches, in pixels.
    worth_comparing : float
        If all candidates are at least so large relative to the size that grouped codes have for
        independent noise, the usual one is chosen without compressing it.
    if_noise, if_correlated, if_not_groupable : float
        The largest size at which a candidate goes on to the next sample: where the grouped codes
        are as large as independent noise, where they are smaller than `CORRELATED` times that,
        and where codes cannot be grouped.
    """

    size: int
    columns: int
    worth_comparing: float
    if_noise: float
    if_correlated: float
    if_not_groupable: float


ROUNDS = (
    Round(1 << 15, 16, 1.1, 1.04, 2.0, 1.2),
    Round(1 << 17, 64, 0.98, 0.98, 2.0, 1.1),
    Round(1 << 21, 1 << 16, 1.0, 1.0, 1.0, 0.99),
)


@dataclass(frozen=True)
class Compression:
    """A compressor, and the layout that prepares codes for it.

    Parameters
    ----------
    compressor : numcodecs.abc.Codec or None
        None stores codes as they are.
    layout : numcodecs.abc.Codec, optional
        A filter that the codes of a chunk go through before.

    Examples
    --------
    >>> grouped = Compression(COMPRESSOR, GroupedLayout())
    >>> codes = np.random.default_rng(0).poisson(3, (100, 32, 32)).astype("u1")
    >>> len(grouped.encode(codes)) < codes.nbytes / 2
    True
    """

    compressor: Codec | None
    layout: Codec | None = None

    def encode(self, codes: NDArray[Any]) -> bytes:
        """Return the bytes of a chunk, as a Zarr array with these codecs stores it."""
        stored = codes if self.layout is None else self.layout.encode(codes)
        return (
            stored.tobytes() if self.compressor is None else bytes(self.compressor.encode(stored))
        )


PLAIN = Compression(Blosc(cname="zstd", clevel=5, shuffle=Blosc.BITSHUFFLE))
GROUPED = Compression(COMPRESSOR, GroupedLayout())
OTHERS = (
    # in blocks of many frames, for movies whose frames repeat
    Compression(Blosc(cname="zstd", clevel=3, shuffle=Blosc.NOSHUFFLE, blocksize=1 << 24)),
    Compression(Blosc(cname="zstd", clevel=5, shuffle=Blosc.SHUFFLE)),
)
# At the level that Zarr's own default has: with few matches it can be smaller than the level above.
ZARR = Compression(Blosc(cname="zstd", clevel=2, shuffle=Blosc.NOSHUFFLE, blocksize=1 << 24))
CANDIDATES = (PLAIN, *OTHERS, ZARR, GROUPED)


def choose_compression(
    values: NDArray[Any], *, codes: Callable[[NDArray[Any]], NDArray[Any]] = np.ascontiguousarray
) -> Compression:
    """Return the candidate that makes samples of a movie the smallest.

    Samples are patches of pixels, spread over the frame, in all frames. On a small one, candidates
    that are clearly larger than the entropy of the noise are ruled out; the others are compared on
    larger ones. Whether pixels are grouped is decided by the layout for each chunk. If the values
    are few, or frames repeat, all of them are compressed with all candidates.

    Parameters
    ----------
    values : numpy.ndarray
        One chunk of a movie, shape (frames, ...).
    codes : callable, optional
        Returns the codes of a sample of the values, shape (frames, patches, pixels), in C order;
        the values are codes by default.

    Returns
    -------
    Compression
        One of `CANDIDATES`; the same for the same values.
    """
    left: tuple[Compression, ...] = (*OTHERS, GROUPED)
    for sampling in ROUNDS:
        sample = codes(sample_patches(values, sampling.size, columns=sampling.columns))
        if frames_repeat(sample):  # a smaller sample has them at other distances
            sample = codes(sample_patches(values, values.size, columns=sampling.columns))
        if sample.size == values.size:
            return _smallest((PLAIN, GROUPED, ZARR, *left), sample)
        usual = GROUPED if groupable(sample) else PLAIN
        left = tuple(candidate for candidate in left if candidate is not usual)
        noise_size = _noise_size(sample)
        sizes = [len(candidate.encode(sample)) for candidate in left]
        if min(sizes) >= sampling.worth_comparing * noise_size:
            return usual
        usual_size = len(usual.encode(sample))
        limit = usual_size * _largest_relative_size(sampling, usual_size / noise_size)
        if min(sizes) >= limit:
            return usual
        left = tuple(candidate for candidate, size in zip(left, sizes, strict=True) if size < limit)
    return _smallest((*left, ZARR), sample)


def _smallest(candidates: tuple[Compression, ...], codes: NDArray[Any]) -> Compression:
    return min(candidates, key=lambda candidate: len(candidate.encode(codes)))


def _largest_relative_size(sampling: Round, relative_to_noise: float) -> float:
    if not relative_to_noise:  # the entropy of the noise is unknown, and counts as infinite
        return sampling.if_not_groupable
    return sampling.if_correlated if relative_to_noise < CORRELATED else sampling.if_noise


def _noise_size(sample: NDArray[Any]) -> float:
    """Return how many bytes these codes take in groups if they are many and independent."""
    if not groupable(sample):
        return math.inf
    return GROUPED_SIZE * noise_entropy(sample) * sample.size / 8
