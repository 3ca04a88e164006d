"""The layout `photon.dense`: each code in as many bits as it is surprising, for archives."""
