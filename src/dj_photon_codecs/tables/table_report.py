"""What a table of movies costs, and would cost, from a sample of its rows and of their chunks."""

from __future__ import annotations

import json
import math
import operator
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from datajoint.hash_registry import get_store_backend

from dj_photon_codecs.arrays.photon_array import PhotonArray
from dj_photon_codecs.movies.camera_movie import CameraMovie
from dj_photon_codecs.movies.kinds import is_a
from dj_photon_codecs.tables.findings import key_in_words, told
from dj_photon_codecs.tables.old_movies import fetched_row, refuse_undecided
from dj_photon_codecs.tables.queries import Key, as_query, is_of_row, is_photon, settings_of
from dj_photon_codecs.views.report import Cost, Way, movie_costs, policy_of, standard_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dj_photon_codecs.photons.calibration import Calibration

__all__ = ["Estimate", "SampledRow", "TableReport", "report_table", "sample_table"]

SHOWN = 10  # rows that a text shows
UNCALIBRATED = (
    "Without calibration= the values are taken for photon counts: if they are of a\n"
    "camera, the exact sizes are right, and those in steps are not."
)


@dataclass(frozen=True)
class SampledRow:
    """One movie of a sample: its sizes in megabytes (1e6 bytes), or why they are not known.

    `now` is None where a column type does not tell what it takes on its store.
    """

    key: dict[str, Any]
    raw: float = math.nan
    now: float | None = None
    costs: tuple[Cost, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Estimate:
    """What a whole table takes in one way.

    Attributes
    ----------
    stored : str
        How, in words.
    megabytes : float
        In all, 1e6 bytes.
    uncertainty : float
        Twice its standard error; 0 if every row and every chunk was looked at, NaN for a single
        row of several.
    """

    stored: str
    megabytes: float
    uncertainty: float


@dataclass(frozen=True)
class TableReport:
    """What the movies of a table take, and would take; a table in the terminal.

    Attributes
    ----------
    attribute : str
        The attribute that holds them.
    rows, empty : int
        Rows with a movie, and without (NULL).
    sampled : tuple of SampledRow
        The movies that were read.
    ways : tuple of str
        How they were encoded.
    note : str
        What to know about the numbers.
    """

    attribute: str
    rows: int
    empty: int
    sampled: tuple[SampledRow, ...]
    ways: tuple[str, ...]
    note: str = ""

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """What the whole table takes: as raw values, as it is now if that is known, in each way."""
        good = [row for row in self.sampled if not row.error]
        if not good:
            return ()
        found = [self._estimate("raw values", [row.raw for row in good])]
        now = [row.now for row in good if row.now is not None]
        if len(now) == len(good):
            found.append(self._estimate("as it is now", now))
        for number, way in enumerate(self.ways):
            costs = [row.costs[number] for row in good]
            chunks = math.hypot(*(cost.uncertainty for cost in costs))
            found.append(self._estimate(way, [cost.megabytes for cost in costs], chunks))
        return tuple(found)

    def _estimate(self, stored: str, sizes: Sequence[float], chunks: float = 0.0) -> Estimate:
        """Extrapolate sizes of a sample; `chunks` is the standard error of their sum."""
        number = len(sizes)
        rows = self.rows * standard_error(sizes, of=self.rows)
        within = chunks * math.sqrt(self.rows / number)
        return Estimate(stored, self.rows * statistics.fmean(sizes), 2 * math.hypot(rows, within))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain dictionaries, lists, numbers and texts; NaN is None."""
        return {
            "attribute": self.attribute,
            "rows": self.rows,
            "empty": self.empty,
            "sampled": len(self.sampled),
            "failed": sum(bool(row.error) for row in self.sampled),
            "estimates": [
                {
                    "stored": each.stored,
                    "megabytes": each.megabytes,
                    "uncertainty": None if math.isnan(each.uncertainty) else each.uncertainty,
                }
                for each in self.estimates
            ],
        }

    def to_json(self, *, indent: int | None = 1) -> str:
        """Return the report as JSON."""
        return json.dumps(self.to_dict(), indent=indent)

    def __str__(self) -> str:
        failed = [row for row in self.sampled if row.error]
        first = (
            f"{self.rows:,} movies in {self.attribute}, of which {len(self.sampled):,} were read; "
            f"{self.empty:,} rows have none."
        )
        lines = [first]
        lines += [
            f"  {each.stored:>28}  {_in_words(each.megabytes):>12} ± {_in_words(each.uncertainty)}"
            for each in self.estimates
        ]
        if failed:
            lines.append(f"{len(failed)} of those read could not be stored so:")
            lines += [f"  {key_in_words(row.key)}: {row.error}" for row in failed[:SHOWN]]
        return "\n".join([*lines, *([self.note] if self.note else [])])

    __repr__ = __str__

    def by_row(self) -> str:
        """Return what each movie that was read takes, a line each."""
        return "\n".join(f"{key_in_words(row.key)}: {self._sizes(row)}" for row in self.sampled)

    def _sizes(self, row: SampledRow) -> str:
        sizes = {"raw": row.raw, "now": row.now}
        sizes |= {way: cost.megabytes for way, cost in zip(self.ways, row.costs, strict=False)}
        return row.error or ", ".join(
            f"{_in_words(size)} {what}" for what, size in sizes.items() if size is not None
        )


def report_table(
    table: Any,
    attribute: str | None,
    *,
    calibration: Calibration | None,
    steps: Sequence[float | None],
    codec: Any,
    rows: int,
) -> TableReport:
    """Return what a table costs and would cost; see `report`."""
    query = as_query(table)
    attribute = _attribute(query, attribute)
    policy = policy_of(codec)
    ways: dict[str, Way] = {_way("", step): (policy, step) for step in steps}
    if codec is None:
        ways["exactly, <photon_dense@>"] = (policy_of("photon_dense"), None)

    def prepare(_: Any, movie: Any) -> Any:
        refuse_undecided(movie)
        if isinstance(movie, PhotonArray) or calibration is None:
            return movie
        return CameraMovie(movie, calibration)

    query = query.proj(attribute)
    keys = (query - {attribute: None}).keys(order_by="KEY")
    uncalibrated = calibration is None and not is_photon(query.heading[attribute].codec)
    return sample_table(
        query,
        attribute,
        keys,
        ways=ways,
        prepare=prepare,
        rows=rows,
        empty=len(query & {attribute: None}),
        note=UNCALIBRATED if uncalibrated and any(steps) else "",
    )


def sample_table(  # noqa: PLR0913 - for two callers
    query: Any,
    attribute: str,
    keys: Sequence[Key],
    *,
    ways: dict[str, Way],
    prepare: Callable[[dict[str, Any], Any], Any],
    rows: int,
    empty: int = 0,
    note: str = "",
) -> TableReport:
    """Read a sample of the movies with these keys, and return what all of them would take.

    `prepare` returns what would be inserted for a row and its movie.
    """
    if operator.index(rows) < 1:
        raise ValueError(f"rows is {rows}; it must be 1 or more")
    spread = np.linspace(0, len(keys) - 1, min(rows, len(keys))).round().astype(int).tolist()
    sampled = tuple(
        _sampled_row(query, attribute, keys[place], list(ways.values()), prepare)
        for place in spread
    )
    return TableReport(attribute, len(keys), empty, sampled, tuple(ways), note)


def _sampled_row(
    query: Any, attribute: str, key: Key, ways: Sequence[Way], prepare: Callable[..., Any]
) -> SampledRow:
    try:
        with fetched_row(query, key, [attribute]) as row:
            movie = row[attribute]
            inserted = prepare(row, movie)
            now = _stored_bytes(query & key, attribute, movie)
            camera, costs = movie_costs(inserted, ways)
    except BaseException as error:
        if not is_of_row(error):
            raise
        return SampledRow(key, error=told(error))
    raw = math.prod(camera.values.shape) * camera.values.dtype.itemsize / 1e6
    return SampledRow(key, raw, None if now is None else now / 1e6, costs)


def _stored_bytes(row: Any, attribute: str, movie: Any) -> int | None:
    """Return how many bytes a movie takes where it is now; None where that cannot be told."""
    (found,) = row.proj(attribute).cursor(as_dict=True)
    stored = found[attribute]
    if isinstance(stored, bytes | bytearray | memoryview):
        return memoryview(stored).nbytes
    if isinstance(movie, PhotonArray):
        files = movie.movie_store.files
        return int(files.fs.du(files.path))
    if is_a(movie, "zarr", "Array"):
        return int(movie.nbytes_stored())
    described = json.loads(stored) if isinstance(stored, str) and stored[:1] == "{" else stored
    if isinstance(described, dict) and "size" in described:  # of <blob@> and <attach@>
        return int(described["size"])
    if isinstance(described, dict) and str(described.get("path")).endswith(".npy"):
        config = settings_of(row.connection)
        return int(get_store_backend(described["store"], config=config).size(described["path"]))
    return None


def _attribute(query: Any, named: str | None) -> str:
    """Return the attribute that holds movies: the one that is named, or the only one that may."""
    heading = query.heading
    may = [name for name in heading.names if heading[name].codec or heading[name].is_blob]
    photon = [name for name in may if is_photon(heading[name].codec)]
    for found in [named] if named else [], photon, may, heading.secondary_attributes:
        if len(found) == 1 and found[0] in heading.secondary_attributes:
            return str(found[0])
    raise ValueError(
        f"attribute is {named!r}; it must name the attribute with the movies, one of "
        f"{', '.join(heading.secondary_attributes) or '(none)'}"
    )


def _way(name: str, step: float | None) -> str:
    kind = "exactly" if step is None else f"step {step:g}"
    return f"{name} {kind}".strip()


def _in_words(megabytes: float) -> str:
    if math.isnan(megabytes):
        return "?"
    return f"{megabytes:,.1f} MB" if megabytes >= 10 else f"{megabytes:.2g} MB"
