"""What pages a TIFF file has, as tifffile describes them, and where their pixels are."""

from __future__ import annotations

import logging
import math
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.movies.files.choices import choose
from dj_photon_codecs.movies.files.libraries import library
from dj_photon_codecs.movies.files.scanimage import scan_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dj_photon_codecs.movies.files.scanimage import Scan

__all__ = ["TiffImage", "describe_tiff", "open_tiff", "reading_tiff"]


@dataclass(frozen=True)
class TiffImage:
    """Pages of a file, or of files that refer to each other, and what they are."""

    axes: dict[str, int]  # before those of a page, such as {"T": 100, "C": 2}
    page_axes: str  # "YX", or "YXS" of colour pictures
    frame: tuple[int, ...]
    dtype: np.dtype[Any]
    paths: tuple[Path, ...]
    # of each page: the number of its file, and that of itself, or (plain files) its first byte
    places: NDArray[np.int64]
    plain: tuple[np.dtype[Any] | None, ...]  # of each file, what it stores if it is plain
    name: str = ""
    channels: tuple[str, ...] = ()  # names, if the file tells them
    scan: Scan | None = None  # of ScanImage, the order of pages

    def __str__(self) -> str:
        lengths = "".join(f"{axis} {length}, " for axis, length in self.axes.items())
        return f"{lengths}{self.frame} {self.dtype}"


def open_tiff(path: Path) -> Any:
    """Open a file with tifffile; a damaged one is named."""
    tifffile = library("tifffile")
    with reading_tiff(path):
        # else its old files get pages by their distance, and the last one is not among them
        return tifffile.TiffFile(path, is_scanimage=False)


def describe_tiff(path: Path, *, dataset: int | str | None) -> TiffImage:
    """Describe the image of a file, one of several only if it is chosen.

    Raises
    ------
    ValueError
        If the file is damaged, if there are several images, or the pages are colour pictures.
    """
    with open_tiff(path) as file, reading_tiff(path):
        scan = scan_of(file)
        images = [_scanned(file, scan)] if scan else [_image(file, each) for each in file.series]
    image = _joined(images) if dataset is None else None
    if image is None:
        names = [image.name or str(image) for image in images]
        image = images[choose("dataset", names, dataset, of=str(path))]
    if "S" in image.page_axes:
        raise ValueError(
            f"{path} holds colour pictures, of shape {image.frame}; a pixel of a movie has one "
            "value. Give one colour, such as tifffile.memmap(path)[..., 1]"
        )
    return image


@contextmanager
def reading_tiff(path: Path) -> Iterator[None]:
    """Name the file of what tifffile raises, and of what it only writes into a log.

    Raises
    ------
    ValueError
        If the file is damaged.
    ImportError
        If a library that decompresses it is missing.
    """
    errors: list[str] = []
    handler = _Errors(errors)
    logging.getLogger("tifffile").addHandler(handler)
    try:
        yield
    except (ValueError, RuntimeError, IndexError, struct.error) as error:
        if "imagecodecs" in str(error):
            library("imagecodecs")
        errors.append(str(error))
    finally:
        logging.getLogger("tifffile").removeHandler(handler)
    if errors:
        raise ValueError(
            f"{path} cannot be read as TIFF ({errors[0]}): it is damaged, or was cut short. Copy "
            "it again from where it was recorded"
        )


class _Errors(logging.Handler):
    """What tifffile logs of damage; that a tag says nothing sensible is none."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._errors, self._thread = errors, threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.thread == self._thread and "TiffTag" not in text:
            self._errors.append(text)


def _scanned(file: Any, scan: Scan) -> TiffImage:
    file.pages.useframes = True  # of which only those tags are read that differ
    file.pages.set_keyframe(0)
    pages = list(file.pages)
    return replace(_described(file.pages.first, {"I": len(pages)}, pages), scan=scan)


def _image(file: Any, series: Any) -> TiffImage:
    page = series.keyframe
    axes: dict[str, int] = {}
    for axis, length in zip(series.axes, series.shape, strict=True):
        if axis not in page.axes:  # axes that nobody named have the same letter
            axes[f"{axis}{len(axes)}" if axis in axes else axis] = length
    if series.dataoffset is None:
        image = _described(page, axes, list(series))
    else:
        offsets = series.dataoffset + page.nbytes * np.arange(math.prod(axes.values()))
        image = _described(page, axes, [page], offsets=offsets)
    return replace(image, name=series.name, channels=_channel_names(file))


def _described(
    keyframe: Any,
    axes: dict[str, int],
    pages: list[Any],
    *,
    offsets: NDArray[np.int64] | None = None,
) -> TiffImage:
    """Describe pages, or, with `offsets` of all, those behind one that stands for them."""
    if None in pages:
        raise ValueError(f"page {pages.index(None)} is missing")
    files = {page.parent.filehandle.path: page.parent for page in pages}
    plain = keyframe.is_final and keyframe.dtype is not None
    if offsets is None:
        offsets = np.array([page.dataoffsets[0] if plain else page.index for page in pages])
        ends = [page.dataoffsets[-1] + page.databytecounts[-1] for page in pages]
    else:
        ends = [offsets[-1] + keyframe.nbytes]
    for page, end in zip(pages, ends, strict=True):
        if end > page.parent.filehandle.size:
            raise ValueError(f"page {page.index} ends at byte {end}, behind the end of the file")
    order = list(files)
    numbers = [order.index(page.parent.filehandle.path) for page in pages]
    return TiffImage(
        axes=axes,
        page_axes=keyframe.axes,
        frame=keyframe.shape,
        dtype=keyframe.dtype,
        paths=tuple(map(Path, order)),
        places=np.stack(np.broadcast_arrays(numbers, offsets), axis=1),
        plain=tuple(
            keyframe.dtype.newbyteorder(file.byteorder) if plain else None
            for file in files.values()
        ),
    )


def _joined(images: list[TiffImage]) -> TiffImage | None:
    """Return the only image, or all of them if each is a page like the others."""
    first = images[0]
    single = all(math.prod(image.axes.values()) == 1 for image in images)
    if len(images) == 1 or (single and len({(i.frame, i.dtype) for i in images}) == 1):
        places = np.concatenate([image.places for image in images])
        return first if len(images) == 1 else replace(first, axes={"I": len(images)}, places=places)
    return None


def _channel_names(file: Any) -> tuple[str, ...]:
    """Return the names of channels in an OME file, () where it has none."""
    if not file.is_ome:
        return ()
    image = library("tifffile").xml2dict(file.ome_metadata)["OME"]["Image"]
    channels = (image if isinstance(image, dict) else image[0])["Pixels"].get("Channel", [])
    channels = channels if isinstance(channels, list) else [channels]
    return tuple(str(each.get("Name", number)) for number, each in enumerate(channels))
