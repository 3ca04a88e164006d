"""Comparing a stored movie with what was inserted: exactly, or within half a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.arrays.photon_array import PhotonArray
from dj_photon_codecs.movies.camera_movie import CameraMovie, as_camera_movie
from dj_photon_codecs.movies.sources import Source
from dj_photon_codecs.photons.transform import generalized_anscombe

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["ComparisonError", "compare_movies"]

ROUNDING = 1e-9  # relative, of transformed values


class ComparisonError(ValueError):
    """A stored movie is not the one that was inserted."""


def compare_movies(inserted: Any, stored: PhotonArray, *, step: float | None) -> None:
    """Read both movies, and refuse a stored one that is not what was inserted.

    Exact movies must be equal, dtype included; those in steps must lie within half a step of the
    transformed values. `step` is that of the column's type. It is a `ComparisonError` otherwise,
    and whatever reading raises.
    """
    copied = None
    if isinstance(inserted, PhotonArray):
        copied, movie = inserted.step, CameraMovie(inserted.raw, inserted.calibration)
    else:
        movie, *_ = as_camera_movie(inserted)
    step = movie.step if movie.step is not None else (copied if copied is not None else step)
    source = Source(movie.values)
    _agree("shape", tuple(stored.shape), source.shape)
    _agree("step", stored.step, step)
    _agree("calibration", stored.calibration, movie.calibration)
    if step is None or copied is not None:
        _agree("dtype", stored.raw.dtype, source.dtype)
        _compare(source, stored.raw, np.equal)
        return
    camera, bound = movie.calibration, step / 2

    def near(values: NDArray[Any], found: NDArray[Any]) -> NDArray[np.bool_]:
        wanted = generalized_anscombe(values, camera.gain, camera.offset, camera.variance)
        near: NDArray[np.bool_] = abs(found - wanted) <= bound + ROUNDING * (1 + abs(wanted))
        return near

    _compare(source, stored, near)


def _agree(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise ComparisonError(
            f"the stored movie has {what} {found}, and what was to be inserted {expected}"
        )


def _compare(source: Source, stored: Any, same: Callable[..., NDArray[np.bool_]]) -> None:
    for first, values in source.slabs(0, source.shape[0]):
        found = stored[first : first + len(values)]
        equal = same(values, found)
        if not equal.all():
            place = tuple(np.argwhere(~equal)[0].tolist())
            raise ComparisonError(
                f"the stored movie differs from what was inserted at frame {first + place[0]}, "
                f"pixel {place[1:]}: {values[place]} was inserted, {found[place]} is stored"
            )
