"""Write the frozen movies of a format version, once, before the first release that writes it.

    python tests/frozen/freeze.py tests/frozen/static
    python tests/frozen/freeze.py tests/frozen/adaptive

The folder must be new: what has been frozen is what users have on their stores, and is never
written again (what wrote 1.0 and 1.1 is in the history of this file). Each movie becomes a folder
with what lies on the store in ``movie.zarr``, the row of the database in ``row.json``, and what it
must decode to in ``expected.json``: dtypes, and SHA-256 of the bytes. (The movies of version 1.0
hold the arrays themselves.)
"""

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import fsspec
import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs import Calibration, CameraMovie, PhotonArray
from dj_photon_codecs.arrays.photon_array import open_movie
from dj_photon_codecs.layouts.choice import GROUPED, PLAIN, Compression
from dj_photon_codecs.layouts.dense import layout as dense_layout
from dj_photon_codecs.policy import Policy
from dj_photon_codecs.storage.documents.rows import write_row
from dj_photon_codecs.storage.files.movie_folder import MovieFolder
from dj_photon_codecs.storage.plan import plan_movie
from dj_photon_codecs.storage.writing import write_movie

COUNTS = Calibration()
DENSE = Compression(None, dense_layout.DenseLayout())
CAMERA = Calibration(gain=30, offset=100, variance=81)

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
    kinds = {"static": static, "adaptive": adaptive}[folder.name]
    for name, kind in kinds().items():
        freeze(kind, folder / name)


def static() -> dict[str, Kind]:
    """Every dtype; classes of frames, families, bins, escapes, holes, bands, filled last chunks."""
    generator = np.random.default_rng(1965)
    small = scene(generator, (45, 40, 50), (0.05, 300))
    small[7, 30:34, 20:24] += 900  # outliers
    dim = mixed(scene(generator, (45, 40, 50), (0.02, 5)))
    bright = scene(generator, (40, 40, 50), (20, 1500))
    light = 1 + np.arange(45)[:, None, None] // 9
    flashing = generator.poisson(light * np.geomspace(0.1, 9, 4000).reshape(50, 80))
    flashing[:, ::7, ::5] *= generator.integers(0, 3, (45, 8, 16))
    clipped = np.clip(np.rint(60 * dim + generator.normal(0, 30, dim.shape)), 0, 1500)
    large = scene(generator, (20, 160, 170), (0.05, 2))
    spikes = dim.copy()
    spikes[::9, ::11, ::13] = 50_000
    volume = scene(generator, (40, 3, 24, 30), (0.5, 300))
    half_dark = np.concatenate([small[:30], np.zeros_like(small[:15])])
    whole = {
        "static-uint8": (np.minimum(small, 255).astype("u1"), COUNTS),
        "static-int8": ((dim - 1).astype("i1"), CAMERA),
        "static-uint16": (small.astype("u2"), COUNTS),
        "static-int16": (camera(dim, "i2"), CAMERA),
        "static-uint32": ((small * 70_000).astype("u4"), COUNTS),
        "static-int32": (camera(bright, "i4") - 4000, CAMERA),
        "static-uint64": ((small + (1 << 40)).astype("u8"), COUNTS),
        "static-int64": (small - (1 << 40), CAMERA),
        "static-4-dimensions": (volume.astype("u2"), COUNTS),
        "static-classes": (flashing.astype("u2"), COUNTS),
        "static-clipped": (clipped.astype("u2"), Calibration(60, 0, 900)),
        "static-holes": ((dim * dim * 40).astype("u2"), COUNTS),
        "static-escapes": (spikes.astype("u2"), COUNTS),
        "static-few-frames": (scene(generator, (4, 60, 70), (1, 30)).astype("u2"), COUNTS),
        "static-bands": (large.astype("u2"), COUNTS),
        "static-dark-frames": (half_dark.astype("u2"), COUNTS),
    }
    kinds = {
        name: Kind(values, GROUPED, calibration, frames_per_chunk=min(len(values), 40))
        for name, (values, calibration) in whole.items()
    }
    kinds["static-classes"] = Kind(flashing.astype("u2"), GROUPED, frames_per_chunk=45)
    kinds["static-steps"] = Kind(camera(small, "i2"), GROUPED, CAMERA, 0.5, frames_per_chunk=45)
    return kinds


def adaptive() -> dict[str, Kind]:
    """Every dtype; bins, escapes, values, changes of brightness, few frames, filled last chunks.

    Neighbours resemble each other, and no static model is preferred.
    """
    dense_layout.NEAR = 0.0
    dense_layout.__dict__["compress_below"] = lambda *_: None
    generator = np.random.default_rng(2022)
    small = blurred(scene(generator, (45, 24, 40), (0.2, 300)))
    small[7, 10:14, 20:24] += 900  # outliers
    dim = blurred(scene(generator, (45, 24, 40), (0.1, 5)))
    bright = blurred(scene(generator, (40, 24, 40), (20, 500)))
    changing = blurred(
        generator.poisson(40.0 * (1 + np.arange(45) // 9)[:, None, None] ** 2 + small)
    )
    clipped = np.clip(np.rint(60 * dim + 20 * generator.normal(0, 3, dim.shape)), 60, 1500)
    spikes = dim.copy()
    spikes[::9, ::11, ::13] = 50_000
    volume = blurred(scene(generator, (30, 3, 20, 30), (0.5, 300)))
    half_dark = np.concatenate([small[:30], np.zeros_like(small[:15])])
    frame = blurred(scene(generator, (1, 90, 70), (1, 30)))
    row = blurred(scene(generator, (40, 1, 700), (1, 300)))
    whole = {
        "adaptive-uint8": (np.minimum(small, 255).astype("u1"), COUNTS),
        "adaptive-int8": ((np.minimum(dim, 127) - 1).astype("i1"), CAMERA),
        "adaptive-uint16": (small.astype("u2"), COUNTS),
        "adaptive-int16": (camera(dim, "i2"), CAMERA),
        "adaptive-uint32": ((small * 70_000).astype("u4"), COUNTS),
        "adaptive-int32": (camera(bright, "i4") - 4000, CAMERA),
        "adaptive-uint64": ((small + (1 << 40)).astype("u8"), COUNTS),
        "adaptive-int64": (small - (1 << 40), CAMERA),
        "adaptive-4-dimensions": (volume.astype("u2"), COUNTS),
        "adaptive-changing": (changing.astype("u2"), COUNTS),
        "adaptive-clipped": (clipped.astype("u2"), Calibration(60, 0, 900)),
        "adaptive-holes": ((dim * dim * 40).astype("u2"), COUNTS),
        "adaptive-escapes": (spikes.astype("u2"), COUNTS),
        "adaptive-few-frames": (small[20:24].astype("u2"), COUNTS),
        "adaptive-one-frame": (frame.astype("u2"), COUNTS),
        "adaptive-one-row": (row.astype("u2"), COUNTS),
        "adaptive-dark-frames": (half_dark.astype("u2"), COUNTS),
    }
    kinds = {
        name: Kind(values, DENSE, calibration, frames_per_chunk=min(len(values), 40))
        for name, (values, calibration) in whole.items()
    }
    kinds["adaptive-steps"] = Kind(camera(small, "i2"), DENSE, CAMERA, 0.5, frames_per_chunk=45)
    return kinds


def blurred(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Add to each pixel the one before it, and what of it there was in the frame before."""
    added: NDArray[np.int64] = (
        counts + np.roll(counts, 1, axis=-1) + np.roll(counts, 1, axis=0) // 2
    )
    return added


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
