"""Movies in TIFF files, as tifffile understands them; plain ones are mapped into memory."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.movies.files.choices import choose
from dj_photon_codecs.movies.files.open_files import OpenFiles
from dj_photon_codecs.movies.files.paths import represent
from dj_photon_codecs.movies.files.tiff_pages import describe_tiff, open_tiff, reading_tiff
from dj_photon_codecs.movies.memory_maps import check_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dj_photon_codecs.movies.files.tiff_pages import TiffImage

__all__ = ["TiffMovie", "read_tiff"]

MOST_CHANNELS = 7  # of ImageJ; more of them are frames


def _map(path: Path) -> NDArray[np.uint8]:
    return np.memmap(path, np.uint8, "r")


@dataclass(frozen=True, eq=False, repr=False)
class TiffMovie:
    """The frames of one channel and plane of TIFF files, in the order of time; from `read_movie`.

    Attributes
    ----------
    paths : tuple of Path
        The files.
    shape : tuple of int
        Frames, height, width.
    dtype : numpy.dtype
        In the byte order of this machine.
    channel, plane : str or None
        Which one, where the files hold several.
    """

    paths: tuple[Path, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    channel: str | None
    plane: str | None
    places: NDArray[np.int64]  # of each frame, as those of a `TiffImage`
    plain: tuple[np.dtype[Any] | None, ...]  # likewise, of each file
    _mapped: OpenFiles = field(default_factory=lambda: OpenFiles(_map))
    _opened: OpenFiles = field(default_factory=lambda: OpenFiles(open_tiff))

    def __repr__(self) -> str:
        return represent(self, self.paths, channel=self.channel, plane=self.plane)

    def __getitem__(self, selection: Any) -> NDArray[Any]:
        """Return frames, an integer or a slice of them, as an array of their own."""
        first, *rest = selection if isinstance(selection, tuple) else (selection,)
        places = self.places[first]
        frames = self._read(places.reshape(-1, 2)).reshape(*places.shape[:-1], *self.shape[1:])
        return frames[(*[slice(None)] * (places.ndim - 1), *rest)] if rest else frames

    def in_place(self) -> NDArray[Any] | None:
        """Return the frames as a memory map, where a file is one; else None."""
        steps = np.unique(np.diff(self.places[:, 1]))
        if len(self.paths) > 1 or self.plain[0] != self.dtype or len(steps) != 1 or steps[0] < 1:
            return None
        mapped = self._mapping(0, self.places[:, 1])
        strides = (int(steps[0]), *np.empty(self.shape[1:], self.dtype).strides)
        return np.ndarray(self.shape, self.dtype, mapped, int(self.places[0, 1]), strides)

    def _read(self, places: NDArray[np.int64]) -> NDArray[Any]:
        frames = np.empty((len(places), *self.shape[1:]), self.dtype)
        starts = np.flatnonzero(np.diff(places[:, 0], prepend=-1)).tolist()
        for start, stop in pairwise([*starts, len(places)]):
            number = int(places[start, 0])
            read = self._decode if self.plain[number] is None else self._copy
            read(number, places[start:stop, 1], frames[start:stop])
        return frames

    def _copy(self, number: int, offsets: NDArray[np.int64], out: NDArray[Any]) -> None:
        mapped = self._mapping(number, offsets)
        for frame, offset in zip(out, offsets.tolist(), strict=True):
            frame[...] = np.ndarray(frame.shape, self.plain[number], mapped, offset)

    def _mapping(self, number: int, offsets: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the bytes of a plain file, if it still has all these frames."""
        with self._mapped.reading(self.paths[number]) as mapped:
            check_length(mapped)
        end = int(offsets.max()) + math.prod(self.shape[1:]) * self.dtype.itemsize
        if end > len(mapped):
            raise ValueError(
                f"{self.paths[number]}, which became shorter, has {len(mapped)} bytes, and a frame "
                f"ends at {end}. Open it again when nothing writes to it"
            )
        return mapped

    def _decode(self, number: int, pages: NDArray[np.int64], out: NDArray[Any]) -> None:
        path = self.paths[number]
        with self._opened.reading(path) as file, reading_tiff(path):
            out[...] = file.asarray(key=pages.tolist()).reshape(out.shape)


