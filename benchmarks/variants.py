"""Movies made of a real one, in the ways of laboratories: cut, binned, averaged, smoothed, clipped.

Each is seeded; `variants` gives those that suit a movie, as a function of its place in a list, and
`crop` a random part of it in any of these ways, or those of `RARER`.
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


def repeated(movie: Frames) -> Frames:
    """Repeat each pixel, line and column, as an enlarged picture does."""
    return np.repeat(np.repeat(movie[:, ::2, ::2], 2, axis=1), 2, axis=2)


def repeated_lines(movie: Frames) -> Frames:
    """Repeat each line, as where every other one is missing."""
    return np.repeat(movie[:, ::2], 2, axis=1)


def repeated_columns(movie: Frames) -> Frames:
    """Repeat each column three times."""
    return np.repeat(movie[:, :, ::3], 3, axis=2)


def repeated_frames(movie: Frames) -> Frames:
    """Repeat each frame, as where a slow camera is read too often."""
    return np.repeat(movie[: (len(movie) + 1) // 2], 2, axis=0)


def dropped_frames(movie: Frames) -> Frames:
    """Repeat the frame before in place of every tenth one, as where some were dropped."""
    rng = np.random.default_rng(len(movie))
    before = np.arange(len(movie)) - (rng.random(len(movie)) < 1 / 10)
    return movie[np.maximum(before, 0)]


def moved(movie: Frames) -> Frames:
    """Move each frame by up to 5 pixels, as motion correction does: zeros come in at its edges."""
    rng = np.random.default_rng(len(movie))
    out = np.zeros_like(movie)
    for frame, moving, (y, x) in zip(out, movie, rng.integers(-5, 6, (len(movie), 2)), strict=True):
        frame[_inside(y), _inside(x)] = moving[_inside(-y), _inside(-x)]
    return out


def saturated(movie: Frames) -> Frames:
    """Saturate a tenth of the values."""
    return np.minimum(movie, np.quantile(movie, 0.9, method="nearest"))


def interlaced(movie: Frames) -> Frames:
    """Add a tenth of the brightness to every other line, as where a scanner's two ways differ."""
    scale = 1 + 0.1 * (np.arange(movie.shape[1])[:, None] % 2)
    return _fitting(np.rint(movie * scale + 3 * (scale > 1)))


def dead(movie: Frames) -> Frames:
    """Let each twentieth row and column be dead."""
    out = movie.copy()
    out[:, 7::20] = out[..., 3::20] = 0
    return out


def missing_codes(movie: Frames) -> Frames:
    """Let an analogue-to-digital converter lack each eighth code."""
    return movie + (movie % 8 == 7).astype(movie.dtype)


def scaled(movie: Frames) -> Frames:
    """Scale the values to 16 bits, as cameras of 12 bits do."""
    return _fitting(np.clip(movie.astype(np.int64), 0, 4095) * 16)


def signed(movie: Frames) -> Frames:
    """Subtract an offset, so that most values are below zero."""
    return (movie - np.int32(1000)).astype("i2")


def averaged_by_four(movie: Frames) -> Frames:
    """Average each four frames."""
    fours = movie[: max(len(movie) // 4, 1) * 4]
    return _fitting(np.rint(fours.reshape(-1, min(4, len(fours)), *movie.shape[1:]).mean(axis=1)))


def label_mask(movie: Frames) -> Frames:
    """Number bright regions of the smoothed mean, where they are bright in a frame."""
    from scipy.ndimage import gaussian_filter, label  # noqa: PLC0415, since scipy may be missing

    labels = label((mean := gaussian_filter(movie.mean(axis=0), 2)) > np.quantile(mean, 0.7))[0]
    bright = gaussian_filter(movie.astype(float), (1, 1, 1)) > np.quantile(movie, 0.3)
    return _fitting(labels * bright)


def binary_mask(movie: Frames) -> Frames:
    """Tell which pixels of the smoothed movie are bright."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415, since scipy may be missing

    smooth = gaussian_filter(movie.astype(float), (0, 1, 1))
    return (smooth > np.quantile(smooth, 0.7)).astype("u1")


def summed(movie: Frames) -> Frames:
    """Sum the frames up."""
    return np.cumsum(movie, axis=0, dtype="u4")


def dimmed(movie: Frames) -> Frames:
    """Divide by 6."""
    return movie // 6


def permuted(movie: Frames) -> Frames:
    """Permute the frames."""
    return np.random.default_rng(len(movie)).permutation(movie)


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

RARER: dict[str, Callable[[Frames], Frames]] = {
    "as it is": lambda movie: movie,
    "repeated": repeated,
    "repeated lines": repeated_lines,
    "repeated columns": repeated_columns,
    "repeated frames": repeated_frames,
    "dropped frames": dropped_frames,
    "moved": moved,
    "saturated": saturated,
    "interlaced": interlaced,
    "dead": dead,
    "missing codes": missing_codes,
    "scaled": scaled,
    "signed": signed,
    "averaged by four": averaged_by_four,
    "label mask": label_mask,
    "binary mask": binary_mask,
    "summed": summed,
    "dimmed": dimmed,
    "permuted": permuted,
}
MOST = 1 << 20  # pixels of a crop, so that all peers take seconds
LEAST_CROP, MOST_CROP = (4, 20, 20), (500, 300, 300)  # frames, lines and columns


def variants(movie: Movie, *, place: int) -> Iterator[Movie]:
    """Yield `EACH` variants of a movie, others for each place."""
    names = list(VARIANTS)
    for number in range(EACH * place, EACH * (place + 1)):
        name = names[number % len(names)]
        values = np.ascontiguousarray(VARIANTS[name](movie.values))
        yield Movie(f"{movie.name}, {name}", values)


def crop(movie: Movie, *, seed: int) -> Movie:
    """Cut a part out of a movie, of random place and size, in one of all ways."""
    rng = np.random.default_rng(seed)
    most = np.minimum(movie.values.shape, MOST_CROP)
    least = np.minimum(most, LEAST_CROP)
    size = np.exp(rng.uniform(np.log(least), np.log(most + 1))).astype(int)
    size[0] = np.clip(size[0], least[0], max(least[0], MOST // (size[1] * size[2])))
    start = rng.integers(0, np.subtract(movie.values.shape, size) + 1)
    part = movie.values[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))]
    ways = VARIANTS | RARER
    name = list(ways)[seed % len(ways)]
    values = np.ascontiguousarray(ways[name](part))
    return Movie(f"{movie.name}, crop {seed}, {name} {' x '.join(map(str, values.shape))}", values)


def _inside(shift: int) -> slice:
    return slice(max(shift, 0), min(shift, 0) or None)


def _twice(rows: Frames) -> Frames:
    """Put the mean of each two rows between them."""
    out = np.repeat(rows, 2, axis=1)
    out[:, 1:-1:2] = (rows[:, :-1] + rows[:, 1:]) / 2
    return out


def _fitting(values: Frames) -> Frames:
    """Return whole numbers in 16 bits, signed if any is negative."""
    return values.astype("i2" if values.min() < 0 else "u2")
