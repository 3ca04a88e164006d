"""What repeats in a chunk: frames, as of a slow camera, rows, and columns, as in enlarged ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NOTHING", "Repeats", "find_repeats", "look_alike", "patches_of"]

PATCHES, PATCH = 8, 32  # that are compared: how many, and pixels of each, at most
ROWS, COLUMNS = 64, 96  # of a frame, that are
FEW = 6  # values of a frame unlike the others, up to which it may be another one by chance
FRAMES_REPEAT, ROWS_REPEAT = 0.03, 0.3  # share, from where on it is worth streams of their own


class Repeats(NamedTuple):
    """What repeats in a chunk.

    Attributes
    ----------
    frames, rows : float
        The share of frames that are no repeats of others, and of rows that are not like the one
        above them; 1 if few are.
    columns : int
        2 or 3, if so many columns side by side are alike, else 1.
    alike : bool
        Whether patches of some frames are the same, be these repeats or dark.
    """

    frames: float = 1.0
    rows: float = 1.0
    columns: int = 1
    alike: bool = False

    @property
    def are_many(self) -> bool:
        """Whether frames, rows or columns repeat, and more than a few."""
        return self._replace(alike=False) != NOTHING


NOTHING = Repeats()


def patches_of(chunk: NDArray[Any]) -> NDArray[Any] | None:
    """Return patches of neighbouring pixels, in all frames; None of a chunk of few pixels.

    Returns
    -------
    ndarray of the codes, shape (frames, patches, pixels of a patch)
        Those of patches that are spread over the frame: a view.
    """
    flat = np.ascontiguousarray(chunk).reshape(len(chunk), -1)
    places = flat.shape[1] - PATCH + 1
    if places < 1:
        return None
    apart = max(1, (places - 1) // (PATCHES - 1))  # so that columns differ, too
    shape = len(flat), min(PATCHES, -(-places // apart)), PATCH
    strides = flat.strides[0], apart * flat.itemsize, flat.itemsize
    return np.ndarray(shape, flat.dtype, flat, strides=strides)


def look_alike(patches: NDArray[Any], frames: NDArray[Any]) -> bool:
    """Return whether patches of two frames are the same, and not of one value.

    Where photons are so rare that patches are the same by chance, whole frames are compared.
    """
    same = _with_equal_sums(patches)
    if not len(same):
        return False
    usual = np.sort(same, axis=None)[same.size // 2]
    if np.median(_unlike(same, usual)) < FEW:
        same = _with_equal_sums(frames)
    varying = same[(_unlike(same, usual) >= FEW) & (same != same[:, :1]).any(axis=1)]
    stored, size = varying.tobytes(), varying.shape[1] * varying.itemsize
    return len({stored[at : at + size] for at in range(0, len(stored), size)}) < len(varying)


def _with_equal_sums(frames: NDArray[Any]) -> NDArray[Any]:
    """Return the frames, shape (frames, values), whose bits add up to the same as another's."""
    flat = np.ascontiguousarray(frames).reshape(len(frames), -1)
    bits = flat.view(np.uint8)[:, : flat.shape[1] * flat.itemsize // 8 * 8]
    sums = bits.view(np.uint64).sum(axis=1)
    if len(set(sums.tolist())) == len(sums):
        return flat[:0]
    _, place, number = np.unique(sums, return_inverse=True, return_counts=True)
    return flat[number[place] > 1]


def _unlike(frames: NDArray[Any], value: Any) -> NDArray[np.intp]:
    """Count the values of each frame that are not this one."""
    return np.count_nonzero(frames != value, axis=1)


def find_repeats(chunk: NDArray[Any]) -> Repeats:
    """Find what repeats in the codes of a chunk, shape (frames, ..., width)."""
    patches = patches_of(chunk)
    if patches is None:
        return NOTHING
    alike = look_alike(patches, chunk)
    if chunk.ndim < 3:
        return Repeats(alike=alike)
    frames = len({hash(frame.tobytes()) for frame in chunk}) / len(chunk) if alike else 1.0
    rows = chunk[len(chunk) // 2].reshape(-1, chunk.shape[-1])
    rows = rows[len(rows) // 4 :][:ROWS]
    middle = rows.shape[1] // 12 * 6  # all columns are looked at if these are dark, or repeat
    varying, other, columns = _repeating(rows[: ROWS // 2, middle : middle + COLUMNS])
    if varying < ROWS // 4 or other <= 1 - ROWS_REPEAT or columns > 1:
        _, other, columns = _repeating(rows)
    return Repeats(
        frames if frames <= 1 - FRAMES_REPEAT else 1.0,
        other if other <= 1 - ROWS_REPEAT else 1.0,
        columns,
        alike,
    )


def _repeating(rows: NDArray[Any]) -> tuple[int, float, int]:
    """Return how many rows vary, the share unlike the one above, and how many columns are alike."""
    rows = rows[(rows != rows[:, :1]).any(axis=1)]
    other = 1 - float((rows[1:] == rows[:-1]).all(axis=1).sum()) / max(len(rows), 1)
    repeating = (number for number in (2, 3) if len(rows) > 1 and _repeat_by(rows, number))
    return len(rows), other, next(repeating, 1)


def _repeat_by(rows: NDArray[Any], number: int) -> bool:
    """Return whether so many columns side by side are alike, from the first one on."""
    if rows.shape[1] % number:
        return False
    return all(bool((rows[:, ::number] == rows[:, k::number]).all()) for k in range(1, number))
