"""`StoragePlan`: how one movie is stored, made once from the movie and a policy.

Inserting, copying and reporting use the same plan, so that a report says what an insert will do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numcodecs
import numpy as np
from numcodecs.abc import Codec
from numpy.typing import NDArray

from dj_photon_codecs.layouts.choice import GROUPED, Compression
from dj_photon_codecs.layouts.threads import in_threads
from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.movies.sample import sample_frames, sampled_runs
from dj_photon_codecs.movies.sources import as_source
from dj_photon_codecs.movies.survey import ValueRange, range_of, survey
from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.photons.decode_table import DecodeTable
from dj_photon_codecs.photons.decode_table_fit import fit_table
from dj_photon_codecs.photons.steps import stepped_codes, stepped_dtype
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage.chunking import frames_in_chunk
from dj_photon_codecs.storage.filters.checksum import ChecksumFilter

__all__ = [
    "StoragePlan",
    "code_dtype",
    "compression_of",
    "decode_table",
    "filters_of",
    "plan_movie",
]

INTEGERS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")


@dataclass(frozen=True, eq=False)
class StoragePlan:
    """How one movie is stored."""

    shape: tuple[int, ...]  # of the movie: (frames, height, width, ...)
    original_dtype: np.dtype[Any]  # of the values that were inserted
    calibration: Calibration
    step: float | None  # None stores values exactly
    code_dtype: np.dtype[Any]  # integers, or floats for values that are not whole numbers
    frames_per_chunk: int
    compression: Compression
    decode_table: DecodeTable | None = None  # of a movie in steps

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Frames in a chunk, then height, width, ... of the movie."""
        return (self.frames_per_chunk, *self.shape[1:])

    @property
    def chunk_bytes(self) -> int:
        """Bytes of the codes of a chunk."""
        return math.prod(self.chunk_shape) * self.code_dtype.itemsize

    @property
    def chunks(self) -> int:
        """How many chunks the movie has."""
        return -(-self.shape[0] // self.frames_per_chunk)

    @property
    def keys(self) -> list[str]:
        """The keys of the chunks in the store, in the order of time: ``"0.0.0"``, ``"1.0.0"``."""
        zeros = ".0" * (len(self.shape) - 1)
        return [f"{number}{zeros}" for number in range(self.chunks)]

    def encode_values(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the codes of frames of the movie, of any number, in their shape."""
        codes = np.empty(values.shape, self.code_dtype)
        self.put_codes(codes, values)
        return codes

    def put_codes(self, codes: NDArray[Any], values: NDArray[Any]) -> None:
        """Write the codes of frames of the movie, of any number, into an array of their shape.

        A value that does not fit, because the movie has changed since it was surveyed, is a
        `ValueError`.
        """
        if self.step is not None:
            codes[...] = stepped_codes(
                values, self.calibration, step=self.step, dtype=self.code_dtype
            )
            return
        with np.errstate(invalid="ignore"):  # numpy's own words for what is refused right here
            np.copyto(codes, values, casting="unsafe")
        if not _is_equal(codes, values):
            raise ValueError(
                f"movie does not fit into {self.code_dtype} any more: it has changed since it was "
                "first read. Let nothing write to it until that is over"
            )

    def encode_chunk(self, codes: NDArray[Any]) -> bytes:
        """Return the bytes of a chunk, all of its codes in C order, as they lie on the store."""
        stored: Any = codes
        for codec in filters_of(self.compression):
            stored = codec.encode(stored)
        compressor = self.compression.compressor
        return (
            np.asarray(stored).tobytes() if compressor is None else bytes(compressor.encode(stored))
        )


def plan_movie(
    movie: CameraMovie,
    policy: Policy,
    *,
    counts: bool = False,
    found: ValueRange | None = None,
    with_table: bool = True,
) -> StoragePlan:
    """Plan how to store a movie, whose own step goes before that of the policy.

    All values are read once, to find their range, unless dask computes them, and their dtype says
    enough; a sample is kept where a step is given. `counts` are photon counts, which cannot be
    negative; `found` is what `survey` found in the movie, if it was surveyed already. Nothing can
    be written without the decode table of a movie in steps; `with_table` says whether to fit it. An
    illegal value (see `survey`), or a frame that is larger than Blosc can take, is a `ValueError`.
    """
    compression = compression_of(policy)
    if movie.step is None and policy.step is not None:
        movie = replace(movie, step=policy.step)
    source = as_source(movie.values)
    if found is None and movie.step is None and source.is_computed:
        found = range_of(source.dtype)
    if found is None:
        if movie.step is not None:
            source.keep(frame for run in sampled_runs(source.shape) for frame in run)
        found = survey(source, counts=counts, over=in_threads)
    shape = source.shape
    dtype = code_dtype(movie, found)
    return StoragePlan(
        shape=shape,
        original_dtype=source.dtype,
        calibration=movie.calibration,
        step=movie.step,
        code_dtype=dtype,
        frames_per_chunk=frames_in_chunk(shape, dtype.itemsize, wanted=policy.frames_per_chunk),
        compression=compression,
        decode_table=decode_table(movie, found) if with_table else None,
    )


def filters_of(compression: Compression) -> list[Codec]:
    """Return the filters between the transform and the compressor: a layout, if any, a checksum."""
    layout = [] if compression.layout is None else [compression.layout]
    return [*layout, ChecksumFilter()]


def compression_of(policy: Policy) -> Compression:
    """Return the layout and the compressor of a policy; refuse a layout that numcodecs lacks."""
    if policy.compressor == "auto":
        return GROUPED
    layout = policy.layout
    try:
        codec = numcodecs.get_codec({"id": layout}) if isinstance(layout, str) else layout
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"layout is {layout!r}; numcodecs knows no such codec, or cannot make it without "
            "parameters. Install what brings it, or give the codec itself"
        ) from error
    return Compression(policy.compressor, codec)


def code_dtype(movie: CameraMovie, found: ValueRange) -> np.dtype[Any]:
    """Return the smallest dtype that holds the codes of a movie, of which `survey` found the range.

    Of integers wherever the values are whole numbers or a step is given; else the movie's own
    floating dtype, little-endian.
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
    """Fit what the codes of a movie stored in steps decode to; None if it is stored exactly."""
    if movie.step is None:
        return None
    return fit_table(
        movie.calibration, step=movie.step, whole=found.whole, sample=sample_frames(movie.values)
    )


def _is_equal(stored: NDArray[Any], values: NDArray[Any]) -> bool:
    """Return whether values, as another dtype, are what they were."""
    if stored.size and stored.dtype.kind in "iu" and values.dtype.kind in "iu":
        limits = np.iinfo(stored.dtype)  # ten times as fast as a comparison
        fits = values.dtype.kind == "u" or limits.min <= values.min()
        return bool(fits and values.max() <= limits.max)
    return np.array_equal(stored, values)
