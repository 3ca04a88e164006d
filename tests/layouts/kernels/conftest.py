import runpy
import shutil
from pathlib import Path

import pytest

import dj_photon_codecs
from tests.layouts.kernels.mutated_calls import load

SOURCES = Path(dj_photon_codecs.__file__).parent / "layouts" / "kernels" / "static.c"


@pytest.fixture(scope="session", params=[0, 1], ids=["no vectors", "AVX2"])
def fewer_vectors(request, tmp_path_factory):
    """Return a kernel with fewer vectors than the one that is in use on most machines."""
    if not SOURCES.exists():
        pytest.skip("a wheel is tested, which has no sources of the kernel")
    if not shutil.which("gcc"):
        pytest.skip("there is no gcc")
    build = runpy.run_path(str(Path(__file__).parents[3] / "hatch_build.py"))["compile_kernel"]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CC", "gcc")
        flags = ["-O2", f"-DKERNEL_VECTORS={request.param}"]
        return load(str(build(tmp_path_factory.mktemp("kernel"), flags=flags)))
