"""The files of a stored movie on a file system of fsspec: read, and written whole or not at all."""
