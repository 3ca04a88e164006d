"""Write the frozen movies of a format version, once, before the first release that writes it.

    python tests/frozen/freeze.py tests/frozen/1.1

The folder must be new: what has been frozen is what users have on their stores, and is never
written again. Each movie becomes a folder with what lies on the store in ``movie.zarr``, the row of
the database in ``row.json``, and what it must decode to in ``expected.json``: dtypes, and SHA-256
of the bytes. (The movies of version 1.0 hold the arrays themselves.)
"""

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import fsspec
import numcodecs
import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs import Calibration, CameraMovie, PhotonArray
from dj_photon_codecs.arrays.photon_array import open_movie
from dj_photon_codecs.layouts.choice import GROUPED, PLAIN, Compression
from dj_photon_codecs.layouts.dense.layout import DenseLayout
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage.documents.rows import write_row
from dj_photon_codecs.storage.files.movie_folder import MovieFolder
from dj_photon_codecs.storage.plan import plan_movie
from dj_photon_codecs.storage.writing import write_movie

COUNTS = Calibration()
CAMERA = Calibration(gain=30, offset=100, variance=81)
DENSE = Compression(None, DenseLayout())

Values = NDArray[np.generic]


@dataclass(frozen=True)
class Kind:
    """A movie, and how it is stored."""

    values: Values
    compression: Compression = PLAIN
    calibration: Calibration = COUNTS
    step: float | None = None
    frames_per_chunk: int = 10


def main(folder: Path) -> None:
    folder.mkdir()

    for name, kind in {**plain(), **grouped(), **dense(), **steps()}.items():
        freeze(kind, folder / name)


def plain() -> dict[str, Kind]:
    """Every dtype of codes and of inserted values, dimensions, compressors."""
    generator = np.random.default_rng(1948)
    counts = generator.poisson(5, (23, 4, 5))
    signed = counts - 3
    kinds = {
        "plain-bool": Kind(counts > 5),
        "plain-uint8": Kind(counts.astype("u1")),
        "plain-int8": Kind(signed.astype("i1")),
        "plain-uint16": Kind((counts * 300).astype("u2")),
        "plain-int16": Kind((signed * 300).astype("i2")),
        "plain-uint32": Kind((counts * 70_000).astype("u4")),
        "plain-int32": Kind((signed * 70_000).astype("i4")),
        "plain-uint64": Kind((counts * (1 << 40)).astype("u8")),
        "plain-int64": Kind((signed * (1 << 40)).astype("i8")),
        "plain-float16": Kind((counts / 7).astype("f2")),
        "plain-float32": Kind((counts / 7).astype("f4")),
        "plain-float64": Kind(counts / 7),
        "plain-big-endian-int16": Kind((signed * 300).astype(">i2")),
        "plain-big-endian-float32": Kind((counts / 7).astype(">f4")),
        "plain-whole-float32": Kind(counts.astype("f4")),
        "plain-counts-int64": Kind(counts),
        "plain-camera-int16": Kind(camera(counts, "i2"), calibration=CAMERA),
        "plain-4-dimensions": Kind(generator.poisson(5, (12, 3, 4, 5)).astype("u2")),
        "plain-zlib": Kind(counts, Compression(numcodecs.Zlib(5))),
        "plain-uncompressed": Kind(counts, Compression(None)),
        "plain-delta": Kind(counts, Compression(numcodecs.Zstd(3), numcodecs.Delta("u1"))),
    }
    # negative values are none of photon counts
    return {
        name: Kind(kind.values, kind.compression, CAMERA) if np.less(kind.values, 0).any() else kind
        for name, kind in kinds.items()
    }


