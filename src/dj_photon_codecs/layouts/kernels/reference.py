"""The functions of the kernel in NumPy: slower, the same bytes, and what they are described by."""

# ruff: noqa: F403 - the parts say what they have in __all__
from dj_photon_codecs.layouts.kernels.reference_dense import *
from dj_photon_codecs.layouts.kernels.reference_grouped import *
from dj_photon_codecs.layouts.kernels.reference_joining import *
from dj_photon_codecs.layouts.kernels.reference_static import *
