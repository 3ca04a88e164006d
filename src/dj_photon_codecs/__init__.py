"""Photon-limited movies in DataJoint: ``movie : <photon@store>`` in a table definition."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dj_photon_codecs.arrays.chunk_cache import set_cache
    from dj_photon_codecs.arrays.export import export
    from dj_photon_codecs.arrays.opening import open_stored
    from dj_photon_codecs.arrays.photon_array import PhotonArray
    from dj_photon_codecs.calibration import calibrate
    from dj_photon_codecs.codecs import PhotonCodec, PhotonDenseCodec
    from dj_photon_codecs.layouts.kernels.backend import kernel_in_use
    from dj_photon_codecs.layouts.threads import set_threads
    from dj_photon_codecs.movies.camera_movie import CameraMovie
    from dj_photon_codecs.movies.progress import Progress, set_progress
    from dj_photon_codecs.movies.read_movie import read_movie
    from dj_photon_codecs.photons.calibration import Calibration
    from dj_photon_codecs.photons.inverses import generalized_inverse_anscombe
    from dj_photon_codecs.photons.transform import generalized_anscombe
    from dj_photon_codecs.storage.movie_store import ChunkError
    from dj_photon_codecs.tables.collect import Garbage, collect
    from dj_photon_codecs.tables.migration import Migration, migrate
    from dj_photon_codecs.tables.report import report
    from dj_photon_codecs.tables.table_report import TableReport
    from dj_photon_codecs.tables.verification import Verification, verify
    from dj_photon_codecs.views.report import Report

    __version__: str

__all__ = [
    "Calibration",
    "CameraMovie",
    "ChunkError",
    "Garbage",
    "Migration",
    "PhotonArray",
    "PhotonCodec",
    "PhotonDenseCodec",
    "Progress",
    "Report",
    "TableReport",
    "Verification",
    "__version__",
    "calibrate",
    "collect",
    "export",
    "generalized_anscombe",
    "generalized_inverse_anscombe",
    "kernel_in_use",
    "migrate",
    "open_stored",
    "read_movie",
    "report",
    "set_cache",
    "set_progress",
    "set_threads",
    "verify",
]

# PEP 562: DataJoint's door, codecs.py, lies behind this module, and must open even where a library
# of ours is broken; and who only reads an array imports neither DataJoint nor the calibration.
ROOMS = {
    "Calibration": "photons.calibration",
    "CameraMovie": "movies.camera_movie",
    "ChunkError": "storage.movie_store",
    "Garbage": "tables.collect",
    "Migration": "tables.migration",
    "PhotonArray": "arrays.photon_array",
    "PhotonCodec": "codecs",
    "PhotonDenseCodec": "codecs",
    "Progress": "movies.progress",
    "Report": "views.report",
    "TableReport": "tables.table_report",
    "Verification": "tables.verification",
    "calibrate": "calibration",
    "collect": "tables.collect",
    "export": "arrays.export",
    "generalized_anscombe": "photons.transform",
    "generalized_inverse_anscombe": "photons.inverses",
    "kernel_in_use": "layouts.kernels.backend",
    "migrate": "tables.migration",
    "open_stored": "arrays.opening",
    "read_movie": "movies.read_movie",
    "report": "tables.report",
    "set_cache": "arrays.chunk_cache",
    "set_progress": "movies.progress",
    "set_threads": "layouts.threads",
    "verify": "tables.verification",
}


if not TYPE_CHECKING:  # a type checker shall refuse other names

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415

            return version("dj-photon-codecs")
        if name in ROOMS:
            return getattr(import_module(f"{__name__}.{ROOMS[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
