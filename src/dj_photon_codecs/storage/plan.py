"""From a movie to the codes that are stored: their dtype, and what they decode to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.movies.slabs import slabs
from dj_photon_codecs.photons.decode_table_fit import fit_table
from dj_photon_codecs.photons.photon_peaks import clipping, photon_peaks
from dj_photon_codecs.photons.steps import stepped_codes, stepped_dtype

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.movies.camera_movie import CameraMovie
    from dj_photon_codecs.movies.survey import ValueRange
    from dj_photon_codecs.photons.steps import DecodeTable

__all__ = ["code_dtype", "codes", "decode_table"]

SAMPLED = 8  # frames, spread over a movie, in which its photon peaks are looked for
INTEGERS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")


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
    for first, slab in slabs(movie.values, start, stop):
        chunk[first - start : first - start + len(slab)] = _slab_codes(movie, slab, dtype)
    return chunk


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
