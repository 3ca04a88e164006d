"""The codecs of numcodecs that a stored movie goes through besides a layout, one a file."""
