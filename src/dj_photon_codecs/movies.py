"""What may be inserted: checks, camera movies, and codes of frames, a slab of frames at a time.

A movie may be larger than the memory. Everything here looks at one slab of frames after the
other, and gives the pages of a memory-mapped file back as it goes.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dj_photon_codecs.calibration import Calibration
from dj_photon_codecs.decoding import fit_table
from dj_photon_codecs.peaks import clipping, photon_peaks
from dj_photon_codecs.quantization import DecodeTable, check_step, stepped_codes, stepped_dtype

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = [
    "CameraMovie",
    "Frames",
    "ValueRange",
    "check_frames",
    "code_dtype",
    "codes",
    "decode_table",
    "survey",
]

SLAB = 1 << 24  # bytes; frames are looked at in slabs of about this size
SAMPLED = 8  # frames, spread over a movie, in which its photon peaks are looked for
EXACT = 2**53  # from here on float64 skips whole numbers, so that nothing tells them from others
INTEGERS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")


class Frames(Protocol):
    """An array that can be read frame by frame: NumPy's, a memory map, zarr.Array, h5py.Dataset."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102
    def __getitem__(self, selection: slice, /) -> Any: ...


@dataclass(frozen=True, eq=False)
class CameraMovie:
    """Camera values with the calibration that says what they mean, ready to be inserted.

    Parameters
    ----------
    values : array_like
        Shape (frames, height, width, ...), ADU, any real dtype; negative values are legal.
    calibration : Calibration
        Gain, offset and read noise; `calibrate` finds them. ``Calibration()`` stands for photon
        counts.
    step : float, optional
        None stores the values exactly. ``0 < step <= 1`` stores them, transformed, in steps of
        it, in units of the noise's standard deviation: smaller, and no longer exact.

    Raises
    ------
    TypeError, ValueError
        If `values` is no array of real numbers of 3 dimensions or more, or `step` is out of
        range.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(100, 5, (20, 8, 8)).astype("int16")
    >>> CameraMovie(values, Calibration(gain=30, offset=90), step=0.5).step
    0.5
    """

    values: Frames
    calibration: Calibration
    step: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be a movie before any of it is read."""
        check_frames(self.values)
        if not isinstance(self.calibration, Calibration):
            raise TypeError(
                f"calibration is a {type(self.calibration).__name__}; it must be a Calibration. "
                "calibrate(values) makes one, Calibration(gain=1) stands for photon counts"
            )
        if self.step is not None:
            check_step(self.step)


@dataclass(frozen=True)
class ValueRange:
    """The lowest and the highest value of a movie, and whether all are whole numbers."""

    lowest: float
    highest: float
    whole: bool


def check_frames(values: Any) -> None:
    """Refuse what cannot be a movie, without reading its values.

    Parameters
    ----------
    values : object
        What a user gave.

    Raises
    ------
    TypeError
        If it is no array, a masked array, or an array of another kind than bool, integers and
        floats of 16, 32 or 64 bits.
    ValueError
        If it has fewer than 3 dimensions, no frames, or empty frames.

    Examples
    --------
    >>> check_frames(np.zeros((512, 512)))
    Traceback (most recent call last):
    ...
    ValueError: movie has shape (512, 512); it must be ...
    """
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(
            "movie is a masked array, whose mask would be lost; fill it (movie.filled(0)) and "
            "keep the mask in a column of its own"
        )
    if not _is_array(values):
        raise TypeError(
            f"movie is a {type(values).__name__}; it must be a NumPy array (or memory map) of "
            "shape (frames, height, width, ...). Convert it with numpy.asarray"
        )
    if values.dtype.kind not in "buif" or values.dtype.itemsize > 8:
        raise TypeError(
            f"movie has dtype {values.dtype}; it must be bool, an integer, or a float of 16, 32 "
            "or 64 bits. Convert it with movie.astype"
        )
    if len(values.shape) < 3 or 0 in values.shape:
        raise ValueError(
            f"movie has shape {values.shape}; it must be (frames, height, width, ...), with "
            "nothing empty. A single image is image[numpy.newaxis]"
        )


def survey(values: Frames, *, counts: bool) -> ValueRange:
    """Read all values once, refuse illegal ones, and return their range.

    Parameters
    ----------
    values : array_like
        Shape (frames, height, width, ...).
    counts : bool
        Whether they are photon counts, which cannot be negative, or camera values.

    Returns
    -------
    ValueRange
        Lowest and highest value, and whether all are whole numbers.

    Raises
    ------
    ValueError
        If a value is NaN, infinite, or, in photon counts, negative; the message names the value,
        its frame, and what to do.

    Examples
    --------
    >>> survey(np.arange(24.0).reshape(2, 3, 4), counts=True)
    ValueRange(lowest=0.0, highest=23.0, whole=True)
    """
    ranges = [
        _checked_range(slab, first, counts=counts)
        for first, slab in _slabs(values, 0, values.shape[0])
    ]
    return ValueRange(
        lowest=min(found.lowest for found in ranges),
        highest=max(found.highest for found in ranges),
        whole=all(found.whole for found in ranges),
    )


def code_dtype(movie: CameraMovie, found: ValueRange) -> np.dtype[Any]:
    """Return the smallest dtype that holds the codes of a movie.

    Parameters
    ----------
    movie : CameraMovie
        What is to be stored.
    found : ValueRange
        What `survey` found in it.

    Returns
    -------
    numpy.dtype
        Of integers wherever the values are whole numbers or a step is given; else the movie's
        own floating dtype, little-endian.
    """
    if movie.step is not None:
        return stepped_dtype(found.lowest, found.highest, movie.calibration, step=movie.step)
    if not found.whole:
        return movie.values.dtype.newbyteorder("<")
    return next(
        np.dtype(name).newbyteorder("<")
        for name in INTEGERS
        if np.iinfo(name).min <= found.lowest and found.highest <= np.iinfo(name).max
    )


def decode_table(movie: CameraMovie, found: ValueRange) -> DecodeTable | None:
    """Fit what the codes of a movie stored in steps decode to; it is stored with the movie.

    Parameters
    ----------
    movie : CameraMovie
        What is to be stored.
    found : ValueRange
        What `survey` found in it.

    Returns
    -------
    DecodeTable or None
        None if the movie is stored exactly.
    """
    if movie.step is None:
        return None
    frames = movie.values.shape[0]
    sample = [np.asarray(movie.values[n : n + 1]) for n in range(0, frames, -(-frames // SAMPLED))]
    values = np.concatenate(sample)
    peaks = photon_peaks(values, movie.calibration, whole=found.whole)
    return fit_table(
        movie.calibration,
        step=movie.step,
        whole=found.whole,
        peaks=peaks,
        clipped=clipping(values),
    )


def codes(movie: CameraMovie, start: int, *, frames: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the codes of one chunk.

    Parameters
    ----------
    movie : CameraMovie
        What is to be stored.
    start : int
        First frame of the chunk.
    frames : int
        Frames in a chunk. Those behind the end of the movie are zero.
    dtype : numpy.dtype
        What `code_dtype` returned.

    Returns
    -------
    numpy.ndarray
        Shape (frames, height, width, ...), of `dtype`, in C order.

    Raises
    ------
    ValueError
        If a value does not fit, because the movie has changed since it was surveyed.
    """
    stop = min(start + frames, movie.values.shape[0])
    chunk = np.zeros((frames, *movie.values.shape[1:]), dtype)
    for first, slab in _slabs(movie.values, start, stop):
        chunk[first - start : first - start + len(slab)] = _slab_codes(movie, slab, dtype)
    return chunk


