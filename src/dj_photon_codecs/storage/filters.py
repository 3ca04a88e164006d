"""The names of the filters before each had a module of its own."""

from dj_photon_codecs.storage.anscombe_filter import AnscombeFilter
from dj_photon_codecs.storage.linear_filter import LinearFilter

__all__ = ["AnscombeFilter", "LinearFilter"]
