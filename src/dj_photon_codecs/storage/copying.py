"""Copying a stored movie into a column of the same or another type."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.movies.progress import Task
from dj_photon_codecs.movies.sources import Source
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage.chunking import frames_in_chunk
from dj_photon_codecs.storage.documents.description import (
    Documents,
    calibration_of,
    describe_recompressed,
    is_compressed_by,
    step_of,
)
from dj_photon_codecs.storage.documents.views import linear_view, split_transform
from dj_photon_codecs.storage.files.movie_folder import MovieFolder
from dj_photon_codecs.storage.movie_store import MovieStore, zarr_array
from dj_photon_codecs.storage.plan import StoragePlan, compression_of, plan_movie
from dj_photon_codecs.storage.preview import read_preview
from dj_photon_codecs.storage.writing import (
    Limits,
    Picture,
    fill_chunk,
    frames_of_chunks,
    write_chunks,
    write_movie,
)

__all__ = ["check_copy", "copy_movie", "exact_movie"]


def copy_movie(source: MovieStore, policy: Policy, *, folder: MovieFolder) -> Documents:
    """Copy a stored movie to a folder, whole or not at all.

    The copy has the same codes and calibration, in the chunks and with the compression that the
    policy asks for. Where these are those of the source, its chunks are copied undecoded, each
    checked on the way; so are those of a movie that another program stored as plain transformed
    values. If the policy has a step, a movie that was stored exactly is quantised, from its exact
    values. Its picture comes along, if the policy wants one. A chunk of the source that is missing
    or damaged is a `ChunkError`.
    """
    check_copy(source, policy)
    if policy.step is not None and (movie := exact_movie(source)) is not None:
        quantised = plan_movie(movie, policy)
        return write_movie(movie, quantised, folder=folder, preview=policy.preview)
    plan = _plan_copy(source, policy)
    preview = partial(read_preview, source.files) if policy.preview else None
    if plan is None:
        return _copy_chunks(source, folder=folder, preview=preview)
    return _recode(source, plan, folder=folder, preview=preview)


def check_copy(source: MovieStore, policy: Policy) -> None:
    """Refuse a movie that was stored in other steps than those of a policy."""
    step = step_of(source.documents)
    if step is not None and policy.step is not None and step != policy.step:
        raise ValueError(
            f"movie was stored in steps of {step:g}, and its new column has steps of "
            f"{policy.step:g}, so that it would be rounded twice. If that is what you want, insert "
            f"CameraMovie(movie.raw, movie.calibration, step={policy.step:g}); a column type "
            "without a step takes the movie as it is"
        )


def exact_movie(source: MovieStore) -> CameraMovie | None:
    """Return the values of a movie as they were inserted; None if it was not stored exactly."""
    described = linear_view(source.documents, "ADU")
    if described is None or step_of(source.documents) is not None:
        return None
    values = Source(zarr_array(source.with_documents(described)))
    return CameraMovie(values, calibration_of(source.documents))


def _plan_copy(source: MovieStore, policy: Policy) -> StoragePlan | None:
    """Plan how to store the codes of a movie; None if they can be copied as they are."""
    transform, described = split_transform(source.documents)
    if transform is None:
        return None
    array = zarr_array(source.with_documents(described))
    frames = frames_in_chunk(array.shape, array.dtype.itemsize, wanted=policy.frames_per_chunk)
    compression = compression_of(policy)
    compressed = is_compressed_by(source.documents, compression)
    if compressed and array.chunks == (frames, *array.shape[1:]):
        return None
    return StoragePlan(
        shape=array.shape,
        original_dtype=array.dtype,
        calibration=calibration_of(source.documents),
        step=step_of(source.documents),
        code_dtype=array.dtype,
        frames_per_chunk=frames,
        compression=compression,
    )


def _copy_chunks(source: MovieStore, *, folder: MovieFolder, preview: Picture) -> Documents:
    keys = list(source.chunks)
    array = zarr_array(source)
    return write_chunks(
        keys,
        range(len(keys)),
        encode=lambda number: source.read_chunk(number).tobytes(),
        documents=lambda *_: source.documents,
        folder=folder,
        limits=Limits.of_copies(int(np.prod(array.chunks)) * array.dtype.itemsize),
        task=Task("insert", array.shape, itemsize=_original_itemsize(source)),
        preview=preview,
    )


def _recode(
    source: MovieStore, plan: StoragePlan, *, folder: MovieFolder, preview: Picture
) -> Documents:
    _, described = split_transform(source.documents)
    codes: zarr.Array[Any] = zarr_array(source.with_documents(described))

    def encode(frames: Iterable[NDArray[Any]]) -> bytes:
        return plan.encode_chunk(fill_chunk(plan, frames))

    def documents(checksums: list[str], stored_bytes: int) -> Documents:
        return describe_recompressed(
            source.documents, plan, checksums=checksums, stored_bytes=stored_bytes
        )

    return write_chunks(
        plan.keys,
        frames_of_chunks(codes, plan.frames_per_chunk),
        encode=encode,
        documents=documents,
        folder=folder,
        limits=Limits.of(plan, codes),
        task=Task("insert", plan.shape, itemsize=_original_itemsize(source)),
        preview=preview,
    )


def _original_itemsize(source: MovieStore) -> int:
    return np.dtype(source.documents["zattrs"].get("original_dtype", "f8")).itemsize
