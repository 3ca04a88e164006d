"""The functions of the kernel in NumPy: slower, the same bytes, and what they are described by."""

from __future__ import annotations

from dj_photon_codecs.layouts.kernels.reference_dense import decode_dense
from dj_photon_codecs.layouts.kernels.reference_grouped import unpack_frames
from dj_photon_codecs.layouts.kernels.reference_joining import join_tables

__all__ = ["decode_dense", "join_tables", "unpack_frames"]