def _is_array(values: Any) -> bool:
    attributes = ("shape", "__array__", "__getitem__")
    return isinstance(getattr(values, "dtype", None), np.dtype) and all(
        hasattr(values, name) for name in attributes
    )


def _slabs(values: Frames, start: int, stop: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield (first frame, frames) from `start` to `stop`, and give mapped pages back after each."""
    frames = _frames_per_slab(values)
    for first in range(start, stop, frames):
        yield first, np.asarray(values[first : min(first + frames, stop)])
        _release_pages(values)


def _frames_per_slab(values: Frames) -> int:
    frame = int(np.prod(values.shape[1:])) * values.dtype.itemsize
    frames = max(1, SLAB // frame)
    stored = getattr(values, "chunks", None)  # of an array that must decode whole chunks
    if stored and isinstance(stored[0], int):
        return max(stored[0], frames // stored[0] * stored[0])
    return frames


def _release_pages(values: Any) -> None:
    """Drop a memory map's pages from this process; they stay in the system's cache of the file."""
    while isinstance(values, np.ndarray):
        if isinstance(values, np.memmap):
            # a private mapping (mode "c") may hold changes that are nowhere else
            if values.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
                values._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]  # noqa: SLF001
            return
        values = values.base


def _checked_range(slab: NDArray[Any], first: int, *, counts: bool) -> ValueRange:
    lowest, highest = slab.min().item(), slab.max().item()
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        value, frame = _first(slab, ~np.isfinite(slab))
        raise ValueError(
            f"movie holds {value} at frame {first + frame}; every value must be finite. Change "
            "such values (numpy.nan_to_num), or leave out the frame"
        )
    if counts and lowest < 0:
        value, frame = _first(slab, slab < 0)
        raise ValueError(
            f"movie holds {value} at frame {first + frame}; photon counts must be >= 0. Subtract "
            "the camera offset with CameraMovie(values, calibrate(values))"
        )
    return ValueRange(lowest, highest, _is_whole(slab, lowest, highest))


def _first(slab: NDArray[Any], wrong: NDArray[np.bool_]) -> tuple[Any, int]:
    position = np.unravel_index(np.argmax(wrong), wrong.shape)
    return slab[position], int(position[0])


def _is_whole(slab: NDArray[Any], lowest: float, highest: float) -> bool:
    if slab.dtype.kind != "f":
        return True
    if max(-lowest, highest) >= EXACT:
        return False
    return bool((np.rint(slab) == slab).all())


def _slab_codes(movie: CameraMovie, slab: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if movie.step is not None:
        return stepped_codes(slab, movie.calibration, step=movie.step, dtype=dtype)
    with np.errstate(invalid="ignore"):  # numpy's own words for what is refused right here
        stored = slab.astype(dtype, copy=False)
    if not np.array_equal(stored, slab):
        raise ValueError(
            f"movie does not fit into {dtype} any more: it has changed since its insert began. "
            "Insert it when nothing writes to it"
        )
    return stored
