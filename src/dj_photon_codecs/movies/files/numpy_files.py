"""Movies in NumPy's files, and in the raw files of suite2p."""

from __future__ import annotations

import math
import pickle
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.lib import format as npy

from dj_photon_codecs.movies.files.choices import choose, choose_array
from dj_photon_codecs.movies.files.open_files import OpenFiles
from dj_photon_codecs.movies.files.paths import in_natural_order, represent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

DAMAGED = (ValueError, EOFError, OSError, BadZipFile, zlib.error, pickle.UnpicklingError)

__all__ = ["NumpyMovie", "is_suite2p", "read_npy", "read_npz", "read_suite2p"]


@dataclass(frozen=True, eq=False, repr=False)
class NumpyMovie:
    """A movie in a file that NumPy maps into memory, or reads whole; from `read_movie`.

    Attributes
    ----------
    path : Path
        The file.
    shape : tuple of int
        Frames, height, width.
    dtype : numpy.dtype
        As the file has it.
    channel, plane, dataset : str or None
        Which one, where there are several.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    _opened: OpenFiles
    channel: str | None = None
    plane: str | None = None
    dataset: str | None = None

    def __repr__(self) -> str:
        chosen = {"channel": self.channel, "plane": self.plane, "dataset": self.dataset}
        return represent(self, [self.path], **chosen)

    def __getitem__(self, selection: Any) -> NDArray[Any]:
        """Return frames."""
        return self.in_place()[selection]

    def in_place(self) -> NDArray[Any]:
        """Return the array: a memory map, but for those of a .npz."""
        with self._opened.reading(self.path) as array:
            return array


def _mapped(path: Path) -> NDArray[Any]:
    with _naming(path):
        return np.load(path, mmap_mode="r")


def read_npy(path: Path) -> NumpyMovie:
    """Map the array of a .npy file into memory."""
    array = _mapped(path)
    return NumpyMovie(path, array.shape, array.dtype, OpenFiles(_mapped))


def _from_archive(path: Path, *, name: str) -> NDArray[Any]:
    with _naming(path), path.open("rb") as file, np.load(file) as archive:
        return archive[name]


def read_npz(path: Path, *, dataset: int | str | None) -> NumpyMovie:
    """Read an array of a .npz file, the only one of three dimensions or more if none is chosen."""
    with _naming(path), ZipFile(path) as archive:
        movies = [
            name.removesuffix(".npy") for name in archive.namelist() if _is_movie(archive, name)
        ]
    name = movies[choose_array(movies, dataset, of=str(path))]
    opener = partial(_from_archive, name=name)
    array = opener(path)
    return NumpyMovie(path, array.shape, array.dtype, OpenFiles(opener), dataset=name)


def _is_movie(archive: ZipFile, name: str) -> bool:
    """Return whether a file in an archive holds numbers in 3 dimensions or more, by its header."""
    with archive.open(name) as file:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file)
    return len(shape) >= 3 and dtype.kind in "buif"


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file that NumPy cannot read."""
    try:
        yield
    except DAMAGED as error:
        raise ValueError(
            f"{path} cannot be read as a file of NumPy ({error}): it is damaged, or was cut short, "
            "or holds no numbers. Copy it again from where it was written"
        ) from error


def _from_binary(path: Path, *, frame: tuple[int, int]) -> NDArray[Any]:
    with _naming(path):
        return np.memmap(path, "<i2", "r").reshape(-1, *frame)


def is_suite2p(folder: Path) -> bool:
    """Return whether a folder is one of suite2p, or of one of its planes."""
    return any(folder.glob("data*.bin")) or any(folder.glob("plane*/*.npy"))


class _Settings(pickle.Unpickler):
    """Settings of suite2p: arrays and numbers of NumPy are made, anything else is left empty."""

    def find_class(self, module: str, name: str) -> Any:
        known = {"_reconstruct", "scalar", "ndarray", "dtype"}
        if module.partition(".")[0] == "numpy" and name in known:
            return super().find_class(module, name)
        return _LeftEmpty


class _LeftEmpty:
    """What stands for an object that is not made, whatever it is made of."""

    def __init__(self, *_: Any) -> None: ...
    def __setstate__(self, _: Any) -> None: ...
    def __setitem__(self, *_: Any) -> None: ...


def _settings(path: Path) -> dict[str, Any]:
    """Return settings, refused unless they tell the size of frames.

    Raises
    ------
    ValueError
        If they do not.
    """
    try:
        with path.open("rb") as file:
            npy.read_magic(file)
            npy.read_array_header_1_0(file)
            settings = _Settings(file).load().item()
        if min(int(settings["Ly"]), int(settings["Lx"])) > 0:
            return dict(settings)
        found: object = f"Ly {settings['Ly']} and Lx {settings['Lx']}"
    except (*DAMAGED, LookupError, TypeError, AttributeError, ImportError) as error:
        found = error
    raise ValueError(f"{path} tells no size of frames, Ly and Lx ({found}); it is not of suite2p")


def read_suite2p(path: Path, *, channel: int | str | None, plane: int | str | None) -> NumpyMovie:
    """Map the registered frames of suite2p: its folder, that of a plane, or a .bin file in it.

    Their size is that of ``ops.npy`` or ``db.npy``. These are pickles, of which nothing but numbers
    and arrays is made, so that they run no code.

    Raises
    ------
    ValueError
        If there are several planes or channels and none is chosen, or the file was cut short.
    FileNotFoundError
        If there is neither, or no .bin file.
    """
    planes = in_natural_order(path.glob("plane*/"))
    level = choose("plane", [each.name for each in planes] or ["0"], plane, of=str(path))
    folder = planes[level] if planes else path
    files = [path] if path.is_file() else in_natural_order(folder.glob("data*.bin"))
    if not files:
        raise FileNotFoundError(
            f"{folder} has no data.bin; run suite2p with delete_bin=False to keep it"
        )
    number = choose("channel", [file.name for file in files], channel, of=str(folder))
    file = files[number]
    told = [each for name in ("ops.npy", "db.npy") if (each := file.parent / name).exists()]
    if not told:
        raise FileNotFoundError(f"{file.parent} has no ops.npy, which tells the size of frames")
    settings = _settings(told[0])
    frame = int(settings["Ly"]), int(settings["Lx"])
    frames, rest = divmod(file.stat().st_size, 2 * math.prod(frame))
    if rest or not frames or frames != settings.get("nframes", frames):
        raise ValueError(
            f"{file} has {file.stat().st_size} bytes, and {told[0].name} tells of "
            f"{settings.get('nframes', 'any number of')} frames of {frame} int16; it was cut "
            "short, or is being written"
        )
    return NumpyMovie(
        file,
        (frames, *frame),
        np.dtype("<i2"),
        OpenFiles(partial(_from_binary, frame=frame)),
        channel=file.name if len(files) > 1 else None,
        plane=folder.name if len(planes) > 1 else None,
    )
