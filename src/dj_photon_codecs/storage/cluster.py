"""`Cluster`: the workers of dask that compute a movie, and write it to its store themselves.

Where a client of `distributed` computes dask's arrays, tasks on its workers read, encode and write
the chunks. What comes back to the client are the range of the values, a fingerprint of each frame
and the checksum of each chunk. The client writes the documents. `distributed` is not imported here,
unless it is already in use.
"""

from __future__ import annotations

import math
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from dj_photon_codecs.movies.kinds import is_a
from dj_photon_codecs.movies.progress import Task
from dj_photon_codecs.movies.survey import range_of
from dj_photon_codecs.storage.cluster_tasks import (
    Promised,
    Survey,
    encode_frames,
    join_surveys,
    survey_frames,
    write_chunk,
)
from dj_photon_codecs.storage.documents.description import Documents, describe
from dj_photon_codecs.storage.files.worker_files import WorkerFiles, stop_writing
from dj_photon_codecs.storage.plan import StoragePlan, plan_movie
from dj_photon_codecs.storage.writing import write_documents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from dj_photon_codecs.movies.camera_movie import CameraMovie
    from dj_photon_codecs.policy import Policy
    from dj_photon_codecs.storage.files.movie_folder import MovieFolder

__all__ = ["Cluster", "cluster_of"]

PART_BYTES = 1 << 26  # of values, which become codes in one task
VERSION = "dj_photon_codecs:__version__"


@contextmanager
def cluster_of(movie: CameraMovie) -> Iterator[Cluster | None]:
    """Yield the cluster that computes a movie; None if dask does not, or by threads.

    In a task on a worker, that worker does something else while the block is busy, and no cluster
    waits for itself. An asynchronous client is a `RuntimeError`.
    """
    values: Any = movie.values
    if is_a(values, "xarray", "DataArray"):
        values = values.data
    client = _client() if is_a(values, "dask", "Array") else None
    if client is None:
        yield None
        return
    from distributed import get_worker, worker_client  # noqa: PLC0415 - it is in use

    try:
        get_worker()
    except ValueError:  # no task
        yield Cluster(client, replace(movie, values=values))
    else:
        with worker_client() as own:
            yield Cluster(own, replace(movie, values=values))


def _client() -> Any:
    """Return the client that dask computes with, or None."""
    if "distributed" not in sys.modules:
        return None
    from dask.base import get_scheduler  # noqa: PLC0415 - slow, and an extra

    try:
        client: Any = getattr(get_scheduler(), "__self__", None)  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise RuntimeError(f"dask cannot compute the movie: {error}. {ASYNCHRONOUS}") from error
    if not is_a(client, "distributed", "Client"):
        return None
    if client.asynchronous:
        raise RuntimeError(f"the client of dask is asynchronous. {ASYNCHRONOUS}")
    return client


ASYNCHRONOUS = (
    "With an asynchronous client, insert in a thread of its own: "
    "await asyncio.to_thread(table.insert1, row)"
)


