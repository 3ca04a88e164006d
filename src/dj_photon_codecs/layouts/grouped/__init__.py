"""The layout `photon.grouped`: pixels of like noise together, so that a compressor gains by it."""
