"""What static bodies are decoded with, from their columns."""

import numpy as np
import pytest

from dj_photon_codecs.layouts.columns import bytewise, changes
from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.layout import DamagedChunk
from dj_photon_codecs.layouts.static.bins import numbers_of_bins
from dj_photon_codecs.layouts.static.tables import find_roots, frequencies_of
from tests.backends import use_backend

CONTEXTS, SLOTS, WIDTH, PIXELS, FRAMES, TABLES = 6, 4096, 20, 300, 9, 5


class Body:
    """The columns of a random model, and maps of random levels."""

    def __init__(self, *, classes=1, families=1, bins=0, values=0):
        rng = np.random.default_rng(classes + families)
        self.brightnesses, self.families = 7, families
        rows = classes, families * self.brightnesses
        self.frame_class = rng.integers(0, classes, FRAMES, np.uint8)
        self.base = rng.integers(0, 1 << 16, rows, np.uint16)
        self.table = rng.integers(0, TABLES, rows, np.uint8)
        counts = rng.integers(0, 9, (TABLES, 256)) * rng.integers(0, 2, (TABLES, 256))
        counts[0], counts[1] = 0, np.arange(256) == 7  # no symbol, and a single one
        self.roots = find_roots(counts)
        self.low, self.values = rng.integers(0, 6, bins, np.uint8), np.arange(values, dtype="u2")
        self.brightness = rng.integers(0, self.brightnesses, PIXELS, np.uint16)
        self.family = rng.integers(0, families, PIXELS, np.uint16)
        pictures = (self.brightness, self.family)[: 1 + (families > 1)]
        self.map_roots = [encoded_map(picture)[0] for picture in pictures]
        self.maps = [encoded_map(picture)[1] for picture in pictures]
        self.maps += [np.zeros(0, np.uint8)] * (families == 1)

    @property
    def columns(self):
        rows = bytewise(changes(self.base)), changes(self.table)
        roots = self.roots, *self.map_roots
        columns = self.frame_class, *rows, *roots, self.low, bytewise(changes(self.values))
        return np.concatenate([column.reshape(-1) for column in columns])

    def open(self, *, columns=None, maps=None, families=None, width=WIDTH):
        rooms = (
            np.zeros((len(self.base), PIXELS), np.uint32),
            np.zeros((TABLES, SLOTS), np.uint32),
            np.zeros(self.low.size, np.uint32),
            np.zeros(self.values.size, np.uint16),
        )
        kernel().open_streams(
            self.columns if columns is None else columns,
            FRAMES,
            self.brightnesses,
            self.families if families is None else families,
            width,
            *(maps or self.maps),
            *rooms,
        )
        return rooms


def encoded_map(picture):
    counts = np.zeros((CONTEXTS, 256), np.uint32)
    kernel().count_map(picture, WIDTH, counts)
    roots = find_roots(counts)
    payload = np.zeros(8 * picture.size, np.uint8)
    used = kernel().encode_map(picture, WIDTH, frequencies_of(roots), payload)
    return roots, payload[:used]


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    "options", [{}, {"classes": 3, "bins": 40, "values": 300}, {"families": 4, "bins": 1}]
)
def test_a_body_is_opened(options):
    body = Body(**options)
    cells, slots, bins, values = body.open()

    rows = body.base | body.table.astype(np.uint32) << np.uint32(24)
    level = body.family * body.brightnesses + body.brightness
    np.testing.assert_array_equal(cells, rows[:, level])
    expected = np.zeros_like(slots)
    kernel().decoding_slots(frequencies_of(body.roots), expected)
    np.testing.assert_array_equal(slots, expected)
    np.testing.assert_array_equal(bins, numbers_of_bins(body.low))
    np.testing.assert_array_equal(values, body.values)


def test_both_kernels_make_the_same_tables_of_any_roots():
    body, opened = Body(), []
    body.roots = np.random.default_rng(0).integers(0, 256, body.roots.shape, np.uint8)
    for name in ("compiled", "numpy"):
        with use_backend(name):
            opened.append(body.open()[1])
    np.testing.assert_array_equal(*opened)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("what", ["frame_class", "table", "low", "wide", "brightness", "family"])
def test_damage_is_refused(what):
    body = Body(families=2, bins=3)
    if what == "wide":
        body.low = np.full(3, 15, np.uint8)  # more numbers than 2**16
    elif what in ("brightness", "family"):
        picture = getattr(body, what)
        picture[5] = body.brightnesses
        at = int(what == "family")
        body.map_roots[at], body.maps[at] = encoded_map(picture)
    else:
        getattr(body, what).reshape(-1)[-1] = {"frame_class": 1, "table": TABLES, "low": 16}[what]
    with pytest.raises(DamagedChunk, match="damaged chunk"):
        body.open()


@pytest.mark.usefixtures("backend")
def test_sizes_that_do_not_fit_are_refused():
    body = Body(families=2)
    for wrong in (
        {"columns": body.columns[:-1]},
        {"families": 3},
        {"families": 0},
        {"width": 0},
        {"width": 7},
    ):
        with pytest.raises(ValueError, match="do not fit"):
            body.open(**wrong)
