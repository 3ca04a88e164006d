"""What the build asks for, compiles, and says where it cannot: hatch_build.py."""

import os
import runpy
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BUILD, SOURCES = ROOT / "hatch_build.py", ROOT / "src/dj_photon_codecs/layouts/kernels"
pytestmark = pytest.mark.skipif(not SOURCES.exists(), reason="a wheel is tested, which is built")


@pytest.fixture
def build(monkeypatch):
    """Return the names of the build, on a machine that has no compiler."""
    for name in ("CC", "DJ_PHOTON_KERNEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", os.devnull)
    return runpy.run_path(str(BUILD))


def asked_for(build):
    hook = build["KernelHook"]
    return hook.dependencies(hook.__new__(hook))


def test_a_compiler_is_asked_for_where_there_is_none(build):
    assert asked_for(build) == ["ziglang>=0.13"]


def test_none_is_asked_for_where_numpy_is_wanted(build, monkeypatch):
    monkeypatch.setenv("DJ_PHOTON_KERNEL", "numpy")
    assert asked_for(build) == []


def test_a_compiler_that_is_named_is_used(build, monkeypatch):
    monkeypatch.setenv("CC", "ccache gcc")
    assert asked_for(build) == []
    assert build["_compiler"]() == ["ccache", "gcc"]


@pytest.mark.skipif(sys.platform == "win32", reason="ziglang compiles there")
def test_a_compiler_without_headers_is_none(build, monkeypatch, tmp_path):
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert asked_for(build) == ["ziglang>=0.13"]


@pytest.mark.parametrize(
    "compiler", [[sys.executable, "-c", "raise SystemExit(3)"], ["no-such-cc"]]
)
def test_a_compiler_that_fails_is_named_with_the_ways_out(build, monkeypatch, tmp_path, compiler):
    monkeypatch.setitem(build["compile_kernel"].__globals__, "_compiler", lambda: compiler)
    with pytest.raises(SystemExit, match=r"(?s)-std=c11.*Install a C compiler.*KERNEL=numpy"):
        build["compile_kernel"](tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("system", "machine", "libc", "target"),
    [
        ("linux", "x86_64", "glibc", "x86_64-linux-gnu.2.17 x86_64"),
        ("linux", "aarch64", "", "aarch64-linux-musl baseline"),
        ("darwin", "arm64", "", "aarch64-macos.11.0 baseline"),
        ("win32", "AMD64", "", "x86_64-windows-gnu x86_64"),
    ],
)
def test_ziglang_compiles_for_any_machine_of_the_kind(
    build, monkeypatch, system, machine, libc, target
):
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("platform.libc_ver", lambda: (libc, "2.36"))
    wanted, cpu = target.split()
    assert build["_ziglang"]()[-3:] == ["-target", wanted, f"-mcpu={cpu}"]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("cc"), reason="no compiler; the build then asks for ziglang")
@pytest.mark.parametrize("machine", ["__BYTE_ORDER__=4321", "__SIZEOF_POINTER__=4"])
def test_machines_that_the_kernel_is_not_for_are_told_the_way_out(tmp_path, machine):
    build = runpy.run_path(str(BUILD))
    with pytest.raises(SystemExit, match=r"little-endian machines of 64 bits: install with DJ_P"):
        build["compile_kernel"](tmp_path, flags=["-O0", f"-D{machine}"])


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("cc"), reason="no compiler; the build then asks for ziglang")
def test_what_is_compiled_has_the_sources_number(monkeypatch, tmp_path):
    build = runpy.run_path(str(BUILD))
    target = build["compile_kernel"](tmp_path, flags=["-O0"])
    assert target.name.startswith("_kernel.")
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
