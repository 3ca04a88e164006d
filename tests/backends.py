"""Either backend of the kernel, for the length of a block."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dj_photon_codecs.layouts.kernels.backend import VARIABLE, kernel, kernel_in_use


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Use the compiled kernel ("compiled"), which must be there, or its reference ("numpy")."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(VARIABLE, "numpy" if name == "numpy" else "")
        kernel.cache_clear()
        try:
            assert kernel_in_use() == name
            yield
        finally:
            kernel.cache_clear()
