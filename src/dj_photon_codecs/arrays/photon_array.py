"""What fetch returns: a lazy, read-only array of transformed values, and the views behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dj_photon_codecs.arrays.frame_array import FrameArray, MovieView
from dj_photon_codecs.storage.documents.description import calibration_of, step_of
from dj_photon_codecs.storage.documents.views import linear_view
from dj_photon_codecs.storage.files.movie_files import MovieFiles
from dj_photon_codecs.storage.movie_store import MovieStore, zarr_array
from dj_photon_codecs.storage.verification import faulty_parts

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

    from dj_photon_codecs.photons.calibration import Calibration
    from dj_photon_codecs.storage.documents.description import Documents
    from dj_photon_codecs.storage.documents.views import Unit

__all__ = ["PhotonArray", "open_movie"]


class PhotonArray(FrameArray):
    """A stored movie: a read-only `zarr.Array` of Anscombe-transformed float64.

    Shape (frames, height, width, ...), in chunks of up to 100 frames. Its noise has a standard
    deviation of one everywhere. It reads nothing until it is indexed, and then reads and checks
    whole chunks.

    Its length, and that of its views `raw` and `photons`, is the number of frames; a ``for`` loop
    over them decodes each chunk once.

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
    """

    # In a slot, not in __dict__, so that a movie's state is the same whether it was read or not.
    __slots__ = ("_views",)

    def __init__(self, async_array: Any) -> None:
        super().__init__(async_array)
        self._views: dict[Unit, MovieView] = {}

    @property
    def raw(self) -> MovieView:
        """The values as they were inserted, in the dtype in which they were.

        They are exact. If a step was chosen they are unbiased instead, and float32.
        """
        return self._view("ADU")

    @property
    def photons(self) -> MovieView:
        """The movie in photons, float32: ``(raw - offset) / gain``.

        If a step was chosen they come from the table that was stored with the movie, and are
        unbiased: their mean over frames is the mean of what was inserted.
        """
        return self._view("photon")

    @property
    def calibration(self) -> Calibration:
        """Gain (ADU per photon), offset (ADU) and variance of the read noise (ADU squared)."""
        return calibration_of(self._documents)

    @property
    def step(self) -> float | None:
        """The quantisation step, in standard deviations of the noise; None if stored exactly."""
        return step_of(self._documents)

    def verify(self) -> list[str]:
        """Read every chunk, without decoding it, and name what is not as it was written.

        Returns
        -------
        list of str
            Keys of chunks that are missing, damaged or cannot be read, such as ``"3.0.0"`` for
            frames 300 to 399; ``".zarray"`` and ``".zattrs"`` if they are missing on the store or
            differ from the database row. Empty if all is well.

        Raises
        ------
        ChunkError
            If nothing of the movie is there: it asks about the mount, the bucket, the location.
        PermissionError
            If the store refuses every chunk; it says which rights are needed.
        """
        return faulty_parts(self.movie_store)

    def plot(self, figure: Figure | SubFigure | None = None) -> NDArray[Any]:
        """Draw the movie: mean image, trace, noise against brightness, histogram, and a verdict.

        It reads a sample: up to eight runs of up to fifty frames, evenly spread, each of one chunk
        (of a 32 MB part of it, if frames are large). The noise is that of consecutive frames,
        transformed; its variance should be one, or what Poisson counts have where they are few.
        Needs matplotlib.

        Parameters
        ----------
        figure : matplotlib.figure.Figure or SubFigure, optional
            Where to draw; a new one if not given.

        Returns
        -------
        numpy.ndarray of matplotlib.axes.Axes
            Shape (2, 2).

        Raises
        ------
        ChunkError
            If a chunk that is read is missing or damaged.
        """
        from dj_photon_codecs.views.movie_plot import draw  # noqa: PLC0415

        return draw(self, figure)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PhotonArray) and self.store_path == other.store_path

    def __hash__(self) -> int:
        return hash(str(self.store_path))

    @property
    def _documents(self) -> Documents:
        return self.movie_store.documents

    def _view(self, unit: Unit) -> MovieView:
        if unit not in self._views:
            documents = linear_view(self._documents, unit)
            if documents is None:
                raise ValueError(
                    "this movie was stored as plain transformed values, without their codes; use "
                    "generalized_inverse_anscombe(movie[:], **parameters), with the parameters in "
                    "movie.calibration"
                )
            store = self.movie_store.with_documents(documents)
            self._views[unit] = MovieView(zarr_array(store).async_array, self._chunks)
        return self._views[unit]


def open_movie(fs: AbstractFileSystem, path: str, documents: Documents) -> PhotonArray:
    """Open a stored movie, lazy and read-only, without a request to the store.

    `path` is its directory, as the file system names it; `documents` are as `write_movie` or
    `read_row` returned them. Those from elsewhere must go through `check_documents` before.
    """
    return PhotonArray(zarr_array(MovieStore(MovieFiles(fs, path), documents)).async_array)
