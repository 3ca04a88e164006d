"""The Anscombe transform, and its continuation below zero.

Anscombe (1948) found the function that turns Poisson counts into values whose noise has a
standard deviation of one at every brightness; Starck, Murtagh and Bijaoui (1998) generalised it
to camera units with read noise. inverses.py holds what leads back.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dj_photon_codecs.photons.elementwise import apply_blockwise
from dj_photon_codecs.photons.parameters import check_parameters

__all__ = ["ROOT", "SHIFT", "anscombe", "forward", "generalized_anscombe"]

Floats = NDArray[np.float64]

SHIFT = 3 / 8  # Anscombe (1948), the shift for which the variance is flattest
ROOT = math.sqrt(SHIFT)  # the transform is 2 * ROOT, and its slope 1 / ROOT, where it turns linear


def anscombe(x: ArrayLike) -> Any:
    """Stabilise the variance of photon counts.

    Parameters
    ----------
    x : array_like
        Photon counts, of any shape and any real dtype.

    Returns
    -------
    numpy.ndarray or numpy.float64
        ``2 * sqrt(x + 3/8)``, float64, of the shape of `x`. Negative `x` are legal: see
        `generalized_anscombe`, of which this is the case ``gain=1, offset=0, variance=0``.

    References
    ----------
    F. J. Anscombe, "The transformation of Poisson, binomial and negative-binomial data",
    Biometrika 35 (1948) 246-254, doi:10.1093/biomet/35.3-4.246.

    Examples
    --------
    >>> anscombe([0, 1, 10, 100]).round(4)
    array([ 1.2247,  2.3452,  6.442 , 20.0375])
    """
    return generalized_anscombe(x)


def generalized_anscombe(
    x: ArrayLike, gain: float = 1.0, offset: float = 0.0, variance: float = 0.0
) -> Any:
    """Stabilise the variance of camera values.

    Parameters
    ----------
    x : array_like
        Camera values in ADU, or photon counts, of any shape and any real dtype.
    gain : float
        ADU per photon, positive.
    offset : float
        What the camera reads in the dark, in ADU.
    variance : float
        Variance of the read noise, in ADU squared, not negative.

    Returns
    -------
    numpy.ndarray or numpy.float64
        Transformed values with a noise of standard deviation one, float64, of the shape of `x`.
        With ``a = (x - offset) / gain + 3/8 + variance / gain**2`` it is ``2 * sqrt(a)`` where
        ``a >= 3/8``. Below, where the published transform clips and loses the value, it goes on
        linearly with the same slope, ``2 * sqrt(3/8) + (a - 3/8) / sqrt(3/8)``, so that every
        value has its own image. NaN stays NaN.

    Raises
    ------
    ValueError
        If a parameter is not finite, the gain not positive, or the variance negative.
    TypeError
        If `x` is not real.

    References
    ----------
    J.-L. Starck, F. Murtagh, A. Bijaoui, "Image Processing and Data Analysis", Cambridge
    University Press (1998), doi:10.1017/CBO9780511564352.

    M. Makitalo, A. Foi, "Optimal inversion of the generalized Anscombe transformation for
    Poisson-Gaussian noise", IEEE Trans. Image Process. 22 (2013) 91-103,
    doi:10.1109/TIP.2012.2202675.

    Examples
    --------
    >>> generalized_anscombe([90, 100, 1100], gain=10, offset=100, variance=4).round(4)
    array([-0.3429,  1.2884, 20.0415])
    """
    check_parameters(gain, offset, variance)
    shift = SHIFT + variance / (gain * gain)
    return apply_blockwise(lambda block: forward(block, gain, offset, shift), x)


def forward(x: Floats, gain: float, offset: float, shift: float) -> Floats:
    """Return the transform of a float64 array; `shift` is ``3/8 + variance / gain**2``."""
    argument = (x - offset) / gain + shift
    y: Floats = 2 * np.sqrt(np.maximum(argument, SHIFT))
    if (argument < SHIFT).any():
        # The product with a mask would turn the NaN of an infinity into a finite neighbour.
        below = argument < SHIFT
        y[below] = 2 * ROOT + (argument[below] - SHIFT) / ROOT
    return y
