"""Movies made of a real one, in the ways of laboratories: cut, binned, averaged, smoothed, clipped.

Each is seeded; `variants` gives those that suit a movie, as a function of its place in a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from subjects import Movie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Frames = NDArray[Any]

EACH = 6  # variants of a movie


def corner(movie: Frames) -> Frames:
    """Cut out frames of three fifths of the sides, at a random place."""
    rng = np.random.default_rng(len(movie))
    sides = [3 * side // 5 for side in movie.shape[1:]]
    y, x = (int(rng.integers(0, 2 * side // 3)) for side in sides)
    return movie[:, y : y + sides[0], x : x + sides[1]]


def binned(movie: Frames) -> Frames:
    """Add up squares of 2 x 2 pixels."""
    height, width = (side // 2 for side in movie.shape[1:])
    squares = movie[:, : 2 * height, : 2 * width].reshape(-1, height, 2, width, 2)
    return _fitting(squares.sum(axis=(2, 4), dtype=np.int64))


def averaged(movie: Frames) -> Frames:
    """Average each two frames."""
    pairs = movie[: len(movie) // 2 * 2].reshape(-1, 2, *movie.shape[1:])
    return _fitting(np.rint(pairs.mean(axis=1)))


def running(movie: Frames) -> Frames:
    """Average each frame with those before and after."""
    return _fitting(np.rint((movie[:-2] + 1.0 * movie[1:-1] + movie[2:]) / 3))


def blurred(movie: Frames) -> Frames:
    """Smooth over the 3 x 3 neighbours."""
    rows = movie[:, :-2] + 2.0 * movie[:, 1:-1] + movie[:, 2:]
    return _fitting(np.rint((rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 16))


def without_background(movie: Frames) -> Frames:
    """Subtract of each pixel its median over time."""
    return _fitting(movie - np.rint(np.median(movie, axis=0)))


def enlarged(movie: Frames) -> Frames:
    """Enlarge the middle of the frames by 2, in straight lines between the pixels."""
    height, width = (side // 4 for side in movie.shape[1:])
    rows = _twice(movie[:, height : 3 * height, width : 3 * width].astype(float))
    return _fitting(np.rint(np.swapaxes(_twice(np.swapaxes(rows, 1, 2)), 1, 2)))


def clipped(movie: Frames) -> Frames:
    """Clip the darkest third and the brightest hundredth of the values."""
    return np.clip(movie, *np.quantile(movie, (0.33, 0.995), method="nearest"))


def stretched(movie: Frames) -> Frames:
    """Stretch the values by 1.7, which leaves gaps between them."""
    return _fitting(np.rint(1.7 * movie))


def eight_bits(movie: Frames) -> Frames:
    """Scale the values to bytes."""
    low, high = np.quantile(movie, (0, 0.999))
    return np.clip(np.rint(255 * (movie - low) / (high - low)), 0, 255).astype("u1")


def begun(frames: int) -> Callable[[Frames], Frames]:
    """Return what keeps so many frames of the middle."""
    return lambda movie: movie[len(movie) // 3 :][:frames]


VARIANTS: dict[str, Callable[[Frames], Frames]] = {
    "4 frames": begun(4),
    "blurred": blurred,
    "corner": corner,
    "clipped": clipped,
    "5 frames": begun(5),
    "averaged": averaged,
    "10 frames": begun(10),
    "enlarged": enlarged,
    "binned": binned,
    "running": running,
    "without background": without_background,
    "stretched": stretched,
    "19 frames": begun(19),
    "8 bits": eight_bits,
}


def variants(movie: Movie, *, place: int) -> Iterator[Movie]:
    """Yield `EACH` variants of a movie, others for each place."""
    names = list(VARIANTS)
    for number in range(EACH * place, EACH * (place + 1)):
        name = names[number % len(names)]
        values = np.ascontiguousarray(VARIANTS[name](movie.values))
        yield Movie(f"{movie.name}, {name}", values)


def _twice(rows: Frames) -> Frames:
    """Put the mean of each two rows between them."""
    out = np.repeat(rows, 2, axis=1)
    out[:, 1:-1:2] = (rows[:, :-1] + rows[:, 1:]) / 2
    return out


def _fitting(values: Frames) -> Frames:
    """Return whole numbers in 16 bits, signed if any is negative."""
    return values.astype("i2" if values.min() < 0 else "u2")
