import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dj_photon_codecs
from dj_photon_codecs.layouts.kernels import backend
from tests.backends import use_backend

IMPORT_AND_SAY = """
import warnings
warnings.simplefilter("always")
import dj_photon_codecs, dj_photon_codecs.codecs
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(dj_photon_codecs.kernel_in_use(), dj_photon_codecs.kernel_in_use(), len(caught))
print(*(each.message for each in caught))
"""


def test_the_compiled_kernel_is_used_unless_the_variable_says_numpy(monkeypatch):
    for value, expected in [("", "compiled"), ("numpy", "numpy")]:
        monkeypatch.setenv(backend.VARIABLE, value)
        backend.kernel.cache_clear()
        assert dj_photon_codecs.kernel_in_use() == expected
    backend.kernel.cache_clear()


def test_a_variable_that_is_misspelt_is_refused(monkeypatch):
    monkeypatch.setenv(backend.VARIABLE, "nunpy")
    backend.kernel.cache_clear()
    with pytest.raises(ValueError, match="DJ_PHOTON_KERNEL is 'nunpy'; it must be 'numpy'"):
        dj_photon_codecs.kernel_in_use()


def said(environment: dict[str, str], folder: Path) -> list[str]:
    """Import a copy of the package in a process of its own, and return what it says."""
    environment = {**environment, "PYTHONPATH": str(folder), "DJ_IGNORE_CONFIG_FILE": "true"}
    command = [sys.executable, "-c", IMPORT_AND_SAY]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a copy of the package without its kernel."""
    source = Path(dj_photon_codecs.__file__).parent
    for path in source.rglob("*.py"):
        copy = tmp_path / "dj_photon_codecs" / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("broken", [None, b"", b"\x7fELF of another machine"])
def test_without_a_kernel_that_loads_one_warning_says_so_and_all_imports(package, broken):
    if broken is not None:
        kernels = package / "dj_photon_codecs" / "layouts" / "kernels"
        (kernels / "_kernel.abi3.so").write_bytes(broken)

    first, message = said({}, package)

    assert first == "numpy numpy 1"
    assert message.startswith("no compiled kernel (")
    assert message.endswith("DJ_PHOTON_KERNEL=numpy silences this")
    assert said({backend.VARIABLE: "numpy"}, package) == ["numpy numpy 0", ""]


def test_a_kernel_older_than_its_sources_is_not_used(monkeypatch, tmp_path):
    (tmp_path / "dense.c").write_text("/* changed */")
    monkeypatch.setattr(backend, "FOLDER", tmp_path)
    monkeypatch.setenv(backend.VARIABLE, "")
    backend.kernel.cache_clear()
    with pytest.warns(RuntimeWarning, match=r"older than its sources: run `python hatch_build.py`"):
        assert dj_photon_codecs.kernel_in_use() == "numpy"
    backend.kernel.cache_clear()


# ---------------------------------------------------------------------------- the door


ARRAYS = (np.zeros((2, 7), "i4"), *(np.zeros(26625, kind) for kind in ("u4", "u4", "u1")))
GIVEN = (2, 3, 4, 9, 1.0, *ARRAYS, *(np.zeros(4096, kind) for kind in ("u4", "u4", "u2", "u4")))


def test_no_frames_of_any_size_take_no_room():
    none = np.zeros(0, "u2")
    with use_backend("compiled"):
        backend.kernel().decode_dense(0, 1, 2**62, 9, 1.0, ARRAYS[0][:0], *GIVEN[6:], none)


def test_arrays_of_other_sizes_are_refused():
    with use_backend("compiled"):
        kernel = backend.kernel()
    out = np.zeros((2, 3, 4), "u2")
    with pytest.raises(TypeError, match="3 arguments were given; it takes 14"):
        kernel.decode_dense(1, 2, 3)
    with pytest.raises(ValueError, match="argument 5 has items of 8 bytes; it must have 4"):
        kernel.decode_dense(*GIVEN[:5], ARRAYS[0].astype("i8"), *GIVEN[6:], out)
    for other, found in (("f4", "f"), (">i4", ">i")):
        with pytest.raises(ValueError, match=f"argument 5 has items of format {found}; it must"):
            kernel.decode_dense(*GIVEN[:5], ARRAYS[0].astype(other), *GIVEN[6:], out)
    with pytest.raises(ValueError, match="argument 1 is negative"):
        kernel.decode_dense(2, -3, *GIVEN[2:], out)
    for wrong in (out[:1], out.repeat(2, axis=0)):
        with pytest.raises(ValueError, match="fit each other, or a movie changed"):
            kernel.decode_dense(*GIVEN, wrong)
    with pytest.raises(ValueError, match="the sizes of the arrays do not fit each other"):
        kernel.decode_dense(2**62, 2, 8, *GIVEN[3:], out[:0])
    out.setflags(write=False)
    with pytest.raises((ValueError, BufferError), match=r"read-only|not writable"):
        kernel.decode_dense(*GIVEN, out)
    with pytest.raises((ValueError, BufferError), match="contiguous"):
        kernel.decode_dense(*GIVEN, np.zeros((4, 3, 4), "u2")[::2])


@pytest.mark.parametrize("shift", [0, 8, 4088], ids=["whole", "shifted", "one entry"])
def test_an_array_that_is_written_shares_memory_with_no_other(shift):
    room = np.zeros(2 * 4096, np.uint8)
    table, values = room[:4096].view("f8"), room[shift:][:4096].view("f8")
    numbers = np.zeros(values.size, np.uint8)
    with use_backend("compiled"):
        kernel = backend.kernel()
    with pytest.raises(ValueError, match="2 is written, and shares memory with argument 0"):
        kernel.look_up(table, numbers, values)
    assert kernel.look_up(table, numbers, room[4096:].view("f8")) == numbers.size


def test_frames_that_lie_apart_share_memory_as_far_as_they_reach():
    room = np.zeros(8 * 1000, np.uint8)
    numbers = np.lib.stride_tricks.as_strided(room, (4, 10), (1000, 1))
    with use_backend("compiled"):
        kernel = backend.kernel()
    for start, refused in ((1000, True), (3000, True), (3016, False), (4000, False)):
        sums, squares = room[start:][:40].view("u4"), np.zeros(10, "u8")
        if refused:
            with pytest.raises(ValueError, match="1 is written, and shares memory with argument 0"):
                kernel.sum_pixels(numbers, sums, squares)
        else:
            kernel.sum_pixels(numbers, sums, squares)
