"""A file of pieces of bytes, one after the other, with their lengths at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

NUMBER = np.dtype("<u8")


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """Write pieces as they come."""
    with path.open("wb") as file:
        lengths = [file.write(piece) for piece in pieces]
        file.write(np.array([*lengths, len(lengths)], NUMBER).tobytes())


def read_pieces(path: Path) -> Iterator[memoryview]:
    """Yield the pieces of a file."""
    stored = memoryview(path.read_bytes())
    count = int(np.frombuffer(stored[-NUMBER.itemsize :], NUMBER)[0])
    lengths = np.frombuffer(stored[-(count + 1) * NUMBER.itemsize :], NUMBER)[:-1]
    ends = np.cumsum(lengths)
    for end, length in zip(ends.tolist(), lengths.tolist(), strict=True):
        yield stored[end - length : end]
