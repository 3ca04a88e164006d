"""Adaptive chunks come back in either backend, are as small as they should be, or are damaged."""

import tracemalloc

import numpy as np
import pytest

from dj_photon_codecs.layouts.adaptive import levels, packing
from dj_photon_codecs.layouts.adaptive.packing import BODY_HEADER, pack_adaptive, unpack_adaptive
from tests.backends import use_backend

pytestmark = pytest.mark.usefixtures("backend")

NOTHING = np.zeros(0, np.uint16)


def poisson(mean=3.0, shape=(20, 24, 40), seed=0):
    return np.random.default_rng(seed).poisson(mean, shape).astype("u2")


def smooth():
    """Neighbours resemble each other, in all directions."""
    counts = poisson(30, (12, 35, 50)).astype(int)
    for axis in (1, 2, 2):
        counts = counts + np.roll(counts, 1, axis)
    return counts.astype("u2")


def clipped():
    """A spike at zero, saturation, and low bits that are noise."""
    noise = np.random.default_rng(1).normal(100, 400, (17, 20, 33))
    return np.clip(np.rint(noise), 0, 900).astype("u2")


def outliers():
    counts = poisson(1)
    counts[5, 3:6, 7], counts[-1, -1, -1], counts[0, 0, 0] = 40_000, 65_535, 300
    return counts


def changing():
    """Brightness doubles, so that the gate opens."""
    return np.concatenate([poisson(40, (9, 20, 30)), poisson(90, (9, 20, 30), 1)])


KINDS = {
    "photons": poisson,
    "few photons": lambda: poisson(0.05),
    "few and bright": lambda: np.concatenate([poisson(0.001), poisson(5_000, (1, 24, 40))]),
    "smooth": smooth,
    "clipped": clipped,
    "outliers": outliers,
    "changing": changing,
    "16 bits": lambda: np.random.default_rng(2).integers(0, 1 << 16, (3, 18, 17)).astype("u2"),
    "one value": lambda: np.full((4, 17, 16), 65_535, "u2"),
    "bright": lambda: poisson(30_000, (8, 16, 40)),
    "one frame": lambda: poisson(3, (1, 40, 64)),
    "two frames": lambda: poisson(300, (2, 5, 16)),
    "one row": lambda: poisson(3, (30, 1, 100)),
    "wide": lambda: poisson(3, (2, 3, 300)),
    "high": lambda: poisson(3, (2, 70, 16)),
}


def packed(numbers, values=NOTHING):
    with use_backend("compiled"):
        return np.frombuffer(b"".join(pack_adaptive(numbers, values, int(numbers.max()))), np.uint8)


def unpacked(chunk, shape, frames=None, dtype=np.uint16, start=0):
    numbers = np.empty((shape[0] if frames is None else frames, *shape[1:]), dtype)
    return unpack_adaptive(chunk, shape, numbers, start=start)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_come_back(kind):
    numbers = KINDS[kind]()
    found, values = unpacked(packed(numbers), numbers.shape)
    np.testing.assert_array_equal(found, numbers)
    assert values.size == 0


@pytest.mark.parametrize("kind", ["photons", "outliers", "changing"])
def test_numbers_come_back_of_which_some_are_counted(kind, monkeypatch):
    monkeypatch.setattr(levels, "COUNTED", 2000)  # as of large chunks
    monkeypatch.setattr(packing, "PREDICTED", 2000)
    numbers = KINDS[kind]()
    found, _ = unpacked(packed(numbers), numbers.shape)
    np.testing.assert_array_equal(found, numbers)


@pytest.mark.parametrize("spread", [1, 40])
def test_bytes_are_packed_as_numbers_of_16_bits_are(spread):  # with low bits and without
    noise = np.random.default_rng(3).normal(120, spread, (17, 20, 33))
    numbers = np.clip(np.rint(noise), 0, 255).astype("u1")
    chunk = packed(numbers)
    bins = int(chunk[: BODY_HEADER.itemsize].view(BODY_HEADER)["bins"][0])
    assert (bins == int(numbers.max()) + 1) == (spread == 1)
    np.testing.assert_array_equal(chunk, packed(numbers.astype("u2")))


