"""What codes go through on their way to the store, and which way is the smallest for a movie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numcodecs import Blosc

from dj_photon_codecs.chunks import frames_repeat
from dj_photon_codecs.grouped.entropy import noise_entropy
from dj_photon_codecs.grouped.layout import COMPRESSOR, GroupedLayout, groupable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numcodecs.abc import Codec
    from numpy.typing import NDArray

__all__ = ["CANDIDATES", "Compression", "choose_compression"]

HANDICAP = 1.3  # on small samples, whose classes hold few pixels, the layout is as much too large
OVERHEAD = 1.06  # of grouped codes, over the entropy of independent noise
ROWS = 4  # of a patch
GOLDEN = 0.618  # of the width of a frame, from a patch to the next


class Round(NamedTuple):
    """A sample, on which ways are compared.

    Attributes
    ----------
    size : int
        Codes.
    columns : int
        Of a patch.
    groupable, others : float
        How large a way may be on it, relative to the layout of the house or, for codes that cannot
        be grouped, to plain order, to be tried on the next sample.
    """

    size: int
    columns: int
    groupable: float
    others: float


# Repeats, which ways differ in, are the rarer the smaller a sample.
ROUNDS = (
    Round(1 << 15, 16, 1.06, 1.15),
    Round(1 << 17, 64, 0.98, 1.05),
    Round(1 << 22, 1 << 16, 1.0, 1.0),
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
CANDIDATES = (PLAIN, *OTHERS, GROUPED)


def choose_compression(
    values: NDArray[Any], *, codes: Callable[[NDArray[Any]], NDArray[Any]] = np.ascontiguousarray
) -> Compression:
    """Return the way in which samples of a movie are the smallest.

    Samples are patches of pixels, spread over the frame, in all frames. A small one rules out what
    is clearly larger than the entropy of its noise, and what is left is compressed on larger ones.
    Whether pixels are grouped is left to the layout, which decides it for each chunk, unless the
    movie is so small that all of it is compressed.

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
    left: tuple[Compression, ...] = OTHERS
    for each in ROUNDS:
        sample = codes(_sample(values, each.size, columns=each.columns))
        if frames_repeat(sample):  # at distances that no sample keeps
            sample = codes(_sample(values, values.size, columns=each.columns))
        if sample.size == values.size:
            return min((PLAIN, *left, GROUPED), key=lambda way: len(way.encode(sample)))
        home = GROUPED if groupable(sample) else PLAIN
        sizes = [len(way.encode(sample)) for way in left]
        for known in _expected_sizes(sample, home, roughly=each is ROUNDS[0]):
            limit = known * (each.groupable if home is GROUPED else each.others)
            if min(sizes) >= limit:
                return home
        left = tuple(way for way, size in zip(left, sizes, strict=True) if size < limit)
        if each is not ROUNDS[0] and HANDICAP * min(sizes) < known:
            break
    return min(left, key=lambda way: len(way.encode(sample)))


def _expected_sizes(sample: NDArray[Any], home: Compression, *, roughly: bool) -> Iterator[float]:
    """How many bytes the layout of the house takes at most for such codes, if there are many."""
    if home is GROUPED:
        yield OVERHEAD * noise_entropy(sample) * sample.size / 8
    if home is PLAIN or not roughly:
        yield len(home.encode(sample))


def _sample(values: NDArray[Any], size: int, *, columns: int) -> NDArray[Any]:
    """Take patches of about so many values in all, or all values if there are not many more."""
    frames = values.reshape(len(values), -1, values.shape[-1])
    height, width = min(ROWS, frames.shape[1]), min(columns, frames.shape[2])
    number = -(-size // (len(frames) * height * width))
    if number * len(frames) * height * width * 2 > values.size:
        return frames
    tops = ((np.arange(number) + 0.5) / number * (frames.shape[1] - height)).astype(int)
    lefts = ((np.arange(number) + 0.5) * GOLDEN % 1 * (frames.shape[2] - width)).astype(int)
    patches = [
        frames[:, top : top + height, left : left + width].reshape(len(frames), -1)
        for top, left in zip(tops.tolist(), lefts.tolist(), strict=True)
    ]
    return np.stack(patches, axis=1)
