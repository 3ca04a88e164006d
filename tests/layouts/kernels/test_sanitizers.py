"""The kernel stays within its arrays, whatever these hold: AddressSanitizer and UBSan watch it."""

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dj_photon_codecs

ROOT = Path(__file__).parents[3]
SOURCES = Path(dj_photon_codecs.__file__).parent / "layouts" / "kernels" / "module.c"
SANITIZERS = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
WARNINGS = ["-O3", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Werror"]
VECTORS = 2, 1, 0  # AVX-512 where the processor has it, AVX2, none
CALLS = 2000  # of each function, as far as there is time

pytestmark = pytest.mark.slow


def run_time():
    """Return the library of AddressSanitizer, which must be loaded first; None if there is none."""
    if sys.platform != "linux" or not shutil.which("gcc"):
        return None
    asked = ["gcc", "-print-file-name=libasan.so"]
    library = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    return library if Path(library).is_absolute() else None


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """Return what compiles the kernel with other flags."""
    if not SOURCES.exists():
        pytest.skip("a wheel is tested, which has no sources of the kernel")
    if run_time() is None and not (sys.platform == "linux" and "CI" in os.environ):
        pytest.skip("there is no gcc with AddressSanitizer")
    monkeypatch.setenv("CC", "gcc")
    compile_kernel = runpy.run_path(str(ROOT / "hatch_build.py"))["compile_kernel"]

    def compile_with(*flags):
        (folder := tmp_path / flags[-1]).mkdir()
        return compile_kernel(folder, flags=flags)

    return compile_with


def test_the_sources_compile_without_a_warning(compiled):
    assert compiled(*WARNINGS).exists()


@pytest.mark.timeout(900)
def test_no_bytes_lead_the_kernel_beside_its_arrays(compiled):
    module = "tests.layouts.kernels.mutated_calls"
    kernels = [compiled(*SANITIZERS, f"-DKERNEL_VECTORS={vectors}") for vectors in VECTORS]
    environment = {
        **os.environ,
        "LD_PRELOAD": run_time(),
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }

    done = subprocess.run(  # noqa: PLW1510 - asserted below
        [sys.executable, "-m", module, str(CALLS), *kernels],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )

    print(done.stdout[-3000:])
    assert not done.returncode, done.stderr[-5000:] + done.stdout[-2000:]
