"""The layout is exact for every array, smaller for photons, and never larger than the plain one."""

import json
import pickle

import numpy as np
import pytest
from numcodecs import Blosc, get_codec
from numcodecs.registry import register_codec

from dj_photon_codecs.layouts.grouped.chunk import Form, join_chunk
from dj_photon_codecs.layouts.grouped.layout import COMPRESSOR, GroupedLayout
from dj_photon_codecs.layouts.plain import COMPRESSORS, compress_plain

pytestmark = pytest.mark.usefixtures("backend")

LAYOUT = GroupedLayout()


def movie(rate: float = 2.0, shape: tuple[int, ...] = (100, 48, 40)) -> np.ndarray:
    """Counts whose rate differs from pixel to pixel, over a factor of ten."""
    rng = np.random.default_rng(0)
    rates = np.geomspace(0.3, 3, shape[-1]) * np.geomspace(0.6, 1.7, shape[-2])[:, None] * rate
    return rng.poisson(rates, shape).astype("<u2")


KINDS = [
    pytest.param(movie(), id="static"),
    pytest.param(movie().astype("f4"), id="plain"),
    pytest.param(np.zeros((100, 4, 4), "u2"), id="constant"),
]


def stored_bits(codes: np.ndarray) -> float:
    return 8 * len(COMPRESSOR.encode(LAYOUT.encode(codes))) / codes.size


def poisson_entropy(rates: np.ndarray) -> float:
    """Mean entropy in bits, from the probabilities of all counts."""
    counts = np.arange(600)
    log_factorial = np.append(0, np.cumsum(np.log(counts[1:])))
    log_p = counts * np.log(rates)[:, None] - rates[:, None] - log_factorial
    return float(-(np.exp(log_p) * log_p).sum(axis=1).mean() / np.log(2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "bound"),
    [(0.1, 1.11), (0.3, 1.07), (1, 1.05), (3, 1.04), (10, 1.04), (50, 1.04), (200, 1.05)],
)
def test_size_is_near_the_limit(rate, bound):
    rates = np.random.default_rng(1).gamma(4, rate / 4, 30_000).clip(rate / 20)
    codes = np.random.default_rng(2).poisson(rates, (100, 30_000)).astype("u2")
    bits = stored_bits(codes.reshape(100, 150, 200))
    limit = poisson_entropy(rates[::30])
    # the rates of these pixels are as random as their photons, so they too have to be stored
    assert bits < bound * limit + 0.02


@pytest.mark.slow
@pytest.mark.parametrize(("step", "entropy"), [(0.5, 3.05), (1.0, 2.10)])
def test_codes_of_a_step_are_near_their_entropy(step, entropy):
    rates = np.random.default_rng(1).uniform(5, 50, 30_000)
    counts = np.random.default_rng(2).poisson(rates, (100, 30_000))
    codes = np.rint(2 * np.sqrt(counts + 0.375) / step).astype("u1")
    # these pixels are nothing like their neighbours, which say nothing of their levels
    assert stored_bits(codes.reshape(100, 150, 200)) < 1.03 * entropy + 0.02


def test_holes_among_the_codes_take_no_space():
    rates = np.random.default_rng(1).uniform(0.2, 0.6, 30_000)
    counts = np.random.default_rng(2).poisson(rates, (100, 150 * 200)).reshape(100, 150, 200)
    codes = np.rint(2 * np.sqrt(counts + 0.375) / 0.5).astype("u1")
    assert sorted(set(codes.ravel().tolist()))[:4] == [2, 5, 6, 7]
    assert stored_bits(codes) == pytest.approx(stored_bits(counts.astype("u1")), rel=0.01)
    assert LAYOUT.decode(LAYOUT.encode(codes)).tobytes() == codes.tobytes()


def test_counts_that_were_multiplied_take_no_more_space():
    codes = movie(shape=(100, 100, 100))
    assert stored_bits(codes * np.uint16(500)) == pytest.approx(stored_bits(codes), rel=0.01)
    assert (LAYOUT.decode(LAYOUT.encode(codes * np.uint16(500))) == 500 * codes.ravel()).all()


def test_negative_codes_take_no_more_space():
    codes = np.random.default_rng(0).normal(40, 4, (100, 100, 100)).astype("i2")
    assert LAYOUT.encode(codes - 40)[0] == Form.STATIC
    assert stored_bits(codes - 40) == pytest.approx(stored_bits(codes), rel=0.01)


def test_levels_of_noise_win():
    assert LAYOUT.encode(movie())[0] == Form.STATIC
    assert stored_bits(movie()) < 8 * len(COMPRESSORS[0].encode(movie())) / movie().size


