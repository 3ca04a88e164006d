"""The Anscombe transform by its own name: ``from anscombe import generalized_inverse_anscombe``."""

from dj_photon_codecs.photons.inverses import generalized_inverse_anscombe, inverse_anscombe
from dj_photon_codecs.photons.transform import anscombe, generalized_anscombe

__all__ = ["anscombe", "generalized_anscombe", "generalized_inverse_anscombe", "inverse_anscombe"]
