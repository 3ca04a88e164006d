"""What repeats in a chunk: frames, as of a slow camera, rows, and columns, as in enlarged ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NOTHING", "Repeats", "find_repeats", "look_alike", "patches_of"]

PATCHES, PATCH = 8, 32  # that are compared: how many, and pixels of each, at most
ROWS = 64  # of a frame, that are
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
    flat = chunk.reshape(len(chunk), -1)
    if flat.shape[1] < PATCH:
        return None
    apart = max(1, (flat.shape[1] - PATCH) // (PATCHES - 1))  # so that columns differ, too
    return np.lib.stride_tricks.sliding_window_view(flat, PATCH, axis=1)[:, ::apart][:, :PATCHES]


def look_alike(patches: NDArray[Any]) -> bool:
    """Return whether patches of two frames are the same, and not of one value."""
    flat = np.ascontiguousarray(patches).reshape(len(patches), -1)
    varying = flat[(flat != flat[:, :1]).any(axis=1)]
    stored, size = varying.tobytes(), flat.shape[1] * flat.itemsize
    return len({stored[at : at + size] for at in range(0, len(stored), size)}) < len(varying)


def find_repeats(chunk: NDArray[Any]) -> Repeats:
    """Find what repeats in the codes of a chunk, shape (frames, ..., width)."""
    patches = patches_of(chunk)
    if patches is None:
        return NOTHING
    alike = look_alike(patches)
    if chunk.ndim < 3:
        return Repeats(alike=alike)
    frames = len({hash(frame.tobytes()) for frame in chunk}) / len(chunk) if alike else 1.0
    rows = chunk[len(chunk) // 2].reshape(-1, chunk.shape[-1])
    rows = rows[len(rows) // 4 :][:ROWS]
    rows = rows[(rows != rows[:, :1]).any(axis=1)]
    other = 1 - float((rows[1:] == rows[:-1]).all(axis=1).sum()) / max(len(rows), 1)
    return Repeats(
        frames if frames <= 1 - FRAMES_REPEAT else 1.0,
        other if other <= 1 - ROWS_REPEAT else 1.0,
        next((number for number in (2, 3) if len(rows) > 1 and _repeat_by(rows, number)), 1),
        alike,
    )


def _repeat_by(rows: NDArray[Any], number: int) -> bool:
    """Return whether so many columns side by side are alike, from the first one on."""
    width = rows.shape[1]
    parts = rows.reshape(len(rows), -1, number) if width % number == 0 else rows[:, :, None]
    return width % number == 0 and bool((parts == parts[..., :1]).all())
