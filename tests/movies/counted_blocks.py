"""A dask array that counts, for tests of how often a source is read."""

from dataclasses import dataclass, field
from typing import Any

import dask.array
import numpy as np


@dataclass
class CountedBlocks:
    """A dask array that counts how often each of its blocks is computed."""

    values: np.ndarray
    chunks: tuple[Any, ...]
    computed: list[tuple[int, ...]] = field(default_factory=list)

    def array(self):
        lazy = dask.array.from_array(self.values, chunks=self.chunks)
        return lazy.map_blocks(self._compute, dtype=self.values.dtype)

    def _compute(self, block, block_info=None):
        self.computed.append(tuple(block_info[0]["chunk-location"]))
        return block

    def most(self):
        return max(map(self.computed.count, self.computed))
