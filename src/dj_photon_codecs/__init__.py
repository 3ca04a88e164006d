"""Photon-limited movies in DataJoint: ``movie : <photon@store>`` in a table definition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dj_photon_codecs.array import PhotonArray
from dj_photon_codecs.calibration import Calibration, calibrate
from dj_photon_codecs.movies import CameraMovie
from dj_photon_codecs.reporting import report
from dj_photon_codecs.transform import generalized_anscombe, generalized_inverse_anscombe

if TYPE_CHECKING:
    from dj_photon_codecs.codecs import PhotonCodec, PhotonDenseCodec

__all__ = [
    "Calibration",
    "CameraMovie",
    "PhotonArray",
    "PhotonCodec",
    "PhotonDenseCodec",
    "calibrate",
    "generalized_anscombe",
    "generalized_inverse_anscombe",
    "report",
]


def __getattr__(name: str) -> Any:
    # PEP 562: whoever only reads an array does not import DataJoint
    if name in ("PhotonCodec", "PhotonDenseCodec"):
        from dj_photon_codecs import codecs  # noqa: PLC0415

        return getattr(codecs, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
