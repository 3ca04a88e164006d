"""A stored movie, or a view of one, as a `zarr.Array` of frames."""

from __future__ import annotations

import hashlib
import json
import operator
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import zarr

from dj_photon_codecs.arrays.collector_pause import collector_paused
from dj_photon_codecs.arrays.missing_operations import MissingOperations
from dj_photon_codecs.arrays.movie_reader import MovieReader
from dj_photon_codecs.arrays.selection import parse_selection
from dj_photon_codecs.arrays.stored_chunks import StoredChunks
from dj_photon_codecs.arrays.summary import described
from dj_photon_codecs.storage.documents.description import dimensions, plain_attributes
from dj_photon_codecs.storage.movie_store import READ_ONLY, MovieStore, zarr_array
from dj_photon_codecs.storage.preview import read_preview

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import DTypeLike, NDArray

__all__ = ["FrameArray", "MovieView"]


class FrameArray(zarr.Array, MissingOperations):  # type: ignore[type-arg]
    """A read-only `zarr.Array` of frames, which decodes no more than a selection takes.

    Shape (frames, height, width, ...). It reads nothing until it is indexed, and then reads and
    checks whole chunks; recent ones are kept, for all movies together (see `set_cache`).

    Beyond what `zarr.Array` offers it has a length, yields frames in a loop or one by one without
    decoding a chunk twice, and takes masks and arrays of integers as NumPy does.
    """

    # In slots, not in __dict__, so that a movie's state is the same whether it was read or not.
    __slots__ = ("_own_chunks", "_own_reader")

    def __init__(self, async_array: Any) -> None:
        super().__init__(async_array)
        self._own_chunks: StoredChunks | None = None
        self._own_reader: MovieReader | None = None

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, selection: Any) -> Any:
        """Return values; see `parse_selection`.

        Parameters
        ----------
        selection : int, slice, Ellipsis, mask, array of integers, or a tuple of them
            ``movie[mask]`` takes the frames of a mask, shape (frames,); ``movie[:, roi]`` the
            pixels of one, shape (height, width), and returns shape (frames, pixels).

        Returns
        -------
        numpy.ndarray or scalar
            The caller's own.

        Raises
        ------
        IndexError
            If the selection does not fit. It says what to do instead.
        ChunkError, OSError
            If a chunk is missing or damaged, or the store fails.
        """
        if isinstance(selection, int | np.integer) and not isinstance(selection, bool):
            index = operator.index(selection)
            if -len(self) <= index < len(self):
                return self._reader.frame(index % len(self))
        return self._reader.read(parse_selection(selection, self.shape))

    def __setitem__(self, selection: Any, value: Any, **options: Any) -> None:
        """Refuse, as everything else that would change a stored movie does.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(READ_ONLY)

    # Zarr would decode chunks, and encode them with the values, before the store refuses.
    set_basic_selection: Any = __setitem__
    set_block_selection: Any = __setitem__
    set_coordinate_selection: Any = __setitem__
    set_mask_selection: Any = __setitem__
    set_orthogonal_selection: Any = __setitem__

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        # Zarr's names even the byte order of this machine, of which netCDF4 then warns
        return np.dtype(super().dtype.str)

    @property
    def attrs(self) -> Any:
        """What ``.zattrs`` says; changing it is refused, and changes nothing in memory."""
        return zarr_array(self.movie_store).attrs

    def update_attributes(self, new_attributes: dict[str, Any]) -> Self:  # noqa: ARG002
        """Refuse, as `__setitem__` does."""
        raise ValueError(READ_ONLY)

    def __array__(  # type: ignore[override] # Zarr's is typed as its own protocol
        self,
        dtype: DTypeLike | None = None,
        copy: bool | None = None,  # noqa: FBT001 - as NumPy calls it
    ) -> NDArray[Any]:
        """Return all values, for functions of NumPy and other libraries.

        Raises
        ------
        ValueError
            If `copy` is False: the values must be decoded.
        """
        if copy is False:
            raise ValueError("a stored movie cannot become an array without a copy (copy=False)")
        with collector_paused():
            values: NDArray[Any] = self[...]
        return values if dtype is None else values.astype(dtype, copy=False)

    def __repr__(self) -> str:
        gain, stored, *size = described(self.movie_store.documents).items()
        said = [f"gain {gain[1]}", stored[1], *(f"{text} {name}" for name, text in size)]
        return f"<{self._title}, {', '.join(said)}, {self.movie_store}>"

    def _repr_html_(self) -> str:
        """Return a table for notebooks, with the movie's picture: one request to the store."""
        from dj_photon_codecs.views.notebook import table  # noqa: PLC0415

        store = self.movie_store
        rows = {**described(store.documents), "place": str(store)}
        return table(self._title, rows, picture=read_preview(store.files))

    @property
    def _title(self) -> str:
        units = {"ADU": " in ADU", "photon": " in photons"}
        unit = units.get(str(self.movie_store.documents["zattrs"].get("units")), "")
        return f"{self.shape} {type(self).__name__} of {self.dtype}{unit}"

    def __reduce__(self) -> tuple[Any, ...]:
        # a pickle carries neither chunks nor views
        return type(self), (self.async_array,)

    def dask(self) -> Any:
        """Return a lazy `dask.array.Array` of the same values; needs the extra ``dask``.

        Its chunks are those of the movie. Its name depends on the place and the contents of the
        movie only, so that it is the same in every process. It can be pickled, as the movie can.

        Raises
        ------
        ImportError
            If dask is not installed.
        """
        try:
            from dask.array import from_array  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ImportError(
                "movie.dask() needs dask: pip install 'dj-photon-codecs[dask]'. Without it, work "
                "through the movie in a loop, or in slices such as movie[:100]"
            ) from error
        text = json.dumps([str(self.movie_store), self.movie_store.documents], sort_keys=True)
        return from_array(  # type: ignore[no-untyped-call]
            self,
            chunks=self.chunks,
            name=f"photon-{hashlib.sha256(text.encode()).hexdigest()[:32]}",
            fancy=False,
            meta=np.empty((0,) * self.ndim, self.dtype),
        )

    def to_xarray(self) -> Any:
        """Return a lazy `xarray.DataArray` of the same values; needs the extra ``xarray``.

        Its values are those of `dask`, its dimensions ``time``, ``y`` and ``x`` (those between,
        ``axis_1`` and so on), and its attributes those of the movie: ``anscombe_gain``,
        ``anscombe_offset``, ``anscombe_variance``, ``quantization_step`` if there is one,
        ``units`` ("ADU" or "photon") of `raw` and `photons`, and what wrote it.

        Raises
        ------
        ImportError
            If xarray or dask is not installed.
        """
        try:
            from xarray import DataArray  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ImportError(
                "movie.to_xarray() needs xarray: pip install 'dj-photon-codecs[xarray]'"
            ) from error
        attributes = plain_attributes(self.movie_store.documents)
        return DataArray(self.dask(), dims=dimensions(self.ndim), attrs=attributes)

    @property
    def movie_store(self) -> MovieStore:
        """The store that the movie is read through: its documents, over its chunks."""
        store = self.store_path.store
        if not isinstance(store, MovieStore):
            name = type(self).__name__
            raise TypeError(f"a {name} lies on a MovieStore, not on {store!r}; use open_movie")
        return store

    @property
    def _chunks(self) -> StoredChunks:
        if self._own_chunks is None:
            self._own_chunks = StoredChunks(self.movie_store)
        return self._own_chunks

    @property
    def _reader(self) -> MovieReader:
        if self._own_reader is None:
            self._own_reader = MovieReader(self._chunks, self.movie_store.documents)
        return self._own_reader


class MovieView(FrameArray):
    """``movie.raw`` or ``movie.photons``: other values of the same codes.

    Parameters
    ----------
    async_array : zarr.AsyncArray
        As Zarr opened it.
    chunks : StoredChunks, optional
        Of the movie, to share them.

    Notes
    -----
    A view can be iterated, and a fetched movie has no ``__iter__`` on purpose: libraries take what
    has one for a list (pandas), or read all of it to compare it (DeepHash, in DataJoint's
    three-part ``make``), while a ``for`` loop needs none. Writers such as hdmf's
    ``DataChunkIterator`` do need it, and they are given views.
    """

    __slots__ = ()

    def __init__(self, async_array: Any, chunks: StoredChunks | None = None) -> None:
        super().__init__(async_array)
        self._own_chunks = chunks

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[index] for index in range(len(self)))
