"""What an export writes: values, and what a file says of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.arrays.exports.interrupts import Interrupts
from dj_photon_codecs.movies.progress import advance
from dj_photon_codecs.storage.documents.description import plain_attributes
from dj_photon_codecs.storage.documents.views import split_transform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from dj_photon_codecs.arrays.frame_array import MovieView

__all__ = ["Exported"]

CHUNK = 1 << 22  # bytes of values of a chunk in formats that have chunks, at most, if not a frame
AXES = {"t": "time", "c": "channel", "z": "z", "y": "y", "x": "x"}


@dataclass(frozen=True)
class Exported:
    """A view of a stored movie that is copied to a file."""

    view: MovieView
    axes: str  # a letter each, such as "tyx"
    frame_rate: float | None  # per second
    session: Mapping[str, Any]  # what an NWB file says of the session
    interrupts: Interrupts = field(default_factory=Interrupts)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the movie: (frames, ..., height, width)."""
        return self.view.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the view, in this machine's byte order."""
        return self.view.dtype.newbyteorder("=")

    @property
    def code_dtype(self) -> np.dtype[Any]:
        """The smallest dtype that holds the values of a movie without a step, as it is stored."""
        _, codes = split_transform(self.view.movie_store.documents)
        return np.dtype(codes["zarray"]["dtype"])

    @property
    def axis_names(self) -> list[str]:
        """The names of the axes, as the insert of a file looks for them."""
        return [AXES[axis] for axis in self.axes]

    @property
    def attributes(self) -> dict[str, str | float]:
        """What the file must say, whichever way its format has."""
        store = self.view.movie_store
        return plain_attributes(store.documents) | {
            "source": str(store),
            "exported_by": f"dj-photon-codecs {version('dj-photon-codecs')}",
        }

    def slabs(self) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield all frames in order, and where they belong: as many at a time as a chunk holds."""
        length = self.view.chunks[0]
        for start in range(0, len(self.view), length):
            self.interrupts.check()
            values = self.view[start : start + length]
            yield slice(start, start + len(values)), values.astype(self.dtype, copy=False)
            advance(len(values))

    def frames(self) -> Iterator[NDArray[Any]]:
        """Yield one frame after the other."""
        for _, values in self.slabs():
            yield from values

    def chunk_length(self) -> int:
        """Return how many frames a chunk of the copy holds, so that none lies in two slabs."""
        length = self.view.chunks[0]
        most = CHUNK // (int(np.prod(self.shape[1:])) * self.dtype.itemsize)
        return max(n for n in range(1, length + 1) if length % n == 0 and n <= max(1, most))
