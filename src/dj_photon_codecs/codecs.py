"""`PhotonCodec`, the type ``<photon@store>`` of a table definition, and its densest profile.

DataJoint loads this module through its entry point. If that fails, DataJoint's garbage collection
finds no movie in any row and deletes all of them. So this module imports DataJoint's base class and
plain Python only. NumPy, Zarr and the rooms of this package are imported by the methods that use
them, and named in the error if they are broken.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import datajoint as dj

from dj_photon_codecs.broken_libraries import naming_broken_libraries
from dj_photon_codecs.policy import Policy

if TYPE_CHECKING:
    from numcodecs.abc import Codec

    from dj_photon_codecs.arrays.photon_array import PhotonArray
    from dj_photon_codecs.movies.camera_movie import CameraMovie
    from dj_photon_codecs.storage.documents.description import Documents
    from dj_photon_codecs.storage.files.movie_folder import MovieFolder
    from dj_photon_codecs.storage.plan import StoragePlan

__all__ = ["PhotonCodec", "PhotonDenseCodec"]

LONGEST_PATH = 4096  # characters, more than any store takes


class PhotonCodec(dj.SchemaCodec):  # type: ignore[misc]
    """Photon-limited movies, variance-stabilised and compressed: ``movie : <photon@store>``.

    Insert a NumPy array of photon counts, shape (frames, height, width, ...), a `CameraMovie`, or
    a movie that was fetched; fetch a `PhotonArray`. Subclasses with a `name` of their own are
    types of their own, and change the policy.

    Attributes
    ----------
    name : str
        The type's name in a table definition.
    frames_per_chunk : int
        Frames in a chunk.
    compressor : numcodecs.abc.Codec, None or "auto"
        What compresses the codes. "auto" is Blosc with Zstd, behind a layout that finds for each
        chunk what makes it smaller.
    layout : numcodecs.abc.Codec, str or None
        A filter, or its ``codec_id``, for the codes before a `compressor` of your choice; "auto"
        has a layout of its own, and takes none.
    step : float or None
        None stores movies exactly. ``0 < step <= 1`` stores them in steps of it, in units of the
        noise's standard deviation, unless the inserted `CameraMovie` has a step.
    durable : bool
        Whether an insert waits until the movie is on the disk of a local store (fsync), so that no
        row outlives its movie in a power failure.
    preview : bool
        Whether an insert leaves a small picture beside the chunks, ``preview.png``: the mean of up
        to 64 frames, for notebooks and for whoever looks into the store. What the workers of a
        dask cluster insert has none.

    Raises
    ------
    TypeError, ValueError
        When a subclass is defined with an attribute that is out of range, or with no name.

    Examples
    --------
    >>> from numcodecs import Blosc
    >>> class Archive(PhotonCodec):
    ...     name = "photon_archive"
    ...     compressor = Blosc("zstd", clevel=9, shuffle=Blosc.BITSHUFFLE)
    """

    name: str | None = "photon"
    frames_per_chunk: ClassVar[int] = 100
    compressor: ClassVar[Codec | Literal["auto"] | None] = "auto"
    layout: ClassVar[Codec | str | None] = None
    step: ClassVar[float | None] = None
    durable: ClassVar[bool] = True
    preview: ClassVar[bool] = True

    def __init_subclass__(cls, *, register: bool = True, **options: Any) -> None:
        """Check the attributes of a subclass, then let DataJoint register it."""
        Policy.of(cls)
        if register and "name" not in vars(cls):
            raise TypeError(
                f"{cls.__name__} has no name of its own; give it one that no other type has, such "
                f"as name = 'photon_{cls.__name__.lower()}'"
            )
        super().__init_subclass__(register=register, **options)

    def validate(self, value: Any) -> None:
        """Refuse what is no movie by its type, dtype or shape; `encode` checks the values.

        Parameters
        ----------
        value : object
            What a user inserts.

        Raises
        ------
        TypeError, ValueError
            If it is no movie, or a fetched one that was stored in other steps than this type has.
        """
        with naming_broken_libraries():
            _prepared(value, Policy.of(self))

    @classmethod
    def check(cls, value: Any) -> None:
        """Read a movie as an insert does, and refuse what the insert would refuse.

        DataJoint writes the movies of several rows one after the other, before it inserts any row:
        check them all first, so that none is written in vain.

        Parameters
        ----------
        value : numpy.ndarray, CameraMovie or PhotonArray
            What is to be inserted. All of it is read, except for a fetched movie, and for what dask
            computes in a dtype with legal values only.

        Raises
        ------
        TypeError, ValueError
            If it is no movie, or holds NaN, infinite, or (photon counts) negative values.

        Examples
        --------
        >>> import numpy as np
        >>> PhotonCodec.check(np.array([[[3, 0], [1, -2]]]))
        Traceback (most recent call last):
        ...
        ValueError: movie holds -2 at frame 0; photon counts must be >= 0...
        """
        with naming_broken_libraries():
            from dj_photon_codecs.movies.camera_movie import CameraMovie
            from dj_photon_codecs.storage.cluster import cluster_of

            policy = Policy.of(cls)
            movie, counts = _prepared(value, policy)
            if isinstance(movie, CameraMovie):
                with cluster_of(movie) as cluster:
                    if cluster is None:
                        _planned(movie, policy, counts=counts)
                    else:
                        cluster.plan(policy, counts=counts)

    def encode(
        self,
        value: Any,
        *,
        key: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        store_name: str | None = None,
    ) -> dict[str, Any]:
        """Write a movie to its store, and return what the database keeps of it.

        Parameters
        ----------
        value : numpy.ndarray, CameraMovie or PhotonArray
            The movie. One that was fetched is copied: its codes, in chunks and compressed as this
            type does, and quantised if this type has a step and the movie has none.
        key : dict, optional
            The primary key, as far as it is known; a part of the path.
        context : dict, optional
            DataJoint's: schema, table, field, and the connection's configuration.
        store_name : str, optional
            The store; empty or None stands for the default one.

        Returns
        -------
        dict
            Plain JSON: path, store, codec_version, shape, dtype, transform, the two documents, and
            crc32c, their checksum.

        Raises
        ------
        TypeError, ValueError
            As `validate`.
        OSError
            If the store fails. Whatever the error, nothing is left on the store.
        """
        config = self._configuration(key, context)
        store = _resolved(store_name, config)
        schema, table, field, primary_key = self._extract_context(key, context)
        path, _ = self._build_path(
            schema, table, field, primary_key, ext=".zarr", store_name=store, config=config
        )
        with naming_broken_libraries():
            from dj_photon_codecs.storage.documents.rows import write_row
            from dj_photon_codecs.storage.files.movie_folder import MovieFolder

            fs, place = self._place(path, store=store, config=config)
            root = place.removesuffix(f"/{path}")
            folder = MovieFolder(fs, place, store=store, root=root, durable=self.durable)
            return write_row(_write(value, Policy.of(self), folder=folder), path=path, store=store)

    def decode(
        self,
        stored: dict[str, Any],
        *,
        key: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
    ) -> PhotonArray:
        """Open a stored movie; no request reaches the store.

        Parameters
        ----------
        stored : dict
            What `encode` returned.
        key, context : dict, optional
            DataJoint's; they carry the connection's configuration.

        Returns
        -------
        PhotonArray
            Lazy and read-only.

        Raises
        ------
        ValueError
            If another type wrote the row, or a newer version; or it is damaged, or leads out of
            the store.
        """
        config = self._configuration(key, context)
        with naming_broken_libraries():
            from dj_photon_codecs.arrays.photon_array import open_movie
            from dj_photon_codecs.storage.documents.rows import read_row

            row = read_row(stored)
            _check_store(row.store, config)
            fs, root = self._place(_checked_path(row.path), store=row.store, config=config)
            return open_movie(fs, root, row.documents)

    def _configuration(self, key: dict[str, Any] | None, context: dict[str, Any] | None) -> Any:
        """Return the calling connection's configuration; another's would be another store."""
        return self._codec_config(key, context) or dj.config

    def _place(self, path: str, *, store: str, config: Any) -> tuple[Any, str]:
        """Return the file system of a store, and where on it a path of a row lies."""
        try:
            place = self._get_backend(store, config=config).get_fsmap(path)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"the store {store!r} is not there: {error}. Is it mounted? If it is new, make the "
                f"directory; else correct its location in dj.config['stores']. A relative one "
                "depends on the current directory"
            ) from error
        # A location may end in a slash, "calcium/", and no listing finds a key that holds "//".
        # At the beginning, "//" names a computer on Windows.
        return place.fs, re.sub("(?<=.)//+", "/", place.root)


class PhotonDenseCodec(PhotonCodec):
    """The same for archives: ``movie : <photon_dense@store>``, as small as the noise allows.

    Large frames of .1 to 200 photons are within 1.4 % of Shannon's limit, 1 to 3 % smaller than as
    ``<photon@store>``, real ones up to half. Encoding and decoding take three to ten times as
    long, and to read a frame, those before it in its chunk are decoded.
    """

    name = "photon_dense"
    compressor = None
    layout = "photon.dense"


def _resolved(store_name: str | None, config: Any) -> str:
    """Return the store's own name: rows that say none lose their files to garbage collection."""
    name = store_name or config.stores.get("default")
    if not isinstance(name, str) or not name:
        raise ValueError(
            "<photon@> stores in the default store, and there is none; set "
            "dj.config['stores.default'] to the name of a store, or write <photon@store>"
        )
    return name


