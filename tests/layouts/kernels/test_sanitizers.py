"""The kernel stays within its arrays, whatever these hold: AddressSanitizer and UBSan watch it."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dj_photon_codecs

ROOT = Path(__file__).parents[3]
SOURCES = Path(dj_photon_codecs.__file__).parent / "layouts" / "kernels" / "module.c"
SANITIZERS = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
CALLS = 4000  # of each function


def run_time():
    """Return the library of AddressSanitizer, which must be loaded first; None if there is none."""
    if sys.platform != "linux" or not shutil.which("gcc"):
        return None
    asked = ["gcc", "-print-file-name=libasan.so"]
    library = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    return library if Path(library).is_absolute() else None


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory):
    """Compile the kernel with sanitizers."""
    if not SOURCES.exists():
        pytest.skip("a wheel is tested, which has no sources of the kernel")
    if run_time() is None and not (sys.platform == "linux" and "CI" in os.environ):
        pytest.skip("there is no gcc with AddressSanitizer")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CC", "gcc")
        return build.compile_kernel(tmp_path_factory.mktemp("kernel"), flags=SANITIZERS)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_bytes_lead_the_kernel_beside_its_arrays(sanitized):
    program = [sys.executable, "-m", "tests.layouts.kernels.mutated_calls", sanitized, str(CALLS)]
    environment = {
        **os.environ,
        "LD_PRELOAD": run_time(),
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }

    done = subprocess.run(  # noqa: PLW1510 - asserted below
        program, cwd=ROOT, env=environment, capture_output=True, text=True
    )

    print(done.stdout[-3000:])
    assert not done.returncode, done.stderr[-5000:] + done.stdout[-2000:]
