"""The profile for archives of this library."""

from __future__ import annotations

from dj_photon_codecs.layouts.choice import Compression
from dj_photon_codecs.layouts.dense.layout import DenseLayout
from ways.photon_movies import photon_way

WAYS = [photon_way("<photon_dense@>", Compression(None, DenseLayout()))]
