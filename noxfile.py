#!/usr/bin/env -S uv run --script
# /// script
# dependencies = ["nox>=2025.2.9"]
# ///
"""The checks of CONTRIBUTING.md, each in an environment of its own: ``nox``, or ``nox -s lint``."""

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"

TESTED_WITH = (
    "tests",
    "docs",
    "examples",
    "benchmarks",
    "README.md",
    "CONTRIBUTING.md",
    "pyproject.toml",
)


@nox.session(python="3.11")
def lint(session: nox.Session) -> None:
    session.install("-e", ".[dev]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("codespell")
    session.run("rumdl", "check", ".")
    session.run("repo-review", ".")
    session.run("zizmor", "--offline", "--quiet", ".github")
    session.run("pyroma", "--min=10", ".")


@nox.session(python="3.11")
def docs(session: nox.Session) -> None:
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-j", "2", "docs", "site")


@nox.session(python=["3.11", "3.13"])
def tests(session: nox.Session) -> None:
    session.install("-e", ".[dev]")
    session.run("pytest", *session.posargs)


@nox.session(python="3.11")
def oldest(session: nox.Session) -> None:
    """Run the tests with the oldest versions that pyproject.toml admits."""
    session.install("-c", ".github/oldest.txt", "-e", ".[dev]")
    session.run("pytest", *session.posargs)


@nox.session(python="3.13")
def wheel(session: nox.Session) -> None:
    """Run the tests against the built wheel, far from the source, as .ci/run does."""
    session.install("build")
    dist, elsewhere = Path(session.create_tmp(), "dist"), Path(session.create_tmp(), "elsewhere")
    for folder in (dist, elsewhere):
        shutil.rmtree(folder, ignore_errors=True)
    elsewhere.mkdir()
    for name in TESTED_WITH:
        copy = shutil.copytree if Path(name).is_dir() else shutil.copy2
        copy(name, elsewhere / name)
    session.run("python", "-m", "build", "--outdir", str(dist))
    session.install(f"{next(dist.glob('*-cp311-abi3-*.whl'))}[dev]")
    session.chdir(elsewhere)
    session.run("pytest", "tests", "--pyargs", "anscombe", "dj_photon_codecs", *session.posargs)


if __name__ == "__main__":
    nox.main()
