"""Movies that roiextractors opens: its extractors as arrays, and what it reads of other formats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.movies.files.choices import choose
from dj_photon_codecs.movies.files.libraries import library
from dj_photon_codecs.movies.files.open_files import OpenFiles
from dj_photon_codecs.movies.files.paths import represent

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["BRUKER", "EXTRACTORS", "ExtractorMovie", "frames_of", "is_bruker", "read_extractor"]

BRUKER = "a folder of Bruker's"

EXTRACTORS = {
    BRUKER: "BrukerTiffImagingExtractor",
    ".isxd": "InscopixImagingExtractor",
    ".mesc": "FemtonicsImagingExtractor",
    ".sbx": "SbxImagingExtractor",
}


@dataclass(frozen=True, eq=False, repr=False)
class ExtractorMovie:
    """The frames of an imaging extractor of roiextractors, or of one of its kind.

    Attributes
    ----------
    path : Path
        What it reads, or its name.
    shape : tuple of int
        Frames, height, width, and planes if it is volumetric and none is chosen.
    dtype : numpy.dtype
        That of its frames.
    channel, plane : str or None
        Which one was chosen.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    _series: OpenFiles  # opens the `get_series` of an extractor
    channel: str | None = None
    plane: str | None = None

    def __repr__(self) -> str:
        return represent(self, [self.path], channel=self.channel, plane=self.plane)

    def __getitem__(self, selection: Any) -> NDArray[Any]:
        """Return frames: an integer or a slice of them, and more as in NumPy."""
        first, *rest = selection if isinstance(selection, tuple) else (selection,)
        wanted = np.arange(self.shape[0])[first]
        numbers = np.atleast_1d(wanted)
        if not numbers.size:
            return np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *rest)]
        start, stop = int(numbers.min()), int(numbers.max()) + 1
        with self._series.reading(self.path) as get_series:
            frames = np.asarray(get_series(start, stop))
        if len(frames) != stop - start:
            raise ValueError(
                f"{self.path} yields {len(frames)} frames for frames {start} to {stop - 1}; its "
                "reader is wrong, or the file was cut short"
            )
        frames = frames if self.plane is None else frames[..., int(self.plane)]
        frames = frames[wanted - start] if np.ndim(wanted) else frames[0]
        return frames[(*[slice(None)] * np.ndim(wanted), *rest)] if rest else frames


def frames_of(extractor: Any) -> ExtractorMovie:
    """Return the frames of an extractor as an array; the first one is read."""
    return _movie(Path(type(extractor).__name__), partial(_given, extractor=extractor), extractor)


def _given(_: Path, *, extractor: Any) -> Callable[[int, int], NDArray[Any]]:
    get_series: Callable[[int, int], NDArray[Any]] = extractor.get_series
    return get_series


def is_bruker(path: Path) -> bool:
    """Return whether a folder is one of Bruker's Prairie View."""
    return (path / f"{path.resolve().name}.xml").exists() and any(path.glob("*.ome.tif"))


def read_extractor(
    path: Path, *, channel: int | str | None = None, plane: int | str | None = None
) -> ExtractorMovie:
    """Open a file, or a folder of Bruker's, with roiextractors.

    Raises
    ------
    ValueError
        If roiextractors refuses it, such as where there are several channels and none is chosen.
    """
    name = EXTRACTORS[BRUKER if is_bruker(path) else path.suffix.lower()]
    named = {} if channel is None else {"channel_name": channel}
    opener = partial(_open, name=name, named=named)
    extractor = _extractor(path, name=name, named=named)
    movie = _movie(path, opener, extractor)
    movie = replace(movie, channel=None if channel is None else str(channel))
    planes = [str(number) for number in range((*movie.shape, 1)[3])]
    number = choose("plane", planes, plane, of=str(path))
    if len(movie.shape) == 3:
        return movie
    return replace(movie, shape=movie.shape[:3], plane=planes[number])


def _extractor(path: Path, *, name: str, named: dict[str, Any]) -> Any:
    kind = getattr(library("roiextractors"), name)
    try:
        return kind(path, **named)
    except ImportError as error:
        raise ImportError(
            f"to read {path}, roiextractors needs what no extra brings: {error}"
        ) from error
    except (ValueError, AssertionError, KeyError, OSError, TypeError) as error:
        raise ValueError(
            f"roiextractors' {name} cannot open {path}: {error}. A channel is chosen by its name, "
            "channel='name'"
        ) from error


def _open(path: Path, *, name: str, named: dict[str, Any]) -> Callable[[int, int], NDArray[Any]]:
    return _given(path, extractor=_extractor(path, name=name, named=named))


def _movie(
    path: Path, opener: Callable[[Path], Callable[[int, int], NDArray[Any]]], extractor: Any
) -> ExtractorMovie:
    count = getattr(extractor, "get_num_samples", None) or extractor.get_num_frames
    first = np.asarray(extractor.get_series(0, 1))  # which its own shape need not agree with
    return ExtractorMovie(path, (int(count()), *first.shape[1:]), first.dtype, OpenFiles(opener))
