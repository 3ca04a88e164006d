"""What fetch returns: a lazy, read-only array of transformed values, and the views behind it."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from dj_photon_codecs.calibration import Calibration
from dj_photon_codecs.documents import (
    Documents,
    check_documents,
    linear_view,
)
from dj_photon_codecs.frames import FrameReader, zarr_array
from dj_photon_codecs.storage import MovieStore, open_store

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["PhotonArray", "open_movie"]


class PhotonArray(zarr.Array):  # type: ignore[type-arg]
    """A stored movie: a read-only `zarr.Array` of Anscombe-transformed float64.

    Shape (frames, height, width, ...), in chunks of up to 100 frames. Its noise has a standard
    deviation of one everywhere. It reads nothing until it is indexed, and then reads and checks
    whole chunks.

    Beyond what `zarr.Array` offers it has a length, and yields frames in a loop or one by one
    without decoding a chunk twice: ``for frame in movie`` works through ``movie[0]``,
    ``movie[1]``, ..., and the codes of the chunk that was read last are kept.

    Attributes
    ----------
    raw : zarr.Array
        The values as they were inserted.
    photons : zarr.Array
        The same in photons.
    calibration : Calibration
        Gain, offset and read noise, with which to undo the transform.
    step : float or None
        The quantisation step in units of the noise's standard deviation; None if nothing was
        lost.

    Notes
    -----
    There is no ``__iter__`` on purpose. Libraries take whatever has one for a list (pandas), or
    read all of it to compare it (DeepHash, in DataJoint's three-part ``make``), while a ``for``
    loop needs none.
    """

    # In a slot, not in __dict__, so that a movie's state is the same whether it was read or not.
    __slots__ = ("_reader",)

    def __init__(self, async_array: Any) -> None:
        super().__init__(async_array)
        self._reader: FrameReader | None = None

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, selection: Any) -> Any:
        """Return transformed values, float64, for whatever selection `zarr.Array` takes.

        A frame, given as an integer, and parts of frames or of chunks are transformed from codes
        that were selected before; no chunk is built in float64 for them.
        """
        if isinstance(selection, int | np.integer) and not isinstance(selection, bool):
            return self._read_frame(operator.index(selection))
        frames = self._whole_frames(selection)
        if frames is not None:
            return self._frames.frames(frames.start, frames.stop)
        if self._is_part(selection):
            return self._frames.select(selection)
        return super().__getitem__(selection)

    def __setitem__(self, selection: Any, value: Any) -> None:
        """Refuse, as everything else that would change a stored movie does.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(
            "a stored movie is read-only; insert the changed movie as a row of its own"
        )

    @property
    def raw(self) -> zarr.Array[Any]:
        """The values as they were inserted, in the dtype in which they were.

        They are exact. If a step was chosen they are unbiased instead, and float32.
        """
        return self._view(linear_view(self._documents, "ADU"))

    @property
    def photons(self) -> zarr.Array[Any]:
        """The movie in photons, float32: ``(raw - offset) / gain``.

        If a step was chosen they come from the table that was stored with the movie, and are
        unbiased: their mean over frames is the mean of what was inserted.
        """
        return self._view(linear_view(self._documents, "photon"))

    @property
    def calibration(self) -> Calibration:
        """Gain (ADU per photon), offset (ADU) and variance of the read noise (ADU squared)."""
        attributes = self._documents["zattrs"]
        names = ("gain", "offset", "variance")
        known = {name: attributes.get(f"anscombe_{name}") for name in names}
        # an array that another program wrote as plain values may lack them: those of counts
        return Calibration(**{name: each for name, each in known.items() if each is not None})

    @property
    def step(self) -> float | None:
        """The quantisation step, in standard deviations of the noise; None if stored exactly."""
        step: float | None = self._documents["zattrs"].get("quantization_step")
        return step

    def verify(self) -> list[str]:
        """Read every chunk, without decoding it, and name those that are missing or damaged.

        Returns
        -------
        list of str
            Keys of chunks, such as ``"3.0.0"`` for frames 300 to 399; empty if all is well.
        """
        return self.movie_store.damaged_chunks()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PhotonArray) and self.store_path == other.store_path

    def __hash__(self) -> int:
        return hash(str(self.store_path))

    def __reduce__(self) -> tuple[Any, ...]:
        # a pickle carries neither codes nor views
        return type(self), (self.async_array,)

    def __repr__(self) -> str:
        kept = "lossless" if self.step is None else f"in steps of {self.step:g} sigma"
        return (
            f"<PhotonArray {self.store_path} shape={self.shape} dtype={self.dtype} "
            f"gain={self.calibration.gain:g} {kept}>"
        )

    @property
    def movie_store(self) -> MovieStore:
        """The store that the movie is read through: its documents, over its chunks."""
        store = self.store_path.store
        if not isinstance(store, MovieStore):
            raise TypeError(f"a PhotonArray lies on a MovieStore, not on {store!r}; use open_movie")
        return store

    @property
    def _documents(self) -> Documents:
        return self.movie_store.documents

    def _view(self, documents: Documents | None) -> zarr.Array[Any]:
        if documents is None:
            raise ValueError(
                "this movie was stored as plain transformed values, without their codes; use "
                "generalized_inverse_anscombe(movie[:], **parameters), with the parameters in "
                "movie.calibration"
            )
        return zarr_array(self.movie_store.with_documents(documents))

    @property
    def _frames(self) -> FrameReader:
        if self._reader is None:
            self._reader = FrameReader(self.movie_store)
        return self._reader

    def _read_frame(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"frame {index} of a movie of {len(self)} frames")
        return self._frames.frame(index % len(self))

    def _whole_frames(self, selection: Any) -> range | None:
        """Return the frames of a selection that takes consecutive ones, and all of each."""
        parts = selection if isinstance(selection, tuple) else (selection,)
        if len(parts) == 1 and parts[0] is Ellipsis:
            parts = (slice(None),)
        if not 0 < len(parts) <= self.ndim or not isinstance(parts[0], slice):
            return None
        others = [part for part in parts[1:] if not _is_all(part)]
        if len(others) > 1 or not all(part is Ellipsis for part in others):
            return None
        frames = range(*parts[0].indices(len(self)))
        return frames if frames.step == 1 and frames else None

    def _is_part(self, selection: Any) -> bool:
        """Return whether a basic selection takes parts of frames, or less than a chunk of them."""
        parts = selection if isinstance(selection, tuple) else (selection,)
        if not parts or not all(_is_basic(part) for part in parts):
            return False
        if any(part not in (slice(None), Ellipsis) for part in parts[1:]):
            return True
        return parts[0] is not Ellipsis and _length(parts[0], len(self)) < self.chunks[0]


def open_movie(fs: AbstractFileSystem, path: str, documents: Documents) -> PhotonArray:
    """Open a stored movie without a request to the store.

    Parameters
    ----------
    fs : fsspec.AbstractFileSystem
        Where the movie lies.
    path : str
        Its directory, as `fs` names it.
    documents : Documents
        Its ``.zarray`` and ``.zattrs``, as `write_movie` returned them.

    Returns
    -------
    PhotonArray
        Lazy and read-only.

    Raises
    ------
    ValueError
        If the documents are of a format version that this library does not read, or damaged.
    """
    check_documents(documents)
    return PhotonArray(zarr_array(MovieStore(open_store(fs, path), documents)).async_array)


def _is_all(part: Any) -> bool:
    return isinstance(part, slice) and part == slice(None)


def _is_basic(part: Any) -> bool:
    basic = isinstance(part, slice | int | np.integer) or part is Ellipsis
    return basic and not isinstance(part, bool)


def _length(part: slice | int, frames: int) -> int:
    return len(range(*part.indices(frames))) if isinstance(part, slice) else 1
