"""What befalls files of stored movies, and file systems."""

from tests.movies_at_hand import local_files, photon_counts, store_movie


class DiskFullError(OSError):
    """What a test's file system raises."""


def failing_at(number, error):
    def at_write(write):
        if write.number == number:
            raise error

    return at_write


def remove(path):
    path.unlink()


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path, *, bit=1234):
    stored = bytearray(path.read_bytes())
    stored[bit // 8 % len(stored)] ^= 1 << bit % 8
    path.write_bytes(stored)


def empty(path):
    path.write_bytes(b"")


def swap(path):
    other = path.with_name("0.0.0")
    first, second = path.read_bytes(), other.read_bytes()
    path.write_bytes(second)
    other.write_bytes(first)


def exchange(path):
    values = photon_counts(seed=9)
    store_movie(values, local_files(), path.parents[1] / "exchanged.zarr")
    (path.parents[1] / "exchanged.zarr" / path.name).replace(path)


DAMAGES = {
    "missing": (remove, "is missing"),
    "bit flipped": (flip, "is damaged"),
    "truncated": (truncate, "is damaged"),
    "empty": (empty, "is damaged"),
    "swapped": (swap, "is damaged"),
    "exchanged": (exchange, "is damaged"),
}