@pytest.mark.parametrize("backend", ["compiled"])
@pytest.mark.parametrize("height", [1, 2, 15, 16, 17, 18, 31, 33, 34, 50])
@pytest.mark.parametrize("width", [16, 17, 60, 61, 84])
def test_frames_of_any_shape_come_back(height, width, backend):
    rates = np.random.default_rng(height).gamma(2, 0.3, (height, width))
    for axis in (0, 0, 0, 1, 1, 1):
        rates = (rates + np.roll(rates, 1, axis)) / 2
    rates = rates * np.geomspace(0.5, 20, 12)[:, None, None] ** np.sin(np.arange(12))[:, None, None]
    numbers = np.random.default_rng(width).poisson(rates).astype("u2")
    with use_backend(backend):
        found, _ = unpacked(packed(numbers), numbers.shape)
    np.testing.assert_array_equal(found, numbers)


@pytest.mark.parametrize("frames", [0, 1, 5])
@pytest.mark.parametrize("kind", ["photons", "clipped", "outliers"])
def test_the_first_frames_come_back_alone(kind, frames):
    numbers = KINDS[kind]()
    found, _ = unpacked(packed(numbers), numbers.shape, frames)
    np.testing.assert_array_equal(found, numbers[:frames])


@pytest.mark.parametrize("kind", ["photons", "clipped", "outliers", "changing", "high"])
def test_the_last_frame_comes_back_alone(kind):  # those before it are not put anywhere
    numbers = KINDS[kind]()
    found, _ = unpacked(packed(numbers), numbers.shape, 1, start=len(numbers) - 1)
    np.testing.assert_array_equal(found, numbers[-1:])


def test_low_bits_that_are_missing_are_noticed_where_their_frames_are_not_wanted():
    numbers = clipped()
    chunk = packed(numbers)
    for frames, start in ((17, 0), (1, 16)):
        with pytest.raises(ValueError, match="damaged chunk: "):
            unpacked(chunk[:-1], numbers.shape, frames, start=start)
    found, _ = unpacked(chunk[:-1], numbers.shape, 1, start=15)
    np.testing.assert_array_equal(found, numbers[15:16])


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_put_into_bytes_where_these_hold_them(kind, backend):
    numbers = KINDS[kind]()[:6, :20]
    chunk = packed(numbers)
    with use_backend(backend):
        found, _ = unpacked(chunk, numbers.shape, dtype=np.uint8)
    np.testing.assert_array_equal(found, numbers)
    if numbers.max() < 50:  # and so there are no low bits
        assert found.dtype == np.uint8


def test_wide_frames_of_few_rows_come_back():  # of frame 1, no row is sampled
    numbers = poisson(3, (8, 3, 16_411))
    with use_backend("compiled"):
        found, _ = unpacked(packed(numbers), numbers.shape)
    np.testing.assert_array_equal(found, numbers)
    with pytest.raises(ValueError, match="damaged chunk: "):
        unpacked(packed(numbers), (1, 1, 65_537))


def test_many_small_frames_take_little_memory():
    numbers = poisson(3, (20_000, 1, 16))
    tracemalloc.start()
    chunk = packed(numbers)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * numbers.nbytes < 64 << 20
    assert 8 * chunk.size / numbers.size < 1.015 * 2.833


def test_values_that_are_far_apart_come_back():
    values = np.unique(np.random.default_rng(3).integers(0, 1 << 16, 90)).astype("u2")
    numbers = np.minimum(poisson(30), values.size - 1).astype("u2")
    numbers[0, 0, 0] = values.size - 1
    found, read = unpacked(packed(numbers, values), numbers.shape)
    np.testing.assert_array_equal(found, numbers)
    np.testing.assert_array_equal(read, values)


