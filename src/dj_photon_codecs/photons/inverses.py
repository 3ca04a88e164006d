"""Inverses of the Anscombe transform: algebraic, unbiased, and exact to the last bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from dj_photon_codecs.photons.elementwise import apply_blockwise
from dj_photon_codecs.photons.parameters import check_parameters
from dj_photon_codecs.photons.transform import ROOT, SHIFT, forward

__all__ = ["exact_inverse", "generalized_inverse_anscombe", "inverse_anscombe"]

Floats = NDArray[np.float64]

BRIGHTEST_KNOT = 200.0  # photons; above it the unbiased inverse is its own asymptote to 1e-6
KNOTS = 4001  # linear interpolation between them errs by less than 1e-5 photon
NOISE_NODES = np.linspace(-8.0, 8.0, 321)  # sigma; the grid over which read noise is averaged


def inverse_anscombe(y: ArrayLike) -> Any:
    """Undo `anscombe`, sample by sample; whole counts come back exactly.

    Parameters
    ----------
    y : array_like
        Transformed values, of any shape.

    Returns
    -------
    numpy.ndarray or numpy.float64
        ``y**2 / 4 - 3/8``, float64. See `generalized_inverse_anscombe` for data that were
        averaged or denoised while they were transformed.

    Examples
    --------
    >>> from dj_photon_codecs.photons.transform import anscombe
    >>> inverse_anscombe(anscombe([0, 1, 12345678901]))
    array([0.00000000e+00, 1.00000000e+00, 1.23456789e+10])
    """
    return generalized_inverse_anscombe(y)


def generalized_inverse_anscombe(
    y: ArrayLike,
    gain: float = 1.0,
    offset: float = 0.0,
    variance: float = 0.0,
    *,
    method: Literal["algebraic", "unbiased"] = "algebraic",
) -> Any:
    """Return from transformed values to camera values, or to photon counts.

    Parameters
    ----------
    y : array_like
        Transformed values, of any shape.
    gain, offset, variance : float
        The parameters of the transform that made `y`; see `generalized_anscombe`. Those of a
        stored movie are ``movie.calibration``.
    method : {"algebraic", "unbiased"}
        "algebraic" undoes the transform sample by sample. It is the one for values as they were
        recorded, and the mean of what it returns is right. "unbiased" is for values that were
        averaged or denoised while they were transformed: the mean of a square root is below the
        square root of the mean, and the algebraic inverse of it is too dark by .03 photon (at
        .1 photon) to .25 photon (at 5 and more). On single samples "unbiased" would be too
        bright by .02 to .25 photon.

    Returns
    -------
    numpy.ndarray or numpy.float64
        Camera values in ADU (photons for the default parameters), float64, of the shape of `y`.
        Algebraic: a whole number is returned as exactly that wherever `y` is the transform of
        one, up to 2**40 at least. Unbiased: never below `offset`.

    Raises
    ------
    ValueError
        If `method` is another word, or a parameter is out of its range.
    TypeError
        If `y` is not real.

    References
    ----------
    M. Makitalo, A. Foi, "Optimal inversion of the Anscombe transformation in low-count Poisson
    image denoising", IEEE Trans. Image Process. 20 (2011) 99-109,
    doi:10.1109/TIP.2010.2056693, and the article of 2013 in `generalized_anscombe`. The table
    behind "unbiased" is the expectation of the transform, computed here from the Poisson
    distribution and the read noise instead of their closed-form approximation, whose error
    reaches .018 photon.

    Examples
    --------
    >>> from dj_photon_codecs.photons.transform import generalized_anscombe
    >>> counts = [0, 3, 200]
    >>> generalized_inverse_anscombe(generalized_anscombe(counts))
    array([  0.,   3., 200.])

    The mean of many transformed samples of 5 photons is 4.527:

    >>> generalized_inverse_anscombe(4.527448, method="unbiased").round(3)
    np.float64(5.0)
    """
    check_parameters(gain, offset, variance)
    shift = SHIFT + variance / (gain * gain)
    if method == "algebraic":
        return apply_blockwise(lambda block: _algebraic(block, gain, offset, shift), y)
    if method == "unbiased":
        noise = variance / (gain * gain)
        return apply_blockwise(lambda block: offset + gain * _unbiased(block, noise), y)
    raise ValueError(
        f"method is {method!r}; it must be 'algebraic' (single samples) or 'unbiased' "
        "(values that were averaged or denoised while transformed)"
    )


def exact_inverse(
    y: ArrayLike, dtype: DTypeLike, *, gain: float, offset: float, variance: float
) -> NDArray[Any]:
    """Find values of a dtype whose transforms are exactly `y`, to the last bit.

    Where several values have the same transform, one of them. An element of `y` that is not the
    transform of any value of `dtype` is a `ValueError`, which names it.
    """
    check_parameters(gain, offset, variance)
    dtype, shift = np.dtype(dtype), SHIFT + variance / (gain * gain)

    def invert(block: Floats) -> Floats:
        return _search(block, dtype, gain=gain, offset=offset, shift=shift)

    return np.asarray(apply_blockwise(invert, y, dtype))


def _argument(y: Floats) -> Floats:
    half = y / 2  # the square of y itself could overflow
    with np.errstate(over="ignore"):  # of values far below the junction, which are not squared
        return np.where(y >= 2 * ROOT, half * half, SHIFT + (y - 2 * ROOT) * ROOT)


def _algebraic(y: Floats, gain: float, offset: float, shift: float) -> Floats:
    x = offset + gain * (_argument(y) - shift)
    whole = np.rint(x) + 0.0  # the sum turns -0.0 into 0.0
    return np.where(forward(whole, gain, offset, shift) == y, whole, x)


def _unbiased(y: Floats, variance: float) -> Floats:
    """Photons whose transform has the expectation y; `variance` in photons squared."""
    expectations, photons = _expectations(variance)
    above = y * y / 4 - 1 / 8 - variance
    return np.where(y > expectations[-1], above, np.interp(y, expectations, photons))


@lru_cache(maxsize=16)
def _expectations(variance: float) -> tuple[Floats, Floats]:
    """Tabulate the mean of the transform against the photons, evenly spaced in its own unit."""
    photons = BRIGHTEST_KNOT * np.linspace(0, 1, KNOTS) ** 2
    counts = np.arange(BRIGHTEST_KNOT + 12 * math.sqrt(BRIGHTEST_KNOT))
    logarithms = np.log(np.maximum(counts, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        exponents = counts * np.log(photons[:, None]) - photons[:, None] - np.cumsum(logarithms)
    exponents[0] = np.where(counts == 0, 0, -np.inf)
    return np.exp(exponents) @ _noisy_transform(counts, variance), photons


def _noisy_transform(counts: Floats, variance: float) -> Floats:
    """Average the transform of each count over Gaussian read noise."""
    weights = np.exp(-(NOISE_NODES**2) / 2)
    noisy = counts[:, None] + math.sqrt(variance) * NOISE_NODES
    return forward(noisy, 1.0, 0.0, SHIFT + variance) @ (weights / weights.sum())


def _search(
    y: Floats, dtype: np.dtype[Any], *, gain: float, offset: float, shift: float
) -> NDArray[Any]:
    """Round the algebraic inverse to the dtype; look further only where that is not exact."""

    def transform(values: NDArray[Any]) -> Floats:
        return forward(values.astype(np.float64), gain, offset, shift)

    found = _cast(_algebraic(y, gain, offset, shift), dtype)
    wrong = (transform(found) != y) & ~np.isnan(y)
    if wrong.any():
        found[wrong] = _bisect(y[wrong], dtype, transform)
        _refuse_inexact(y[wrong], transform(found[wrong]), dtype)
    return found


def _cast(x: Floats, dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return x.astype(dtype)
    if np.isnan(x).any():
        raise ValueError(
            f"NaN has no {dtype} code; give the array a fill_value that is the transform of a "
            "count, such as 2 * sqrt(3/8), or use floating codes"
        )
    limits = np.iinfo(dtype)
    # what lies outside is searched for, because float(2**64 - 1) is 2**64, which no dtype holds
    inside = (x >= float(limits.min)) & (x < float(limits.max))
    return np.where(inside, np.rint(x), 0).astype(dtype)


def _bisect(
    y: Floats, dtype: np.dtype[Any], transform: Callable[[NDArray[Any]], Floats]
) -> NDArray[Any]:
    """Find the least value whose transform reaches y; it is the one, for no transform falls."""
    low, high = (np.full(y.shape, rank) for rank in _extreme_ranks(dtype))
    while (low < high).any():
        middle = low + (high - low) // 2
        reached = transform(_of_rank(middle, dtype)) >= y
        high = np.where(reached, middle, high)
        low = np.where(reached | (low == high), low, middle + 1)
    return _of_rank(high, dtype)


def _extreme_ranks(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Return the first and the last place in the order of all values of a dtype, as unsigned."""
    unsigned = np.dtype(f"u{dtype.itemsize}")
    if dtype.kind != "f":
        return unsigned.type(0), unsigned.type(np.iinfo(unsigned).max)
    minus, plus = np.array([-np.inf, np.inf], dtype).view(unsigned)
    return ~minus, plus | _sign_bit(dtype)


def _of_rank(rank: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the value at a place in the order of all values of a dtype."""
    sign = _sign_bit(dtype)
    if dtype.kind == "f":
        return np.where(rank & sign, rank ^ sign, ~rank).view(dtype)
    return (rank ^ sign if dtype.kind == "i" else rank).view(dtype)


def _sign_bit(dtype: np.dtype[Any]) -> Any:
    return np.dtype(f"u{dtype.itemsize}").type(1 << (8 * dtype.itemsize - 1))


def _refuse_inexact(y: Floats, transformed: Floats, dtype: np.dtype[Any]) -> None:
    wrong = transformed != y
    if wrong.any():
        raise ValueError(
            f"{y[wrong][0]} is not the transform of any {dtype} value; only what this filter "
            "decodes can be encoded. Use floating codes, or insert the untransformed movie"
        )
