"""The order of looking and the decision, in simulated lives of a movie."""

from random import Random

import pytest

from tests.tables_of_movies.simulated_inserts import GRACE, World


def lives(number, *, stale=False, **settings):
    """Return how many movies of committed rows are lost, and how many were deleted."""
    lost = deleted = 0
    random = Random(13)
    for _ in range(number):
        world = World(random, **settings)
        world.live(stale=stale)
        lost += world.loses
        deleted += bool(world.deleted)
    return lost, deleted


@pytest.mark.slow
def test_no_committed_row_loses_anything_in_100_000_interleavings():
    lost, deleted = lives(100_000)

    assert lost == 0
    assert deleted > 8_000  # and garbage is collected


@pytest.mark.parametrize(
    "careless",
    [
        {"grace": 0, "stale": True},  # as DataJoint's collector
        {"grace": 0},  # the store first, and the rows last
        {"forgets": True},  # one look, beside moves
        {"longest": 3 * GRACE},  # transactions longer than the grace period
    ],
    ids=["rows first", "no grace", "one look", "long transactions"],
)
def test_what_is_less_careful_loses_movies(careless):
    lost, _ = lives(4000, **careless)

    assert lost > 0
