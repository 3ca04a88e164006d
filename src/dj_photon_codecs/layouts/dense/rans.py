"""Interleaved rANS: symbols as a stream of words, in nearly as few bits as their entropy.

A *coder* is a number from 2**16 to 2**32 that holds symbols. It takes a 16-bit *word* from the
stream when it falls below 2**16. Thousands of coders take turns at the pixels and share the stream,
so that NumPy advances all of them at once. A table divides 2**12 *slots* among its symbols.

References
----------
J. Duda, *Asymmetric numeral systems*, arXiv:1311.2540 (2013), and F. Giesen, *Interleaved entropy
coders*, arXiv:1402.3392 (2014).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PRECISION", "SymbolWriter"]

PRECISION = 12  # bits; the frequencies of a table add up to 2**12
SLOTS = 1 << PRECISION
LEAST = 1 << 16  # the least value of a coder
SYMBOL_BITS = 8


class SymbolWriter:
    """Writes symbols, from the last to the first.

    Parameters
    ----------
    width : int
        The number of coders.
    frequencies : ndarray of unsigned integers, shape (tables, 256)
        The frequency of each symbol; those of a table add up to 2**12.

    Examples
    --------
    >>> from dj_photon_codecs.layouts.kernels.reference import decoding_slots
    >>> from dj_photon_codecs.layouts.kernels.reference_dense import SymbolReader
    >>> frequencies = np.zeros((1, 256), int)
    >>> frequencies[0, :2] = 4000, 96
    >>> symbols = np.random.default_rng(0).random(100_000) < 96 / 4096
    >>> writer = SymbolWriter(50, frequencies)
    >>> writer.write(symbols.astype("u1"), np.zeros(100_000, "u1"))
    >>> coders, stream = writer.finish()
    >>> 16 * stream.size < 16_500  # bits; their entropy is 16,070
    True
    >>> slots = np.empty(4096, np.uint32)
    >>> decoding_slots(frequencies.astype(np.uint16), slots)
    >>> reader = SymbolReader(coders, stream, slots)
    >>> bool((reader.read(np.zeros(100_000, "u4")) == symbols).all())
    True
    >>> reader.finish()
    """

    def __init__(self, width: int, frequencies: NDArray[Any]) -> None:
        self._coders = np.full(width, LEAST, np.uint32)
        self._frequencies = frequencies.astype(np.uint32).ravel()
        below = np.cumsum(frequencies, axis=1) - frequencies
        self._below = below.astype(np.uint32).ravel()
        self._written: list[NDArray[np.uint16]] = []

    def write(self, symbols: NDArray[np.uint8], table: NDArray[np.uint8]) -> None:
        """Write symbols that are to be read before those that are written already.

        Parameters
        ----------
        symbols, table : ndarray of uint8
            Symbols, and the numbers of their tables.
        """
        index = table.astype(np.intp) << SYMBOL_BITS | symbols
        frequencies, below = self._frequencies[index], self._below[index]
        width = self._coders.size
        for start in reversed(range(0, symbols.size, width)):
            frequency = frequencies[start : start + width]
            coders = self._coders[: frequency.size]
            self._spill(coders, coders >> np.uint32(32 - PRECISION) >= frequency)
            quotient, rest = np.divmod(coders, frequency)
            coders[...] = (quotient << np.uint32(PRECISION)) + rest + below[start : start + width]

    def write_bits(self, numbers: NDArray[np.uint32], bits: NDArray[np.uint32]) -> None:
        """Write numbers, of 0 to 16 bits each."""
        width = self._coders.size
        for start in reversed(range(0, bits.size, width)):
            widths = bits[start : start + width]
            coders = self._coders[: widths.size]
            self._spill(coders, coders.astype(np.uint64) << widths >= 1 << 32)
            coders[...] = coders << widths | numbers[start : start + width]

    def finish(self) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
        """Return the coders and the stream, for a `SymbolReader`."""
        nothing = np.zeros(0, np.uint16)
        return self._coders.copy(), np.concatenate([nothing, *reversed(self._written)])

    def _spill(self, coders: NDArray[np.uint32], full: NDArray[np.bool_]) -> None:
        high = np.flatnonzero(full)
        self._written.append(coders[high].astype(np.uint16))
        coders[high] >>= np.uint32(16)
