"""Write the frozen fixtures of a format, once, before the first version that writes it lands.

    python tests/frozen/freeze.py FOLDER

FOLDER must be new: what has been frozen is what users have on their stores, and is never written
again. Each movie becomes a folder with the movie as it was inserted in ``inserted.npy`` and, in
``movie.zarr``, what lies on the store. A movie in steps has its photons beside it, as they
decoded then.
"""

import sys
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs import Calibration, CameraMovie
from dj_photon_codecs.arrays.photon_array import open_movie
from dj_photon_codecs.layouts.choice import CANDIDATES, Compression
from dj_photon_codecs.layouts.dense.layout import DenseLayout
from dj_photon_codecs.layouts.grouped import grouping
from dj_photon_codecs.storage.movie_folder import MovieFolder
from dj_photon_codecs.storage.plan import plan_movie
from dj_photon_codecs.storage.policy import Policy
from dj_photon_codecs.storage.writing import write_movie

FRAMES_PER_CHUNK = 10
CAMERA = Calibration(gain=30, offset=100, variance=81)


def main(folder: Path) -> None:
    folder.mkdir()
    plain, grouped = CANDIDATES[0], CANDIDATES[-1]
    for name, values in lossless_movies().items():
        freeze(CameraMovie(values, Calibration()), folder / name, plain)
    scene = np.random.default_rng(1922).poisson(np.geomspace(0.05, 300, 600), (24, 600))
    counts = scene.reshape(24, 20, 30).astype("uint16")
    freeze(CameraMovie(counts, Calibration()), folder / "grouped-uint16", grouped)
    values = camera_values()
    freeze(CameraMovie(values, CAMERA), folder / "camera-int16", plain)
    freeze(CameraMovie(values, CAMERA, 0.5), folder / "step-of-half-int16", plain)
    freeze(CameraMovie(counts, Calibration(), 1.0), folder / "step-of-one-grouped", grouped)
    dense = Compression(None, DenseLayout())
    for name, (values, calibration) in movies_to_be_dense().items():
        frames_per_chunk = 90 if name == "dense-long-uint8" else 24
        freeze(
            CameraMovie(values, calibration),
            folder / name,
            dense,
            frames_per_chunk=frames_per_chunk,
        )
    grouping.FEWEST_BYTES = 0  # so that a fixture is large enough for codes that are left whole
    freeze(
        CameraMovie(bright_counts(), Calibration()),
        folder / "grouped-whole-uint16",
        grouped,
        frames_per_chunk=20,
    )


def lossless_movies() -> dict[str, NDArray[np.generic]]:
    generator = np.random.default_rng(1948)
    counts = generator.poisson(5, (20, 4, 5))
    return {
        "uint8": counts.astype("uint8"),
        "uint16": (counts * 300).astype("uint16"),
        "float32": (counts / 7).astype("float32"),
        "short-last-chunk-int64": generator.poisson(0.5, (13, 4, 5)),
    }


def movies_to_be_dense() -> dict[str, tuple[NDArray[np.generic], Calibration]]:
    """Dim and bright ones, outliers, noise of many bits, holes, values below zero, fractions."""
    generator = np.random.default_rng(2013)
    photons = generator.poisson(np.geomspace(0.05, 300, 3000), (30, 3000)).reshape(30, 50, 60)
    photons[7, 30:34, 20:24] += 900
    counts, bright = photons.astype("uint16"), photons[:, 30:]
    dim = counts[:24, :25].astype("uint8")
    camera = np.rint(100 + 30 * bright + generator.normal(0, 9, bright.shape))
    rising = generator.poisson(np.linspace(1, 9, 90 * 200).reshape(90, 50, 4))
    return {
        "dense-uint16": (counts, Calibration()),
        "dense-camera-int32": (camera.astype("int32") - 150, replace(CAMERA, offset=-50)),
        "dense-holes-int16": (4 * (counts // 2 * 7 % 4096).astype("int16") - 9, CAMERA),
        "dense-plain-float32": ((counts[:26, -6:] / 7).astype("float32"), Calibration()),
        "dense-long-uint8": (rising.astype("uint8"), Calibration()),
        "dense-dark-uint8": (np.append(0 * dim, dim, axis=0), Calibration()),
    }


def bright_counts() -> NDArray[np.uint16]:
    generator = np.random.default_rng(2011)
    rates = generator.permutation(np.geomspace(20, 3000, 1800)).reshape(30, 60)
    return generator.poisson(rates, (26, 30, 60)).astype("uint16")


def camera_values() -> NDArray[np.int16]:
    generator = np.random.default_rng(1998)
    electrons = 30 * generator.poisson(2, (20, 4, 5)) + generator.normal(0, 9, (20, 4, 5))
    return np.rint(CAMERA.offset + electrons).astype("int16")


def freeze(
    movie: CameraMovie,
    folder: Path,
    compression: Compression,
    *,
    frames_per_chunk: int = FRAMES_PER_CHUNK,
) -> None:
    folder.mkdir()
    fs, path = fsspec.filesystem("file"), (folder / "movie.zarr").as_posix()
    values = np.asarray(movie.values)
    np.save(folder / "inserted.npy", values)
    policy = Policy(
        frames_per_chunk=frames_per_chunk,
        compressor=compression.compressor,
        layout=compression.layout,
    )
    documents = write_movie(movie, plan_movie(movie, policy), folder=MovieFolder(fs, path))
    if movie.step is not None:  # what cannot be computed from what was inserted
        np.save(folder / "photons.npy", open_movie(fs, path, documents).photons[:])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
