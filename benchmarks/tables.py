"""The results in words: a Markdown table for each movie, and JSON."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from statistics import fmean
from typing import TYPE_CHECKING, Any

from measurement import PATHS, PLAIN

from dj_photon_codecs import kernel_in_use

if TYPE_CHECKING:
    from collections.abc import Sequence

    from measurement import Result

PACKAGES = (
    "dj-photon-codecs",
    "zarr",
    "numcodecs",
    "numpy",
    "datajoint",
    "h5py",
    "hdf5plugin",
    "tifffile",
    "imagecodecs",
    "pcodec",
    "blosc2",
    "anscombe-transform",
)
HEAD = (
    "| way | bits per pixel | over the limit | write | read counts | read float64 "
    "| what comes back |\n|---|--:|--:|--:|--:|--:|---|"
)
HOW = """\
Speeds are megabytes of the movie as it was inserted (2 bytes a pixel) per second, in the best turn,
and in brackets as multiples of plain Zarr with Blosc Zstd 5 bit shuffle in the same turn (the
median); above 1 is faster. "Read float64" ends with the transformed movie; ways that know nothing
of it read the counts and compute `2 * np.sqrt(counts + 3/8)`. Chunks are 100 frames. Threads are
what each library takes by default: this one, Zarr, Blosc2, JPEG XL and TIFF use several,
DataJoint's codecs, HDF5, JPEG-LS, JPEG 2000, HTJ2K, pcodec, bz2 and xz one. JPEG XL of effort 9 is
tried on movies of up to 10 million pixels. Files are written to and read from the operating
system's cache. A way that takes more than five seconds has one turn only. The limit is Shannon's,
of what comes back, given the true photon rate of each pixel."""


def machine() -> dict[str, Any]:
    """Say on what the benchmark was run."""
    return {
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "kernel": kernel_in_use(),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def table(results: Sequence[Result]) -> str:
    """Return the table of one movie, under its heading, the smallest first."""
    plain = next(each for each in results if each.way == PLAIN)
    limits = [each.limit for each in results if each.limit]
    known = f", Shannon's limit {min(limits):.3f} bits per pixel" if limits else ""
    rows = [_row(each, plain) for each in sorted(results, key=_rank)]
    return "\n".join([f"### {results[0].movie}{known}", "", HEAD, *rows])


def overview(movies: Sequence[Sequence[Result]]) -> str:
    """Return bits per pixel of all ways and all movies whose limit is known, smallest way first."""
    known = [found for found in movies if found[0].rate and found[0].step is None]
    if not known:
        return ""
    sizes = {(each.movie, each.way): each for found in known for each in found if each.limit}
    names = [found[0].movie for found in known]
    ways = {way for _, way in sizes}
    limits = [f"{found[0].limit:.2f}" for found in known]
    rows = [["Shannon's limit", *limits]]
    over = {
        way: [sizes[n, way].over_limit or 0 for n in names if (n, way) in sizes] for way in ways
    }
    for way in sorted(ways, key=lambda way: fmean(over[way])):
        found = [sizes.get((name, way)) for name in names]
        rows.append([_name(way), *(f"{each.bits_per_pixel:.2f}" if each else "" for each in found)])
    head = f"| bits per pixel | {' | '.join(names)} |\n|---|{'--:|' * len(names)}"
    return "\n".join([head, *(f"| {' | '.join(row)} |" for row in rows)])


def document(here: dict[str, Any], results: Sequence[Result]) -> str:
    """Return all tables and plots of a run, and what they mean."""
    movies = [list(found) for _, found in groupby(results, lambda each: each.movie)]
    packages = ", ".join(f"{name} {found}" for name, found in here["packages"].items())
    kernel = f"{here['kernel']} kernel, " if "kernel" in here else ""
    where = f"{here['architecture']}, {here['cores']} cores, {kernel}{here['system']}"
    later = ", ".join(f"{_name(way)} {found}" for way, found in here.get("renewed", {}).items())
    lines = [
        f"`{here['command']}`: {where}, Python {here['python']}, {packages}.",
        *([f"Not measured: {'; '.join(here['missing'])}."] if here["missing"] else []),
        *([f"Measured later than the rest, in turns with plain Zarr: {later}."] if later else []),
        HOW,
        "![Size of the ways as multiples of Shannon's limit, by photon rate](storage-size.png)",
        "![Speed of the ways against their size](storage-speed.png)",
        overview(movies),
        *(table(results) for results in movies),
    ]
    return "\n\n".join(filter(None, lines)) + "\n"


def _rank(result: Result) -> tuple[bool, float]:
    return result.is_wrong, result.bits_per_pixel


def _row(result: Result, plain: Result) -> str:
    over = "" if result.over_limit is None else f"{result.over_limit:.3f}"
    speeds = [
        f"{result.speed(path):,.0f} ({result.times_plain(path, plain):.2f})" for path in PATHS
    ]
    cells = [
        _name(result.way),
        f"{result.bits_per_pixel:.3f}",
        over,
        *speeds,
        _what_comes_back(result),
    ]
    return f"| {' | '.join(cells)} |"


def _name(way: str) -> str:
    return f"`{way}`" if way.startswith("<") else way


def _what_comes_back(result: Result) -> str:
    if result.error == 0:
        return "the same values"
    off = f"off by {result.error:.3g} photons (rms), {result.bias:+.2g} on average"
    return f"**wrong values**, {off}" if result.is_wrong else off


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
