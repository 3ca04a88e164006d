"""What a stored movie says of itself: its shape first, so that no table cuts it off."""

from __future__ import annotations

import math

import numpy as np

from dj_photon_codecs.photons.calibration import measured
from dj_photon_codecs.storage.documents.description import Documents, calibration_of, step_of

__all__ = ["described"]


def described(documents: Documents) -> dict[str, str]:
    """Return by their names the gain, the way and the size in which a movie is stored.

    The size is that of a movie which knows it, by its ``stored_bytes``.
    """
    calibration, step = calibration_of(documents), step_of(documents)
    return {
        "gain": measured(calibration.gain, calibration.gain_stderr),
        "stored": "lossless" if step is None else f"in steps of {step:g} sigma",
        **_size(documents),
    }


def _size(documents: Documents) -> dict[str, str]:
    zattrs = documents["zattrs"]
    if "stored_bytes" not in zattrs or "original_dtype" not in zattrs:
        return {}
    original = np.dtype(zattrs["original_dtype"])
    each = zattrs["stored_bytes"] / math.prod(documents["zarray"]["shape"])
    return {
        "bits per pixel": f"{8 * each:.2f}",
        f"of its size as {original.name}": f"{each / original.itemsize:.1%}",
    }