@dataclass(eq=False)
class Cluster:
    """The workers of a dask cluster, for the insert of one movie that they compute.

    Each block of the movie is computed once, where no range is to be found first; else twice.
    """

    client: Any  # distributed.Client
    movie: CameraMovie  # of a dask array
    _fingerprints: NDArray[np.uint32] | None = field(default=None, init=False)

    def plan(self, policy: Policy, *, counts: bool) -> StoragePlan:
        """Plan how to store the movie, as `plan_movie` does, and refuse what it refuses."""
        self._check_workers()
        movie = self.movie if self.movie.step else replace(self.movie, step=policy.step)
        found = range_of(movie.values.dtype) if movie.step is None else None
        if found is not None:
            return plan_movie(movie, policy, found=found)
        survey = self._survey(movie.step, frames=policy.frames_per_chunk, counts=counts)
        self._fingerprints = survey.fingerprints
        plan = plan_movie(movie, policy, found=survey.found, with_table=False)
        return replace(plan, decode_table=survey.decode_table)

    def write(self, plan: StoragePlan, *, folder: MovieFolder) -> Documents:
        """Let the workers write the chunks, and then write the documents; all, or nothing.

        A task that a worker leaves undone, because it died, is done by another. If anything fails,
        KeyboardInterrupt included, nothing is removed before no worker writes any more.
        """
        files = WorkerFiles(folder.fs, folder.path, folder.store, folder.durable)
        keys = plan.keys
        with folder.publish():
            folder.expect(keys)
            try:
                written = self._written(self._chunks(plan, files), plan)
            except BaseException as error:
                self._stop_writing(folder.path, error)
                raise
            sizes, checksums = zip(*written, strict=True)
            folder.receive(dict(zip(keys, sizes, strict=True)))
            described = describe(plan, checksums=list(checksums), stored_bytes=sum(sizes))
            write_documents(described, folder)
        return described

    def _written(self, tasks: list[Any], plan: StoragePlan) -> list[tuple[int, str]]:
        frames = plan.shape[0] / plan.chunks
        with Task("insert", plan.shape, itemsize=plan.original_dtype.itemsize) as progress:
            return self._computed(tasks, lambda told: progress.advance(frames, bytes_out=told[0]))

    def _survey(self, step: float | None, *, frames: int, counts: bool) -> Survey:
        shape = self.movie.values.shape
        task = partial(survey_frames, counts=counts, sampled=None if step is None else shape)
        surveys = [
            _task(task, part, promised=promised)
            for chunk in self._parts(frames)
            for promised, part in chunk
        ]
        join = partial(join_surveys, calibration=self.movie.calibration, step=step)
        (survey,) = self._computed([_task(join, surveys)])
        return survey

    def _chunks(self, plan: StoragePlan, files: WorkerFiles) -> list[Any]:
        """Return the tasks that write the chunks, in the order of time."""
        plan = replace(plan, decode_table=None)  # encoding needs none
        return [
            _task(
                write_chunk,
                [self._codes(promised, part, plan) for promised, part in chunk],
                plan=plan,
                files=files,
                key=key,
            )
            for key, chunk in zip(plan.keys, self._parts(plan.frames_per_chunk), strict=True)
        ]

    def _codes(self, promised: Promised, part: Any, plan: StoragePlan) -> Any:
        seen = self._fingerprints
        if seen is not None:
            seen = seen[promised.first : promised.first + promised.shape[0]]
        return _task(encode_frames, part, promised=promised, plan=plan, fingerprints=seen)

    def _parts(self, frames: int) -> list[list[tuple[Promised, Any]]]:
        """Return, for each chunk of so many frames, the parts that it is computed in."""
        values: Any = self.movie.values
        longest = max(1, PART_BYTES // (math.prod(values.shape[1:]) * values.dtype.itemsize))
        starts = range(0, values.shape[0], frames)
        ends = [*starts[1:], values.shape[0]]
        cuts = [[*range(start, end, longest), end] for start, end in zip(starts, ends, strict=True)]
        lengths = tuple(b - a for chunk in cuts for a, b in pairwise(chunk))
        along = dict.fromkeys(range(1, values.ndim), -1)
        blocks = iter(values.rechunk({0: lengths, **along}).to_delayed().ravel())
        return [
            [
                (Promised(a, (b - a, *values.shape[1:]), values.dtype), next(blocks))
                for a, b in pairwise(chunk)
            ]
            for chunk in cuts
        ]

    def _computed(self, tasks: list[Any], done: Callable[[Any], None] | None = None) -> list[Any]:
        """Return the results of tasks; call `done` with each as it comes."""
        futures = self.client.compute(tasks)
        try:
            if done is not None:
                _follow(futures, done)
            return self.client.gather(futures)
        except BaseException:
            self.client.cancel(futures)
            raise

    def _stop_writing(self, path: str, error: BaseException) -> None:
        """Return when no worker that can be reached is writing, or will write."""
        try:
            self.client.run(stop_writing, path, on_error="ignore")
        except (OSError, RuntimeError) as failure:
            error.add_note(
                f"The workers of dask could not be told to stop ({failure}), and may write on"
            )

    def _check_workers(self) -> None:
        """Refuse workers, or a scheduler, that could not run a task of this package."""
        found = self.client.run(resolve_name, VERSION, on_error="return")
        try:
            found["the scheduler"] = self.client.run_on_scheduler(resolve_name, VERSION)
        except ImportError as error:
            found["the scheduler"] = error
        here = resolve_name(VERSION)
        others = {
            where: told
            for where, told in found.items()
            if isinstance(told, ImportError) or (isinstance(told, str) and told != here)
        }
        if others:
            where, told = next(iter(others.items()))
            raise RuntimeError(  # an ImportError would say that something is broken here
                f"{len(others)} processes of the dask cluster cannot import this package, or have "
                f"another version of it ({where}: {told}). Install dj-photon-codecs {here} on the "
                "workers, and on the scheduler; or insert without the workers, in a block "
                "of dask.config.set(scheduler='threads')"
            )


def _follow(futures: list[Any], done: Callable[[Any], None]) -> None:
    """Call a function with each result as it comes, until one does not come."""
    from distributed import as_completed  # noqa: PLC0415 - it is in use

    for future in as_completed(futures):  # type: ignore[no-untyped-call]
        if future.status != "finished":
            return  # gathering says why, or waits for another worker
        done(future.result())


def _task(function: Any, argument: Any, **options: Any) -> Any:
    """Return a task that calls a function; dask looks for other tasks in the argument only."""
    from dask.delayed import delayed  # noqa: PLC0415 - slow, and an extra

    return delayed(partial(function, **options), pure=False, traverse=False)(argument)
