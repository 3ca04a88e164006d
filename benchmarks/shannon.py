"""Shannon's limit of movies whose photon rates are known: no code is shorter on average.

The limit is the mean over all pixels of the entropy of what a pixel records, given its rate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ROOTS = 1000  # rates at which the entropy is computed; it is smooth in the root of the rate
PHOTONS = 12  # standard deviations of the photon number that are summed over


def entropy_of_counts(rates: NDArray[Any]) -> float:
    """Return the mean entropy of Poisson counts at the given rates, in bits."""
    return _mean_entropy(rates, poisson_entropy)


def entropy_of_camera_codes(
    rates: NDArray[Any],
    code: Callable[[NDArray[Any]], NDArray[Any]],
    *,
    gain: float,
    offset: float,
    read_noise: float,
) -> float:
    """Return the mean entropy, in bits, of codes of what a camera records at the given rates.

    Parameters
    ----------
    rates : numpy.ndarray
        Expected photons.
    code : callable
        Whole codes of whole camera values, in ADU; they must not fall as the values rise.
    gain, offset, read_noise : float
        ADU per photon, ADU, and photons (root mean square), as in `simulate.camera`.
    """
    photons = np.arange(_most_photons(float(rates.max())) + 1)
    reach = 8 * read_noise + 1 / gain
    values = np.arange(
        math.floor(offset - gain * reach), math.ceil(offset + gain * (photons[-1] + reach)) + 1
    )
    _, first = np.unique(code(values), return_index=True)
    below = (values[first] - 0.5 - offset) / gain  # photons at which the next code begins
    normal = (below - photons[:, None]) / read_noise / math.sqrt(2)
    at_most = np.hstack([0.5 * (1 + _erf(normal)), np.ones((len(photons), 1))])
    at_most[:, 0] = 0
    codes_of_photons = np.diff(at_most, axis=1)

    def entropy(rate: float) -> float:
        return _bits(poisson(rate, most=int(photons[-1])) @ codes_of_photons)

    return _mean_entropy(rates, entropy)


def poisson_entropy(rate: float) -> float:
    """Return the entropy of a Poisson variable, in bits, by summation."""
    return _bits(poisson(rate, most=_most_photons(rate)))


def poisson(rate: float, *, most: int) -> NDArray[np.float64]:
    """Return the probabilities of 0 to `most` photons."""
    photons = np.arange(most + 1)
    if rate == 0:
        return np.equal(photons, 0).astype(float)
    factorials = np.cumsum(np.log(np.maximum(photons, 1)))
    probabilities: NDArray[np.float64] = np.exp(photons * math.log(rate) - rate - factorials)
    return probabilities


def _mean_entropy(rates: NDArray[Any], entropy: Callable[[float], float]) -> float:
    roots = np.linspace(0, math.sqrt(float(rates.max())), ROOTS)
    entropies = np.array([entropy(float(root) ** 2) for root in roots])
    return float(np.mean([np.interp(np.sqrt(each), roots, entropies).mean() for each in rates]))


def _bits(probabilities: NDArray[np.float64]) -> float:
    positive = probabilities[probabilities > 0]
    return float(-(positive * np.log2(positive)).sum())


def _most_photons(rate: float) -> int:
    return int(rate + PHOTONS * math.sqrt(rate) + 20)


_erf = np.vectorize(math.erf, otypes=[float])
