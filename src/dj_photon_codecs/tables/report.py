"""`report`: what a movie, or a whole table of movies, would cost before it is inserted or moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from dj_photon_codecs.views.report import Report, report_movie

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dj_photon_codecs.movies.camera_movie import CameraMovie
    from dj_photon_codecs.movies.sources import Frames
    from dj_photon_codecs.photons.calibration import Calibration
    from dj_photon_codecs.tables.table_report import TableReport

__all__ = ["report"]


@overload
def report(
    movie: Frames | CameraMovie,
    calibration: Calibration | None = None,
    *,
    steps: Sequence[float | None] = ...,
    codec: Any = None,
) -> Report: ...
@overload
def report(
    movie: Any,
    calibration: Calibration | None = None,
    *,
    steps: Sequence[float | None] = ...,
    codec: Any = None,
    attribute: str | None = None,
    rows: int | None = ...,
) -> Any: ...
def report(
    movie: Any,
    calibration: Calibration | None = None,
    *,
    steps: Sequence[float | None] = (None, 0.25, 0.5, 1.0),
    codec: Any = None,
    attribute: str | None = None,
    rows: int | None = None,
) -> Report | TableReport:
    """Say what a movie, or a table of movies, would cost, exactly and in steps, unwritten.

    Parameters
    ----------
    movie : numpy.ndarray, CameraMovie, PhotonArray, datajoint.Table or query
        Photon counts or camera values, shape (frames, height, width, ...), or a movie that was
        stored exactly. Up to three chunks of it are encoded. Or a table with movies in a column of
        any type that `migrate` takes, or a restriction of one, of which a sample is read.
    calibration : Calibration, optional
        What camera values mean. Without it an array holds photon counts.
    steps : sequence of float or None
        The ways to store it: None for exactly, else ``0 < step <= 1`` in standard deviations of
        the noise.
    codec : str or PhotonCodec, optional
        The column type to report on: its name (``"photon_dense"``), or the class; ``<photon@>``
        by default, for a table beside ``<photon_dense@>``. Its own step is one of `steps` or not.
    attribute : str, optional
        The attribute of a table that holds the movies, if there are several that might.
    rows : int, optional
        How many movies of a table are read, evenly spread in the order of the keys; 10 by default.

    Returns
    -------
    Report or TableReport
        A cost for each step; of a table what it takes now, and what it would take, with twice the
        standard error of what was extrapolated.

    Raises
    ------
    TypeError, ValueError
        If the movie could not be inserted, or was stored in steps already; if `codec` is no
        `PhotonCodec`, or names none; if the table has no such attribute. Of a table, rows that
        could not be inserted are named in the report.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.random.default_rng(0).poisson(20, (100, 32, 32)).astype("uint16")
    >>> exact, coarse = report(counts, steps=(None, 1)).costs
    >>> coarse.bits_per_pixel < 0.6 * exact.bits_per_pixel
    True
    >>> round(coarse.error, 1)
    0.3
    """
    if not _is_table(movie):
        for name, given in {"attribute": attribute, "rows": rows}.items():
            if given is not None:
                raise TypeError(
                    f"{name} is {given!r}, and movie is a {type(movie).__name__}, which has none; "
                    "leave it out, or give the table"
                )
        return report_movie(movie, calibration, steps=steps, codec=codec)
    from dj_photon_codecs.tables.table_report import report_table  # noqa: PLC0415 - DataJoint

    return report_table(
        movie,
        attribute,
        calibration=calibration,
        steps=steps,
        codec=codec,
        rows=10 if rows is None else rows,
    )


def _is_table(value: Any) -> bool:
    """Whether it is a table or a query of DataJoint, or the class of one; without importing it."""
    kind = value if isinstance(value, type) else type(value)
    return any(cls.__module__ == "datajoint.expression" for cls in kind.__mro__)
