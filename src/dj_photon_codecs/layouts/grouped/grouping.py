"""The classes of the pixels of a chunk: which groups of pixels have the same noise.

A compressor fits its tables to the bytes that lie together. In a photon-limited movie the
brightness, and with it the spread of the noise, varies from pixel to pixel. So the base of each
pixel is subtracted, and groups of like brightness are stored next to each other, as a class.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CLASS", "Grouping", "Kind"]

CLASS = np.dtype([("bits", "u1"), ("low", "u1"), ("unit", "u1"), ("base", "<u8")])


class Kind(NamedTuple):
    """The classes that store the same fields.

    Attributes
    ----------
    bits, low : int
        The widths of the fields, as in `Grouping.table`.
    start, stop : int
        The first pixel of these classes and the one after the last, in the order of the classes.
    """

    bits: int
    low: int
    start: int
    stop: int


@dataclass(frozen=True)
class Grouping:
    """The classes of the pixels of a chunk.

    Attributes
    ----------
    classes : ndarray of uint8, shape (groups,)
        The class of each group of neighbouring pixels.
    offsets : ndarray of int8, shape (pixels,)
        The base of each pixel less that of its class, in units of the class.
    table : ndarray of CLASS, shape (classes,)
        For each class `bits` and `low`, the widths of its fields; `unit`, the logarithm to base 2
        of the unit of offsets; and `base`. Sorted by `bits`, then `low`.
    order : ndarray of intp, shape (groups,)
        The numbers of the groups, sorted by class; within a class in the order of the frame.
    """

    classes: NDArray[np.uint8]
    offsets: NDArray[np.int8]
    table: NDArray[Any]
    order: NDArray[np.intp] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # not functools.cached_property: on Python 3.11 it holds a lock, which a fork would copy
        object.__setattr__(self, "order", np.argsort(self.classes, kind="stable"))

    @property
    def size(self) -> int:
        """Pixels in a group."""
        return self.offsets.size // self.classes.size

    @property
    def inverse(self) -> NDArray[np.intp]:
        """The place of each group in `order`."""
        inverse = np.empty_like(self.order)
        inverse[self.order] = np.arange(self.order.size)
        return inverse

    @property
    def kinds(self) -> list[Kind]:
        """The kinds, in the order in which they are stored."""
        names = self.table["bits"].astype(int) * 256 + self.table["low"]
        stops = np.append(0, np.cumsum(np.bincount(self.classes, minlength=len(names))))
        found, first = np.unique(names, return_index=True)
        edges = (stops[np.append(first, len(names))] * self.size).tolist()
        return [
            Kind(name // 256, name % 256, start, stop)
            for name, start, stop in zip(found.tolist(), edges[:-1], edges[1:], strict=True)
        ]

    def base(self, codes: np.dtype[Any]) -> NDArray[Any]:
        """Return the base of each pixel, in the order of the classes, modulo the dtype's range."""
        pixels = np.bincount(self.classes, minlength=len(self.table)) * self.size
        unit, base = (self.table[name].astype(codes) for name in ("unit", "base"))
        offsets = np.take(self.offsets.reshape(-1, self.size), self.order, axis=0).reshape(-1)
        bases = offsets.astype(codes)
        bases *= np.repeat(codes.type(1) << unit, pixels)
        bases += np.repeat(base, pixels)
        return bases