def _check_store(name: str, config: Any) -> None:
    """Refuse a store that the configuration does not have."""
    stores = sorted(key for key, spec in config.stores.items() if isinstance(spec, dict))
    if name not in stores:
        raise ValueError(
            f"the movie lies in the store {name[:80]!r}, and the configured ones are {stores}; add "
            "it to dj.config['stores']"
        )


def _checked_path(path: str) -> str:
    """Refuse a path that leads out of the store, or is none: it comes from a database, as data."""
    legal = len(path) <= LONGEST_PATH and re.fullmatch("[^\0\ud800-\udfff]+", path)
    rooted = path.startswith(("/", "\\")) or path[1:2] == ":"  # ":" ends a drive of Windows
    if not legal or rooted or ".." in re.split(r"[/\\]", path):
        raise ValueError(
            f"the path of a movie is {path[:80]!r}, which leads out of its store, or is none; it "
            "must be relative, without '..'. Find out who changed the database row"
        )
    return path


def _prepared(value: Any, policy: Policy) -> tuple[CameraMovie | PhotonArray, bool]:
    """Return what is to be stored, and whether it holds photon counts; no value is read."""
    from dj_photon_codecs.arrays.photon_array import PhotonArray
    from dj_photon_codecs.movies.camera_movie import as_camera_movie
    from dj_photon_codecs.storage.copying import check_copy
    from dj_photon_codecs.storage.plan import compression_of

    compression_of(policy)  # it refuses a layout that numcodecs does not find
    if isinstance(value, PhotonArray):
        check_copy(value.movie_store, policy)
        return value, False
    return as_camera_movie(value)


def _planned(
    movie: CameraMovie, policy: Policy, *, counts: bool
) -> tuple[CameraMovie, StoragePlan]:
    """Read a movie once; return it, with a sample of it in memory, and how to store it."""
    from dj_photon_codecs.movies.sources import Source
    from dj_photon_codecs.storage.plan import plan_movie

    movie = replace(movie, values=Source(movie.values))
    return movie, plan_movie(movie, policy, counts=counts)


def _write(value: Any, policy: Policy, *, folder: MovieFolder) -> Documents:
    from dj_photon_codecs.arrays.photon_array import PhotonArray
    from dj_photon_codecs.storage.cluster import cluster_of
    from dj_photon_codecs.storage.copying import copy_movie
    from dj_photon_codecs.storage.writing import write_movie

    movie, counts = _prepared(value, policy)
    if isinstance(movie, PhotonArray):
        return copy_movie(movie.movie_store, policy, folder=folder)
    with cluster_of(movie) as cluster:
        if cluster is not None:
            plan = cluster.plan(policy, counts=counts)
            return cluster.write(plan, folder=folder)
    movie, plan = _planned(movie, policy, counts=counts)
    return write_movie(movie, plan, folder=folder, preview=policy.preview)
