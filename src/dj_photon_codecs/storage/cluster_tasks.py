"""What the workers of a dask cluster do with the frames of a movie; its client is `Cluster`.

A task gets a part of a chunk or its codes, and returns what is small, or stays on the workers. It
may run again, where a worker was lost: it gives the same, and writes the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.movies.sample import sampled_part
from dj_photon_codecs.movies.sources import Source, promised_part
from dj_photon_codecs.movies.survey import ValueRange, joint_range, survey
from dj_photon_codecs.photons.decode_table_fit import fit_table
from dj_photon_codecs.storage.movie_store import crc32c
from dj_photon_codecs.storage.writing import fill_chunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.photons.calibration import Calibration
    from dj_photon_codecs.photons.decode_table import DecodeTable
    from dj_photon_codecs.storage.files.worker_files import WorkerFiles
    from dj_photon_codecs.storage.plan import StoragePlan

__all__ = ["Promised", "Survey", "encode_frames", "join_surveys", "survey_frames", "write_chunk"]


@dataclass(frozen=True)
class Promised:
    """What the frames of a part of a movie are, as dask says."""

    first: int  # number of the first of them
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def source(self, part: Any, fingerprints: NDArray[np.uint32] | None = None) -> Source:
        """Return frames that dask has computed, to read them; refuse others than promised."""
        frames = promised_part(part, first=self.first, shape=self.shape, dtype=self.dtype)
        return Source(frames, first=self.first, fingerprints=fingerprints)


@dataclass(frozen=True)
class Survey:
    """What a first pass finds in a movie, or in a part of it."""

    found: ValueRange
    fingerprints: NDArray[np.uint32]  # of each frame
    sample: NDArray[Any] | None = None  # of a part, where a decode table is to be fitted
    decode_table: DecodeTable | None = None  # of the movie


def survey_frames(
    part: Any, *, promised: Promised, counts: bool, sampled: tuple[int, ...] | None
) -> Survey:
    """Find the range of some frames, and refuse illegal values; `sampled` is a movie's shape."""
    source = promised.source(part)
    found = survey(source, counts=counts)
    sample = (
        None
        if sampled is None
        else sampled_part(source[: len(source.fingerprints)], source.first, shape=sampled)
    )
    return Survey(found, source.fingerprints, sample)


def join_surveys(parts: list[Survey], *, calibration: Calibration, step: float | None) -> Survey:
    """Join what was found in all parts of a movie; with a step, fit its decode table."""
    found = joint_range([part.found for part in parts])
    fingerprints = np.concatenate([part.fingerprints for part in parts])
    if step is None:
        return Survey(found, fingerprints)
    sample = np.concatenate([part.sample for part in parts if part.sample is not None])
    table = fit_table(calibration, step=step, whole=found.whole, sample=sample)
    return Survey(found, fingerprints, decode_table=table)


def encode_frames(
    part: Any,
    *,
    promised: Promised,
    plan: StoragePlan,
    fingerprints: NDArray[np.uint32] | None,
) -> NDArray[Any]:
    """Return the codes of some frames; refuse those that are not what they were."""
    source = promised.source(part, fingerprints)
    slabs = source.slabs(0, source.shape[0])
    return np.concatenate([plan.encode_values(slab) for _, slab in slabs])


def write_chunk(
    parts: list[NDArray[Any]], *, plan: StoragePlan, files: WorkerFiles, key: str
) -> tuple[int, str]:
    """Encode the codes of a chunk and write it; return its bytes and its checksum."""
    stored = plan.encode_chunk(fill_chunk(plan, parts))
    files.write(key, stored)
    return len(stored), crc32c(stored)
