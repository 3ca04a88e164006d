"""How many movies `verify` reads in a second, by the number of processes, and in how much memory.

    python benchmarks/verify_table.py [--rows 10000] [--processes 1 2] [--s3]

A table in the PostgreSQL of the tests is filled with movies of 100 frames of 8 x 8 pixels, one
chunk each: what is measured is the cost of a row. Every thousandth movie loses its directory, and
the script fails unless `verify` names exactly those.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

SPOILED = 1000  # every so many movies
BATCH = 500  # rows of an insert


def main() -> None:
    """Run the benchmark from the command line."""
    options = _options()
    os.environ["DJ_IGNORE_CONFIG_FILE"] = "true"
    sys.path.insert(0, str(Path(__file__).parents[1]))
    with ExitStack() as running:
        store = _store(running, s3=options.s3)
        table = _table(running, store)
        movie = np.random.default_rng(0).poisson(3, (100, 8, 8)).astype("u2")
        for start in range(0, options.rows, BATCH):
            numbers = range(start, min(start + BATCH, options.rows))
            table.insert({"recording_id": number, "movie": movie} for number in numbers)
        spoiled = list(range(0, options.rows, SPOILED))
        for number in spoiled:
            _spoil(table, store, number)
        print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
        for processes in options.processes:
            _measure(table, processes, spoiled=spoiled)


def _measure(table: Any, processes: int, *, spoiled: list[int]) -> None:
    from dj_photon_codecs import verify  # noqa: PLC0415

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    report = verify(table, processes=processes)
    seconds = time.perf_counter() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"{report.rows:,} movies, processes={processes}: {seconds:.1f} s, "
        f"{report.rows / seconds:.0f} movies/s, {grown:.0f} MB more at the peak",
        flush=True,
    )
    if [found.key["recording_id"] for found in report.damaged] != spoiled:
        raise SystemExit(f"expected {spoiled}, found {report}")


def _store(running: ExitStack, *, s3: bool) -> dict[str, Any]:
    if s3:
        from tests import services  # noqa: PLC0415

        return running.enter_context(services.seaweedfs()).spec("benchmark")
    folder = running.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
    return {"protocol": "file", "location": folder}


def _table(running: ExitStack, store: dict[str, Any]) -> Any:
    import datajoint as dj  # noqa: PLC0415

    from dj_photon_codecs import PhotonCodec  # noqa: PLC0415
    from tests import services  # noqa: PLC0415

    class Benchmark(PhotonCodec):
        name = "photon_benchmark"
        durable = False  # filling the table is not what is measured

    database = running.enter_context(services.postgresql())
    for name in ("backend", "host", "port", "user", "password", "use_tls"):
        dj.config[f"database.{name}"] = getattr(database, name)
    dj.config["stores"] = {"default": "imaging", "imaging": store}
    dj.config["loglevel"] = "WARNING"

    class Recording(dj.Manual):
        definition = f"""
        recording_id : int32
        ---
        movie : <{Benchmark.name}@imaging>
        """

    return dj.Schema("verify_benchmark")(Recording)


def _spoil(table: Any, store: dict[str, Any], number: int) -> None:
    from datajoint.storage import StorageBackend  # noqa: PLC0415

    (row,) = (table & {"recording_id": number}).proj("movie").cursor(as_dict=True)
    StorageBackend(store).remove_folder(row["movie"]["path"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--s3", action="store_true", help="on a local S3 server")
    return parser.parse_args()


if __name__ == "__main__":
    main()
