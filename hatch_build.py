"""Compile the kernel: for wheels and editable installs, and by hand: ``python hatch_build.py``.

The compiler is the machine's (``CC``, cc, gcc, clang) or, where there is none, PyPI's ziglang.
With ``DJ_PHOTON_KERNEL=numpy`` nothing is compiled, and what is installed uses NumPy instead.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # by hand
    BuildHookInterface = object

ROOT = Path(__file__).resolve().parent
KERNELS = ROOT / "src/dj_photon_codecs/layouts/kernels"
IN_WHEEL = "dj_photon_codecs/layouts/kernels"
FLAGS = ["-std=c11", "-ffp-contract=off", "-fno-strict-aliasing", "-fvisibility=hidden"]
FLAGS += ["-fno-math-errno"]  # sqrt is an instruction
FLAGS += ["-Wall", "-Wextra"]
FAST = "-O3", "-s"
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))  # has no limited API
WAY_OUT = (
    "Install a C compiler and Python's headers (Debian: gcc python3-dev; macOS: xcode-select "
    "--install), name one in CC, or set DJ_PHOTON_KERNEL=numpy to install without the compiled "
    "kernel: movies are the same, and take many times longer"
)


class KernelHook(BuildHookInterface):  # type: ignore[misc,valid-type]
    """Puts the compiled kernel into a wheel, or beside its sources where they are installed."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for a compiler where there is none."""
        return [] if _unwanted() or _compiler() else ["ziglang>=0.13"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the kernel."""
        if _unwanted():
            return
        if version == "editable":
            compile_kernel(KERNELS)
        else:
            self._room = tempfile.TemporaryDirectory()  # as long as the build
            kernel = compile_kernel(Path(self._room.name))
            build_data["force_include"][str(kernel)] = f"{IN_WHEEL}/{kernel.name}"
        build_data["pure_python"] = False
        if FREE_THREADED:
            build_data["infer_tag"] = True
        else:
            best = self.build_config.builder.get_best_matching_tag()
            build_data["tag"] = f"cp311-abi3-{best.rsplit('-', 1)[-1]}"


def compile_kernel(folder: Path, *, flags: Sequence[str] = FAST) -> Path:
    """Compile the kernel into a folder, and return its path."""
    sources = sorted(KERNELS.glob("*.[ch]"))
    written = zlib.crc32(b"".join(path.read_bytes() for path in sources)) & 0x7FFFFFFF
    target = folder / f"_kernel{_suffix()}"
    with tempfile.TemporaryDirectory(dir=folder) as room:
        compiled = Path(room, target.name)
        command = [
            *(_compiler() or _ziglang()),
            *FLAGS,
            *flags,
            f"-DKERNEL_SOURCES={written}",
            f"-I{sysconfig.get_path('include')}",
            *(str(path) for path in sources if path.suffix == ".c"),
            *_linking(),
            "-o",
            str(compiled),
        ]
        try:
            subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", error)
            raise SystemExit(f"{shlex.join(command)}\n{said}\n{WAY_OUT}") from error
        compiled.replace(target)
    return target


def _unwanted() -> bool:
    return os.environ.get("DJ_PHOTON_KERNEL") == "numpy"


def _suffix() -> str:
    if FREE_THREADED:
        return str(sysconfig.get_config_var("EXT_SUFFIX"))
    return ".pyd" if sys.platform == "win32" else ".abi3.so"


def _compiler() -> list[str] | None:
    """Return the command of the machine's compiler; None where there is none that works."""
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    names = () if sys.platform == "win32" else ("cc", "gcc", "clang")
    found = (shutil.which(name) for name in names)
    return next(([path] for path in found if path and _works(path)), None)


def _works(path: str) -> bool:
    """Return whether a compiler has its headers: macOS has a cc that only asks to install one."""
    command = [path, "-E", "-x", "c", "-"]
    asked = subprocess.run(  # noqa: S603
        command, input=b"#include <stdlib.h>", capture_output=True, check=False
    )
    return not asked.returncode


def _ziglang() -> list[str]:
    """Return the command of PyPI's compiler, for any machine of this kind, not for this one."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    systems = {"darwin": "macos.11.0", "win32": "windows-gnu"}
    libc = "gnu.2.17" if platform.libc_ver()[0] == "glibc" else "musl"
    target = f"{machine}-{systems.get(sys.platform, f'linux-{libc}')}"
    cpu = "x86_64" if machine == "x86_64" else "baseline"
    return [sys.executable, "-m", "ziglang", "cc", "-target", target, f"-mcpu={cpu}"]


def _linking() -> list[str]:
    if sys.platform == "win32":
        return ["-shared", f"-L{Path(sys.base_prefix, 'libs')}", "-lpython3"]
    if sys.platform == "darwin":
        architectures = shlex.split(os.environ.get("ARCHFLAGS", ""))
        return ["-bundle", "-undefined", "dynamic_lookup", *architectures]
    return ["-shared", "-fPIC"]


if __name__ == "__main__":
    print(compile_kernel(KERNELS).relative_to(ROOT))  # noqa: T201
