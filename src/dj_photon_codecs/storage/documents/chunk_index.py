"""The chunks of a movie by number: their keys on the store and the checksums of their bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator

from dj_photon_codecs.storage.documents.description import Documents

__all__ = ["DIGITS", "ChunkIndex"]

DIGITS = 8  # hexadecimal digits of a CRC-32C


class ChunkIndex:
    """The chunks that checked documents of a movie describe; each is found without listing others.

    Examples
    --------
    >>> index = ChunkIndex({
    ...     "zarray": {"shape": [250, 6, 7], "chunks": [100, 6, 7]},
    ...     "zattrs": {"crc32c": "0000000a0000000b0000000c"},
    ... })
    >>> list(index), index.number("2.0.0"), index.checksum(2)
    (['0.0.0', '1.0.0', '2.0.0'], 2, '0000000c')
    """

    def __init__(self, documents: Documents) -> None:
        zarray = documents["zarray"]
        sides = zip(zarray["shape"], zarray["chunks"], strict=True)
        self._grid = [math.ceil(length / chunk) for length, chunk in sides]
        self._separator = zarray.get("dimension_separator", ".")
        self._digits = documents["zattrs"].get("crc32c", "")

    def __len__(self) -> int:
        return math.prod(self._grid)

    def __iter__(self) -> Iterator[str]:
        return map(self.key, range(len(self)))

    def key(self, number: int) -> str:
        """Return the key of a chunk; they are numbered along the last axis first."""
        place: list[int] = []
        for length in reversed(self._grid):
            number, index = divmod(number, length)
            place.insert(0, index)
        return self._separator.join(map(str, place))

    def number(self, key: str) -> int | None:
        """Return the number of the chunk with a key, or None if the movie has no such chunk."""
        place = key.split(self._separator)
        if len(place) != len(self._grid) or not all(map(str.isdecimal, place)):
            return None
        number = 0
        for text, length in zip(place, self._grid, strict=True):
            if int(text) >= length:
                return None
            number = number * length + int(text)
        return number if self.key(number) == key else None

    def checksum(self, number: int) -> str:
        """Return the CRC-32C of a chunk, or an empty string if the movie has no checksums."""
        return str(self._digits[DIGITS * number : DIGITS * (number + 1)])
