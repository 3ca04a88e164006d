"""The functions of the kernel in NumPy: slower, the same bytes, and what they are described by."""

# ruff: noqa: F403, F405 - the parts say what they have
from dj_photon_codecs.layouts.kernels.reference_adaptive import *
from dj_photon_codecs.layouts.kernels.reference_dense import *
from dj_photon_codecs.layouts.kernels.reference_grouped import *
from dj_photon_codecs.layouts.kernels.reference_joining import *
from dj_photon_codecs.layouts.kernels.reference_lookup import *
from dj_photon_codecs.layouts.kernels.reference_maps import *
from dj_photon_codecs.layouts.kernels.reference_noise import *
from dj_photon_codecs.layouts.kernels.reference_opening import *
from dj_photon_codecs.layouts.kernels.reference_rans import *
from dj_photon_codecs.layouts.kernels.reference_static import *

__all__ = [
    "count_map",
    "count_symbols",
    "decode_dense",
    "decode_map",
    "decode_predicted",
    "decode_streams",
    "decoding_slots",
    "encode_map",
    "encode_streams",
    "fill_cells",
    "fit_tables",
    "join_tables",
    "look_up",
    "measure_noise",
    "open_streams",
    "sum_pixels",
    "unpack_frames",
]
