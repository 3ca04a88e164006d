"""A world of one movie: an insert, a move, deletes and collectors, in any order.

Times are integers. The collectors run the library's own `sweep`; the store, the database and the
others are simulated. Whenever a collector calls one of them, the others go on for a while, and
either may be killed.
"""

import heapq
from collections.abc import Iterator
from random import Random

from dj_photon_codecs.tables.garbage import StoredMovie, sweep

GRACE = 16
FILES = ("0.0.0", "1.0.0", ".zattrs", ".zarray")
NOBODY: set[str] = set()
NAME = "movie_aBcDeFgH.zarr"
REFERRED = {NAME}
PATH = f"_schema/lab/recording/id=1/{NAME}"


class KilledError(Exception):
    """A process ends in mid-air."""


class World:
    """A store, a database and their clock.

    `longest` is the longest time that an insert may take from the last file to its commit, and a
    transaction from what it reads to its commit. Where the store `forgets` what it was told, it
    says that a movie has been without a row since long ago.
    """

    store, schema = "imaging", "lab"

    def __init__(
        self,
        random: Random,
        *,
        grace: int = GRACE,
        longest: int = GRACE - 1,
        forgets: bool = False,
    ) -> None:
        self.random, self.grace, self.longest, self.forgets = random, grace, longest, forgets
        self.skew = self.up_to(2000) - 1000  # of the store's clock
        self.now = 0
        self.files: dict[str, int] = {}
        self.rows: set[str] = set()  # committed; all refer to the movie
        self.noted: dict[str, int] = {}
        self.deleted = 0
        self._due: list[tuple[int, int, Iterator[int]]] = []
        self._number = 0

    # -------------------------------------------------------------------- time

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def up_to(self, most: int) -> int:
        return int(self.random.random() * (most + 1))  # in half the time of randrange

    def begin(self, actor: Iterator[int], *, after: int = 0) -> None:
        self._number += 1
        heapq.heappush(self._due, (self.now + after, self._number, actor))

    def go_on(self, until: int) -> None:
        due = self._due
        while due and due[0][0] <= until:
            moment, _, actor = heapq.heappop(due)
            self.now = max(self.now, moment)  # a collector may have taken longer
            if (pause := next(actor, None)) is not None:
                self.begin(actor, after=pause)
        self.now = max(self.now, until)

    def _others_go_on(self) -> None:
        share = self.random.random()
        if share < 0.02:
            raise KilledError
        self.go_on(self.now + int(share**3 * 40))

    # -------------------------------------------------------------------- what a collector sees

    def time(self) -> int:
        self._others_go_on()
        return self.now + self.skew

    def movies(self) -> list[StoredMovie]:
        self._others_go_on()
        if not self.files:
            return []
        newest = max(self.files.values()) + self.skew
        return [StoredMovie(PATH, PATH, tuple(self.files), 1, newest)]  # type: ignore[arg-type]

    def references(self) -> set[str]:
        self._others_go_on()
        return REFERRED if self.rows else NOBODY

    def is_ours(self, movie: StoredMovie) -> bool:
        return movie.name == NAME

    def marks(self) -> dict[str, int]:
        self._others_go_on()
        return {PATH: -(10**6)} if self.forgets else self.noted

    def keep(self, marks: dict[str, int]) -> None:
        self._others_go_on()
        self.noted = {} if self.chance(0.02) else marks  # what was half written is not read

    def delete(self, movie: StoredMovie) -> None:
        for name in movie.files:
            self._others_go_on()
            self.deleted += self.files.pop(name, None) is not None

    # -------------------------------------------------------------------- what others do

    def insert(self) -> Iterator[int]:
        """Write the files, slowly perhaps, then commit the row, or not."""
        for name in FILES:
            self.files[name] = self.now
            yield self.up_to(GRACE - 1)  # all together longer than the grace period
            if self.chance(0.05):
                return  # killed
        self.files[FILES[-1]] = self.now
        complete = set(self.files) == set(FILES)  # what `MovieFolder` makes sure of
        yield self.up_to(self.longest)
        if complete and self.chance(0.85):
            self.rows.add("row")

    def move(self) -> Iterator[int]:
        """Copy a row in a transaction, while the source may be deleted."""
        if "row" in self.rows:
            yield self.up_to(self.longest)
            if self.chance(0.9):
                self.rows.add("copy")

    def remove(self, row: str) -> Iterator[int]:
        self.rows.discard(row)
        yield 0

    def collect(self, *, stale: bool) -> Iterator[int]:
        """Run a collector, now and then as a dry run; `stale` reads the rows first."""
        if stale:
            names = REFERRED if self.rows else NOBODY
            self.go_on(self.now + self.up_to(40))
        try:
            list(
                sweep(
                    [self],  # type: ignore[list-item]
                    (lambda: names) if stale else self.references,
                    grace=self.grace,  # type: ignore[arg-type]
                    dry_run=self.chance(0.1),
                )
            )
        except KilledError:
            return
        yield 0

    def live(self, *, stale: bool = False) -> None:
        """Let a movie's life pass, with collectors beside it, and after it."""
        self.begin(self.insert())
        moved = self.up_to(7 * GRACE)
        self.begin(self.move(), after=moved)
        self.begin(self.remove("row"), after=moved + self.up_to(2 * self.longest))
        if self.chance(0.3):
            self.begin(self.remove("copy"), after=moved + self.up_to(3 * GRACE))
        moment = self.up_to(5 * GRACE)
        for _ in range(3):
            self.begin(self.collect(stale=stale), after=moment)
            moment += self.up_to(2 * GRACE)
        self.go_on(24 * GRACE)

    @property
    def loses(self) -> bool:
        """Whether a committed row lacks files of its movie."""
        return bool(self.rows) and set(self.files) != set(FILES)