def smooth(shape: tuple[int, ...]) -> np.ndarray:
    """A movie that is correlated in time and space, without noise."""
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.integers(0, 2, shape), axis=0)
    return (walk + np.arange(shape[-1]) * 7).astype("u2")


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(60, 40, 40), (50, 256, 256)], ids=["all", "sample"])
@pytest.mark.parametrize("kind", ["still", "smooth", "uniform", "float", "photons"])
def test_nothing_is_larger_than_in_plain_order(kind, shape):
    rng = np.random.default_rng(0)
    codes = {
        "still": lambda: np.broadcast_to(rng.integers(0, 4000, shape[1:], "u2"), shape),
        "smooth": lambda: smooth(shape),
        "uniform": lambda: rng.integers(0, 2**16, shape, "u2"),
        "float": lambda: rng.normal(0, 1, shape).astype("f4"),
        "photons": lambda: movie(2.0, shape),
    }[kind]()
    stored = LAYOUT.encode(codes)
    assert LAYOUT.decode(stored).tobytes() == codes.tobytes()
    assert len(COMPRESSOR.encode(stored)) < len(COMPRESSORS[0].encode(codes.copy())) + 100
    if kind in ("uniform", "float"):
        assert stored[0] == Form.PLAIN


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4"])
@pytest.mark.parametrize("shape", [(7, 61, 67), (20, 39, 173), (33, 151, 211), (3, 1, 1)], ids=str)
def test_bits_of_odd_chunks_are_shuffled(dtype, shape):
    codes = np.random.default_rng(0).normal(100, 12, shape).astype(dtype)
    even = np.resize(codes, codes.size // 8 * 8 + 8)
    stored = compress_plain(codes)
    assert stored.size < 1.02 * len(COMPRESSORS[0].encode(even)) + 64
    assert LAYOUT.decode(join_chunk(Form.PLAIN, codes, body=[stored])).tobytes() == codes.tobytes()


@pytest.mark.parametrize("shape", [(20, 12, 12), (100, 64, 64), (100, 200, 200)], ids=str)
def test_a_plain_chunk_is_smaller_than_blosc_by_itself_makes_it(shape):
    codes = np.random.default_rng(0).normal(0, 300, shape).astype("i2")
    blosc = Blosc("zstd", 5, Blosc.BITSHUFFLE)
    assert len(COMPRESSOR.encode(LAYOUT.encode(codes))) < len(blosc.encode(codes)) + 64


ALMOST_NOTHING = {
    "one event": lambda events: np.where(events == events.max(), 65535, 0),
    "rare": lambda events: np.where(events > 0.999, 65535, 0),
    "binary": lambda events: np.where(events > 0.5, 65535, 0),
}


@pytest.mark.parametrize("kind", ALMOST_NOTHING)
def test_what_compresses_to_almost_nothing_is_no_larger_than_by_blosc(kind):
    codes = ALMOST_NOTHING[kind](np.random.default_rng(0).random((60, 64, 64))).astype("u2")
    least = min(len(Blosc("zstd", 5, shuffle).encode(codes)) for shuffle in (0, 1, 2))
    assert len(COMPRESSOR.encode(LAYOUT.encode(codes))) < 1.01 * least + 64


def test_differences_of_neighbours_are_no_larger_than_by_blosc():
    counts = np.random.default_rng(0).poisson(0.2, (40, 100, 60))
    codes = np.ascontiguousarray(np.diff(counts, axis=2).astype("i1"))
    least = min(len(Blosc("zstd", 5, shuffle).encode(codes)) for shuffle in (0, 1, 2))
    assert len(COMPRESSOR.encode(LAYOUT.encode(codes))) < 1.01 * least


def test_frames_that_fill_the_last_chunk_take_no_space():
    codes = movie()
    codes[60:] = 0
    alone, filled = (len(COMPRESSOR.encode(LAYOUT.encode(part))) for part in (codes[:60], codes))
    assert filled == pytest.approx(alone, abs=8)
    assert LAYOUT.decode(LAYOUT.encode(codes)).tobytes() == codes.tobytes()


def test_a_constant_chunk_is_a_header():
    codes = np.full((100, 64, 64), -7, "i4")
    stored = LAYOUT.encode(codes)
    assert (stored[0], stored.size) == (Form.CONSTANT, 32)
    assert (LAYOUT.decode(stored) == -7).all()


def test_negative_zero_is_not_zero():
    codes = np.zeros((10, 4, 4), "f8")
    codes[3:] = -0.0
    assert LAYOUT.decode(LAYOUT.encode(codes)).tobytes() == codes.tobytes()


def test_configuration():
    register_codec(GroupedLayout)
    config = json.loads(json.dumps(LAYOUT.get_config()))
    assert config == {"id": "photon.grouped"}
    assert get_codec(config) == LAYOUT
    assert pickle.loads(pickle.dumps(LAYOUT)) == LAYOUT
    assert repr(LAYOUT) == "GroupedLayout()"


def test_encoding_is_deterministic():
    assert LAYOUT.encode(movie()).tobytes() == LAYOUT.encode(movie()).tobytes()


def test_the_compressor_leaves_the_order_alone():
    assert COMPRESSOR.shuffle == Blosc.NOSHUFFLE
