"""`AnscombeFilter`: integer codes in the chunk, transformed float64 values in the array.

It is the first filter that a stored movie names in its ``.zarray``. Zarr for Python finds it
through its entry point, so that any program that reads Zarr reads the transformed movie.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.photons.inverses import exact_inverse
from dj_photon_codecs.photons.parameters import check_parameters, finite
from dj_photon_codecs.photons.steps import check_step, quantize
from dj_photon_codecs.photons.transform import generalized_anscombe
from dj_photon_codecs.storage.filters.buffers import as_float64
from dj_photon_codecs.storage.filters.codes_filter import CodesFilter, check_codes

__all__ = ["AnscombeFilter"]


class AnscombeFilter(CodesFilter):
    """Numcodecs filter between transformed float64 values and the codes that are stored.

    Parameters
    ----------
    codes : str
        The dtype of the codes, such as ``"|u1"`` or ``"<u2"``: integers, or floats for movies
        whose values are not whole numbers.
    gain, offset, variance : float
        The parameters of `generalized_anscombe`: ADU per photon, ADU, ADU squared.
    step : float, optional
        None: the codes are the values as they were inserted. A number ``0 < step <= 1``: they
        are the transformed values in steps of it, in units of the noise's standard deviation.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or the codes of a step are not integers.

    Examples
    --------
    >>> counts = AnscombeFilter(codes="|u1")
    >>> counts.decode(np.array([0, 1, 250], "uint8")).round(3)
    array([ 1.225,  2.345, 31.647])
    >>> counts.encode(counts.decode(np.array([0, 1, 250], "uint8")))
    array([  0,   1, 250], dtype=uint8)
    """

    codec_id: ClassVar[str] = "photon.anscombe"
    _dtype = "<f8"

    def __init__(
        self,
        codes: str,
        gain: float = 1.0,
        offset: float = 0.0,
        variance: float = 0.0,
        step: float | None = None,
    ) -> None:
        self.codes = check_codes(codes, stepped=step is not None)
        self.gain, self.offset = finite("gain", gain), finite("offset", offset)
        self.variance = finite("variance", variance)
        self.step = None if step is None else check_step(step)
        check_parameters(self.gain, self.offset, self.variance)

    def encode(self, buf: Any) -> NDArray[Any]:
        """Return the codes of transformed values.

        The values are of dtype ``<f8``, or their bytes in a buffer that is no array. In the shape
        and the memory order of `buf`. Lossless: ``decode(encode(y)) == y`` to the last bit. With a
        step: the nearest multiple of it.

        Raises
        ------
        TypeError
            If the values are of another dtype.
        ValueError
            If a value is not the transform of any code, does not fit the dtype of the codes, or
            is NaN where the codes are integers.
        """
        y = as_float64(buf)
        if self.step is None:
            return exact_inverse(y, self.codes, **self._parameters)
        return quantize(y, self.step, dtype=self.codes)

    def _values(self, codes: NDArray[Any]) -> NDArray[Any]:
        if self.step is None:
            return np.asarray(generalized_anscombe(codes, **self._parameters))
        return np.multiply(codes, self.step, dtype=np.float64)

    @property
    def _parameters(self) -> dict[str, float]:
        return {"gain": self.gain, "offset": self.offset, "variance": self.variance}