def read_tiff(
    paths: Sequence[Path],
    *,
    channel: int | str | None = None,
    plane: int | str | None = None,
    dataset: int | str | None = None,
) -> TiffMovie:
    """Find the frames of a movie in TIFF files, and read the first one.

    Raises
    ------
    ValueError
        If a file is damaged; if files differ in shape or dtype of their frames; if there are
        several channels, planes or images, and none is chosen; if pages are colour pictures.
    ImportError
        If tifffile is missing, or what decompresses the files.

    Warns
    -----
    UserWarning
        If pages are marked as planes or channels, and taken for frames; if the recording ended
        within a volume.
    """
    images = _images(paths, dataset)
    first, of = images[0], str(paths[0]) + ("" if len(images) == 1 else " and the files after it")
    every = np.concatenate([image.places for image in images])
    if first.scan:
        found = [first.scan.select(every, channel=channel, plane=plane, of=of)]
    else:
        found = []
        for image in images:  # no comprehension, whose frame a warning would count
            found += [_select(image, channel=channel, plane=plane, of=of)]
    places = np.concatenate([places for places, *_ in found])
    movie = TiffMovie(
        tuple(path for image in images for path in image.paths),
        (len(places), *first.frame),
        first.dtype,
        *found[0][1:],
        places=places,
        plain=tuple(dtype for image in images for dtype in image.plain),
    )
    movie[:1]  # so that what cannot be decompressed is found before anything is written
    return movie


def _images(paths: Sequence[Path], dataset: int | str | None) -> list[TiffImage]:
    images: list[TiffImage] = []
    seen: list[Path] = []
    for path in paths:
        if path.resolve() in seen:  # an OME file refers to it
            continue
        image = describe_tiff(path, dataset=dataset)
        image.places[:, 0] += len(seen)
        images.append(image)
        seen += [each.resolve() for each in image.paths]
        if (image.frame, image.dtype) != (images[0].frame, images[0].dtype):
            raise ValueError(
                f"{path} holds frames of {image.frame} {image.dtype}, and {paths[0]} of "
                f"{images[0].frame} {images[0].dtype}; all files of a movie must be alike. List "
                "those that belong to it, or give a pattern such as 'folder/movie_*.tif'"
            )
    return images


def _select(
    image: TiffImage, *, channel: int | str | None, plane: int | str | None, of: str
) -> tuple[NDArray[np.int64], str | None, str | None]:
    """Return where the frames of a channel and plane are, and what these are called."""
    axes = _with_time(image.axes, channel=channel, plane=plane, of=of)
    places = image.places.reshape(*axes.values(), 2)
    names: list[str | None] = []
    for axis, what, wanted in (("C", "channel", channel), ("Z", "plane", plane)):
        length = axes.get(axis, 1)
        named = axis == "C" and len(image.channels) == length
        labels = image.channels if named else tuple(map(str, range(length)))
        number = choose(what, labels, wanted, of=of)
        names.append(labels[number] if length > 1 else None)
        if axis in axes:
            places = places.take([number], axis=list(axes).index(axis))
    others = {axis: n for axis, n in axes.items() if axis not in "CZ" and n > 1}
    if len(others) > 1:
        raise ValueError(
            f"the pages of {of} have the axes {axes}; beside time there may be channels (C) and "
            "planes (Z) only. Save one of the others by itself, or give an array, such as "
            "tifffile.imread(path)[:, 0]"
        )
    return places.reshape(-1, 2), names[0], names[1]


def _with_time(
    axes: dict[str, int], *, channel: int | str | None, plane: int | str | None, of: str
) -> dict[str, int]:
    """Return the axes of pages, of which the only one is time unless a part of it is chosen."""
    several = [axis for axis, length in axes.items() if length > 1]
    planes = several == ["Z"] and plane is None
    channels = several == ["C"] and channel is None and axes["C"] > MOST_CHANNELS
    if not planes and not channels:
        return axes
    what = "plane" if planes else "channel"
    warnings.warn(
        f"the {axes[several[0]]} pages of {of} are marked as {what}s, and read as frames. If that "
        f"is wrong, say {what}=0; if it is right, save them with time as their axis",
        stacklevel=5,
    )
    return {"T" if axis == several[0] else axis: length for axis, length in axes.items()}