def grouped() -> dict[str, Kind]:
    """Dim and bright pixels, outliers, holes, values below zero, codes that are left whole."""
    generator = np.random.default_rng(1922)
    large = mixed(scene(generator, (100, 128, 128), (0.02, 20)))
    large[:, -1] *= 30
    small = mixed(scene(generator, (45, 40, 50), (0.05, 100)))
    small[7, 30:34, 20:24] += 900
    dim = mixed(scene(generator, (45, 40, 50), (0.02, 5)))
    bright = mixed(scene(generator, (40, 40, 50), (20, 3000)))
    volume = mixed(scene(generator, (40, 3, 24, 30), (0.5, 300)))
    kinds = {
        "grouped-uint16": (large.astype("u2"), COUNTS),
        "grouped-uint8": ((small % 251 // 3 * 3).astype("u1"), COUNTS),
        "grouped-int8": ((dim - 1).astype("i1"), CAMERA),
        "grouped-int16": (camera(dim, "i2") - 200, CAMERA),
        "grouped-uint32": ((small + 70_000).astype("u4"), COUNTS),
        "grouped-int32": (camera(bright, "i4") - 4000, CAMERA),
        "grouped-uint64": ((small + (1 << 40)).astype("u8"), COUNTS),
        "grouped-int64": (small - (1 << 40), CAMERA),
        "grouped-whole": (bright.astype("u2"), COUNTS),
        "grouped-4-dimensions": (volume.astype("u2"), COUNTS),
    }
    return {
        name: Kind(values, GROUPED, calibration, frames_per_chunk=100 if len(values) == 100 else 25)
        for name, (values, calibration) in kinds.items()
    }


def dense() -> dict[str, Kind]:
    """Dim and bright pixels, outliers, holes, values below zero, fractions, dark frames."""
    generator = np.random.default_rng(2013)
    large = scene(generator, (100, 128, 128), (0.05, 30))
    large[:, -1] *= 30
    small = scene(generator, (30, 50, 60), (0.05, 300))
    small[7, 30:34, 20:24] += 900
    bright = small[:, 30:]
    dim = scene(generator, (24, 25, 60), (0.02, 2))
    dark = np.append(0 * dim, dim, axis=0)
    volume = scene(generator, (30, 3, 16, 20), (0.05, 30))
    return {
        "dense-uint16": Kind(large.astype("u2"), DENSE, frames_per_chunk=100),
        "dense-uint8": Kind(dark.astype("u1"), DENSE, frames_per_chunk=24),
        "dense-int8": Kind((dim - 1).astype("i1"), DENSE, CAMERA, frames_per_chunk=24),
        "dense-int16": Kind(
            (4 * (small // 2 * 7 % 4096) - 9).astype("i2"), DENSE, CAMERA, frames_per_chunk=24
        ),
        "dense-uint32": Kind((bright * 70_000).astype("u4"), DENSE, frames_per_chunk=24),
        "dense-int32": Kind(camera(bright, "i4") - 70_000, DENSE, CAMERA, frames_per_chunk=24),
        "dense-uint64": Kind((dim * (1 << 33)).astype("u8"), DENSE, frames_per_chunk=24),
        "dense-int64": Kind(dim - (1 << 40), DENSE, CAMERA, frames_per_chunk=24),
        "dense-float32": Kind((small[:26, -6:] / 7).astype("f4"), DENSE, frames_per_chunk=24),
        "dense-4-dimensions": Kind(volume.astype("u2"), DENSE, frames_per_chunk=24),
    }


def steps() -> dict[str, Kind]:
    """Fine and coarse ones, in every layout; values that were clipped; movies without peaks."""
    generator = np.random.default_rng(1998)
    small = scene(generator, (45, 40, 50), (0.05, 300))
    clipped = np.clip(np.rint(100 * small[:, :20] + generator.normal(0, 30, (45, 20, 50))), 0, None)
    fractions = (small[:, :10] / 7).astype("f4")
    tube = Calibration(gain=100, offset=0, variance=900)
    return {
        "steps-plain": Kind(camera(small[:20, :4, :5], "i2"), PLAIN, CAMERA, 0.5),
        "steps-grouped": Kind(camera(small, "i2"), GROUPED, CAMERA, 0.25, frames_per_chunk=45),
        "steps-dense": Kind(camera(small, "i2"), DENSE, CAMERA, 0.5, frames_per_chunk=45),
        "steps-counts": Kind(small.astype("u2"), GROUPED, COUNTS, 1.0, frames_per_chunk=45),
        "steps-clipped": Kind(clipped.astype("u2"), GROUPED, tube, 1.0, frames_per_chunk=45),
        "steps-float32": Kind(fractions, DENSE, COUNTS, 0.5, frames_per_chunk=45),
    }


def scene(
    generator: np.random.Generator, shape: tuple[int, ...], rates: tuple[float, float]
) -> NDArray[np.int64]:
    """Draw counts of pixels of many brightnesses, which lie beside their like."""
    pixels = np.geomspace(*rates, int(np.prod(shape[1:]))).reshape(shape[1:])
    return generator.poisson(pixels, shape)


def mixed(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Lay pixels beside others than their like."""
    frames = counts.reshape(len(counts), -1)
    return np.random.default_rng(1809).permutation(frames, axis=1).reshape(counts.shape)


def camera(counts: NDArray[np.int64], dtype: str) -> Values:
    noise = np.random.default_rng(1937).normal(0, 9, counts.shape)
    values: Values = np.rint(CAMERA.offset + CAMERA.gain * counts + noise).astype(dtype)
    return values


def freeze(kind: Kind, folder: Path) -> None:
    folder.mkdir()
    fs, path = fsspec.filesystem("file"), (folder / "movie.zarr").as_posix()
    movie = CameraMovie(kind.values, kind.calibration, kind.step)
    policy = Policy(
        frames_per_chunk=kind.frames_per_chunk,
        compressor=kind.compression.compressor,
        layout=kind.compression.layout,
    )
    documents = write_movie(movie, plan_movie(movie, policy), folder=MovieFolder(fs, path))
    row = write_row(documents, path="movie.zarr", store="imaging")
    expected = digests(open_movie(fs, path, documents))
    if kind.step is None:
        assert expected["raw"] == digest(kind.values), folder
    for name, document in {"row": row, "expected": expected}.items():
        text = json.dumps(document, allow_nan=False, indent=1)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def digests(movie: PhotonArray) -> dict[str, list[str]]:
    """Return the dtype and the SHA-256 of all that a movie decodes to."""
    arrays = {"values": movie[:], "raw": movie.raw[:], "photons": movie.photons[:]}
    return {name: digest(array) for name, array in arrays.items()}


def digest(values: Values) -> list[str]:
    return [str(values.dtype), hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
