"""What codes go through on their way to the store, and which way is the smallest for a movie."""

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

OVERHEAD = 1.06  # of grouped codes, over the entropy of independent noise
FAR = 1.2  # times what noise takes; no level or block size makes so much of a difference
CORRELATED = 0.85  # codes that are as much smaller than independent noise repeat in some way


class Round(NamedTuple):
    """A sample, on which ways are compared.

    Attributes
    ----------
    size : int
        Codes.
    columns : int
        Of a patch, at least.
    expected : float
        How large a way may be on it, relative to what the entropy of noise lets expect of the
        layout of the house, to be compared with that.
    noise, correlated, ungrouped : float
        How large a way may be on it, relative to the layout of the house, to be tried on the next
        sample: for codes that can be grouped, and for others. What repeats does so less in a small
        sample, and otherwise where rows are cut.
    """

    size: int
    columns: int
    expected: float
    noise: float
    correlated: float
    ungrouped: float


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
    # blocks of many frames, for movies whose frames repeat
    Compression(Blosc(cname="zstd", clevel=3, shuffle=Blosc.NOSHUFFLE, blocksize=1 << 24)),
    Compression(Blosc(cname="zstd", clevel=5, shuffle=Blosc.SHUFFLE)),
)
# At the level of Zarr's own default; with few matches it can be smaller than the level above it.
ZARR = Compression(Blosc(cname="zstd", clevel=2, shuffle=Blosc.NOSHUFFLE, blocksize=1 << 24))
CANDIDATES = (PLAIN, *OTHERS, ZARR, GROUPED)


def choose_compression(
    values: NDArray[Any], *, codes: Callable[[NDArray[Any]], NDArray[Any]] = np.ascontiguousarray
) -> Compression:
    """Return the way in which samples of a movie are the smallest.

    Samples are patches of pixels, spread over the frame, in all frames. A small one rules out what
    is clearly larger than the entropy of its noise, and what is left is compressed on larger ones.
    Whether pixels are grouped is left to the layout, which decides it for each chunk. All of the
    values are compressed in all ways if they are few, or if frames repeat.

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
    for each in ROUNDS:
        sample = codes(sample_patches(values, each.size, columns=each.columns))
        if frames_repeat(sample):  # at distances that no sample keeps
            sample = codes(sample_patches(values, values.size, columns=each.columns))
        if sample.size == values.size:
            return min((PLAIN, GROUPED, ZARR, *left), key=lambda way: len(way.encode(sample)))
        home = GROUPED if groupable(sample) else PLAIN
        left = tuple(way for way in left if way is not home)
        of_noise = _size_of_noise(sample)
        sizes = _sizes(left, sample, far=FAR * of_noise)
        if min(sizes) >= each.expected * of_noise:
            return home
        known = len(home.encode(sample))
        limit = known * _tolerance(each, known / of_noise)
        if min(sizes) >= limit:
            return home
        left = tuple(way for way, size in zip(left, sizes, strict=True) if size < limit)
    return min((*left, ZARR), key=lambda way: len(way.encode(sample)))


def _sizes(ways: tuple[Compression, ...], sample: NDArray[Any], *, far: float) -> list[int]:
    """The size of a sample in each way; in a byte there is nothing to shuffle, so one may do."""
    first = len(ways[0].encode(sample))
    if sample.itemsize == 1 and first > far:
        return [first] * len(ways)
    return [first, *(len(way.encode(sample)) for way in ways[1:])]


def _tolerance(sample: Round, of_noise: float) -> float:
    """How large a way may be, by how large codes in the layout of the house are beside noise."""
    if not of_noise:
        return sample.ungrouped
    return sample.correlated if of_noise < CORRELATED else sample.noise


def _size_of_noise(sample: NDArray[Any]) -> float:
    """How many bytes such codes take in groups, if there are many of them and nothing repeats."""
    if not groupable(sample):
        return math.inf
    return OVERHEAD * noise_entropy(sample) * sample.size / 8
