"""What a movie would cost, stored exactly or in steps of its noise, before it is inserted."""

from __future__ import annotations

import html
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.arrays.photon_array import PhotonArray
from dj_photon_codecs.movies.camera_movie import CameraMovie, as_camera_movie
from dj_photon_codecs.movies.sample import sampled_runs
from dj_photon_codecs.movies.sources import Source
from dj_photon_codecs.movies.survey import survey
from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.photons.transform import generalized_anscombe
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage.plan import StoragePlan, plan_movie

__all__ = ["Cost", "Report", "Way", "movie_costs", "policy_of", "report_movie", "standard_error"]

Way = tuple[Policy, float | Literal["own"] | None]  # "own": as an insert chooses the step

SAMPLED = 3  # chunks at most that are encoded, spread over the movie
HEADINGS = ("stored", "bits per pixel", "MB", "of the raw size", "error, sigma", "noise added")


@dataclass(frozen=True)
class Cost:
    """What a movie costs, stored in one way."""

    step: float | None  # in standard deviations of the noise; None for exact storage
    bits_per_pixel: float  # on the store
    megabytes: float  # of the whole movie on the store, 1e6 bytes
    ratio: float  # that size as a share of the raw movie's
    error: float  # rms of stored minus inserted values, transformed, in standard deviations
    uncertainty: float = 0.0  # standard error of megabytes, of chunks that were not encoded

    @property
    def noise_added(self) -> float:
        """By which share the noise's standard deviation grows."""
        return math.sqrt(1 + self.error**2) - 1

    def cells(self) -> tuple[str, ...]:
        """Return the cost in words, under `HEADINGS`."""
        exact = self.step is None
        return (
            "exactly" if exact else f"step {self.step:g}",
            f"{self.bits_per_pixel:.2f}",
            f"{self.megabytes:,.1f}" if self.megabytes >= 1 else f"{self.megabytes:.2g}",
            f"{self.ratio:.1%}",
            "0" if exact else f"{self.error:.3f}",
            "none" if exact else f"{self.noise_added:.2%}",
        )


@dataclass(frozen=True)
class Report:
    """Costs of a movie, a row each; a table in the terminal and in a notebook."""

    costs: tuple[Cost, ...]
    movie: str = ""  # what it is a report on: shape, dtype and gain

    def __str__(self) -> str:
        rows = [HEADINGS, *(cost.cells() for cost in self.costs)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        ]
        return "\n".join([self.movie, *lines] if self.movie else lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in HEADINGS)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cost.cells()) + "</tr>"
            for cost in self.costs
        )
        caption = f"<caption>{html.escape(self.movie)}</caption>" if self.movie else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def report_movie(
    movie: Any, calibration: Calibration | None, *, steps: Sequence[float | None], codec: Any
) -> Report:
    """Return what a movie would cost; see `report`."""
    policy = policy_of(codec)
    movie, costs = movie_costs(movie, [(policy, step) for step in steps], calibration=calibration)
    shape, gain = tuple(movie.values.shape), movie.calibration.in_words()["gain"]
    return Report(costs, f"{shape} of {movie.values.dtype}, gain {gain}")


def movie_costs(
    movie: Any, ways: Sequence[Way], *, calibration: Calibration | None = None
) -> tuple[CameraMovie, tuple[Cost, ...]]:
    """Return a movie, and what it costs in several ways: a policy, and the step before its own.

    It raises what `report` does.
    """
    movie, counts = as_camera_movie(_exact_values(movie), calibration)
    source = _sampled(movie, max((policy.frames_per_chunk for policy, _ in ways), default=1))
    movie, found = replace(movie, values=source), survey(source, counts=counts)

    def plan(policy: Policy, step: float | Literal["own"] | None) -> StoragePlan:
        if step == "own":
            return plan_movie(movie, policy, found=found, with_table=False)
        chosen, policy = replace(movie, step=step), replace(policy, step=None)
        return plan_movie(chosen, policy, found=found, with_table=False)

    return movie, tuple(_cost(movie, plan(*way)) for way in ways)


def _exact_values(movie: Any) -> Any:
    """Return the values of a stored movie as they were inserted, and any other movie as it is."""
    if not isinstance(movie, PhotonArray):
        return movie
    if movie.step is not None:
        raise ValueError(
            f"movie was stored in steps of {movie.step:g} already; report on the values that "
            "were inserted"
        )
    return CameraMovie(movie.raw, movie.calibration)


def policy_of(codec: Any) -> Policy:
    """Return the policy of a codec, given as a name, a class or an object."""
    if codec is None:
        return Policy()
    if isinstance(codec, str):
        import datajoint as dj  # noqa: PLC0415 - slow, and it warns without a configuration

        if (name := codec.strip("<>").partition("@")[0]) not in dj.list_codecs():
            raise ValueError(
                f"codec is {codec!r}; it must be one of photon, photon_dense, or the name of a "
                "type of your own, whose module is imported"
            )
        return Policy.of(dj.get_codec(name))
    return Policy.of(codec)


def _cost(movie: CameraMovie, plan: StoragePlan) -> Cost:
    size = pixels = squares = 0.0
    sampled = []  # bytes a pixel of each chunk
    for values in _sampled_chunks(movie, plan.frames_per_chunk):
        codes = np.ascontiguousarray(plan.encode_values(values))
        encoded = len(plan.encode_chunk(codes))
        sampled.append(encoded / codes.size)
        size += encoded
        pixels += codes.size
        squares += _squared_error(values, codes, plan)
    return Cost(
        step=plan.step,
        bits_per_pixel=8 * size / pixels,
        megabytes=size / pixels * math.prod(plan.shape) / 1e6,
        ratio=size / pixels / plan.original_dtype.itemsize,
        error=math.sqrt(squares / pixels),
        uncertainty=standard_error(sampled, of=plan.chunks) * math.prod(plan.shape) / 1e6,
    )


def standard_error(sampled: Sequence[float], *, of: int) -> float:
    """Return that of the mean of a sample of so many values; NaN if one cannot tell."""
    if len(sampled) >= of:
        return 0.0
    if len(sampled) < 2:
        return math.nan
    return statistics.stdev(sampled) * math.sqrt((1 - len(sampled) / of) / len(sampled))


def _sampled(movie: CameraMovie, frames: int) -> Source:
    """Return the values of a movie as a source that keeps the frames needed after its survey."""
    source = Source(movie.values)
    chunks = (range(n, n + frames) for n in _sampled_starts(source.shape[0], frames))
    sampled = {*chain.from_iterable(chunks), *chain.from_iterable(sampled_runs(source.shape))}
    source.keep(frame for frame in sampled if frame < source.shape[0])
    return source


def _sampled_starts(length: int, frames: int) -> range:
    starts = range(0, length, frames)
    return starts[:: -(-len(starts) // SAMPLED)]


def _sampled_chunks(movie: CameraMovie, frames: int) -> Iterator[NDArray[Any]]:
    for start in _sampled_starts(movie.values.shape[0], frames):
        yield np.asarray(movie.values[start : start + frames])


def _squared_error(values: NDArray[Any], codes: NDArray[Any], plan: StoragePlan) -> float:
    if plan.step is None:
        return 0.0
    camera = plan.calibration
    error = generalized_anscombe(values, camera.gain, camera.offset, camera.variance)
    error -= plan.step * codes
    return float(np.vdot(error, error))