def test_photons_take_their_entropy():
    # 2.833 bits; a tenth of a usual chunk's pixels pay for all that describes it
    assert 8 * packed(poisson(3, (60, 64, 64))).size / (60 * 64 * 64) < 1.015 * 2.833


def test_rare_photons_take_little_more_than_their_entropy():
    rates = np.geomspace(0.0005, 0.02, 128)[:, None]
    rare = poisson(np.broadcast_to(rates, (100, 128, 128)), None)
    entropy = (rates - rates * np.log(rates)).mean() / np.log(2)  # bits, but for rates squared
    assert 8 * packed(rare).size / rare.size < 1.055 * entropy


def test_a_spike_has_a_bin_of_its_own():
    # half are 0, and the others need not tell the 64 numbers of a bin apart
    rng = np.random.default_rng(4)
    numbers = rng.integers(0, 4096, (30, 32, 64)) * (rng.random((30, 32, 64)) < 0.5)
    bits = 8 * packed(numbers.astype("u2")).size / numbers.size
    assert bits < 1.01 * (0.5 * 12 + 1)


def test_neighbours_of_the_frame_make_it_smaller():
    # each sum of two neighbours is known but for the new one, of 5.06 bits
    counts = np.random.default_rng(5).poisson(64, (40, 40, 81))
    sums = (counts[..., 1:] + counts[..., :-1]).astype("u2")
    alone = poisson(128, (40, 40, 80), 6)
    assert packed(sums).size < 0.97 * packed(alone).size


def test_a_known_change_of_brightness_makes_it_smaller():
    steady, changed = poisson(60, (18, 40, 40)), poisson(60, (18, 40, 40))
    changed[9:] = poisson(120, (9, 40, 40), 7)
    # 120 photons take half a bit more than 60; one frame of 18 pays for the change
    assert packed(changed).size < 1.1 * packed(steady).size


def with_field(name, change):
    chunk = packed(outliers()).copy()
    header = chunk[: BODY_HEADER.itemsize].view(BODY_HEADER)
    header[name] = change(int(header[name][0]))
    return chunk


@pytest.mark.parametrize(
    ("name", "change"),
    [
        *((name, lambda n: n + 1) for name in ("model", "bins", "values", "levels", "tables")),
        *((name, lambda n: n - 1) for name in ("model", "bins", "levels", "words", "escapes")),
        ("first", lambda _: 0),
        ("first", lambda _: 60_000),
        ("dropped", lambda _: 11),
        ("dropped", lambda _: 40),
        ("tables", lambda _: 0),
        ("words", lambda _: 1 << 31),
        ("escapes", lambda _: 1 << 31),
    ],
)
def test_a_header_that_cannot_be_is_refused(name, change):
    with pytest.raises(ValueError, match="damaged chunk: "):
        unpacked(with_field(name, change), outliers().shape)


@pytest.mark.parametrize("size", [0, 43, 44, 200])
def test_what_is_cut_is_refused(size):
    with pytest.raises(ValueError, match="damaged chunk: "):
        unpacked(packed(poisson())[:size], poisson().shape)


@pytest.mark.parametrize("shape", [(20, 24, 39), (20, 23, 40), (21, 24, 40), (0, 24, 40)])
def test_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="damaged chunk: "):
        unpacked(packed(poisson()), shape)


def test_changed_bytes_of_the_stream_are_noticed():
    numbers = clipped()
    good = packed(numbers)
    start = int(good[: BODY_HEADER.itemsize].view(BODY_HEADER)["model"][0]) + BODY_HEADER.itemsize
    words = 2 * int(good[: BODY_HEADER.itemsize].view(BODY_HEADER)["words"][0])
    for byte in np.random.default_rng(5).integers(start, start + 64 + words, 12).tolist():
        bad = good.copy()
        bad[byte] ^= 255
        with pytest.raises(ValueError, match="damaged chunk: "):
            unpacked(bad, numbers.shape)
