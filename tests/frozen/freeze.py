"""Write the frozen fixtures of a format, once, before the first version that writes it lands.

    python tests/frozen/freeze.py FOLDER

FOLDER must be new: what has been frozen is what users have on their stores, and is never written
again. Each movie becomes a folder with the movie as it was inserted in ``inserted.npy`` and, in
``movie.zarr``, what lies on the store.
"""

import sys
from pathlib import Path

import fsspec
import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs import Calibration, CameraMovie
from dj_photon_codecs.compression import CANDIDATES
from dj_photon_codecs.movies import survey
from dj_photon_codecs.writing import write_movie

FRAMES_PER_CHUNK = 10


def main(folder: Path) -> None:
    folder.mkdir()
    for name, values in lossless_movies().items():
        freeze(CameraMovie(values, Calibration()), folder / name)


def lossless_movies() -> dict[str, NDArray[np.generic]]:
    generator = np.random.default_rng(1948)
    counts = generator.poisson(5, (20, 4, 5))
    return {
        "uint8": counts.astype("uint8"),
        "uint16": (counts * 300).astype("uint16"),
        "float32": (counts / 7).astype("float32"),
        "short-last-chunk-int64": generator.poisson(0.5, (13, 4, 5)),
    }


def freeze(movie: CameraMovie, folder: Path) -> None:
    folder.mkdir()
    values = np.asarray(movie.values)
    np.save(folder / "inserted.npy", values)
    write_movie(
        movie,
        fsspec.filesystem("file"),
        (folder / "movie.zarr").as_posix(),
        found=survey(values, counts=False),
        frames_per_chunk=FRAMES_PER_CHUNK,
        compression=CANDIDATES[0],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
