"""The densest profile is exact for every array, near the limit for photons, and never larger."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import entry_points

import datajoint as dj
import numpy as np
import pytest
from numcodecs import get_codec

import dj_photon_codecs
from dj_photon_codecs.layouts.dense.chunk import CHUNK_HEADER, Form, chunk_header
from dj_photon_codecs.layouts.dense.layout import DenseLayout
from dj_photon_codecs.layouts.grouped.layout import COMPRESSOR, GroupedLayout
from dj_photon_codecs.layouts.kernels.backend import kernel_in_use
from dj_photon_codecs.layouts.numbering import Numbering
from dj_photon_codecs.layouts.plain import COMPRESSORS
from tests.layouts.dense.old_encoder import Chunk
from tests.tables import declare_recording, photons, row_of, transformed

pytestmark = pytest.mark.usefixtures("backend")

LAYOUT = DenseLayout()


@pytest.fixture
def written():
    """Skip what is about adaptive chunks, where they cannot be written."""
    if kernel_in_use() == "numpy":
        pytest.skip("only the compiled kernel writes adaptive chunks")


def old_dense(codes: np.ndarray) -> np.ndarray:
    """Return a chunk of form 2, which is read for ever."""
    lowest = int(codes.min())
    numbering = Numbering(lowest, 1, np.zeros(0, np.uint16))
    header = chunk_header(Form.DENSE, codes, varying=len(codes), numbering=numbering)
    packed = Chunk((codes - lowest).view(f"u{codes.itemsize}")).packed()
    return np.frombuffer(header + packed.tobytes(), np.uint8)


def rates(mean: float = 2.0, shape: tuple[int, ...] = (100, 48, 40)) -> np.ndarray:
    """A factor of ten from the darkest pixel to the brightest, and a cell that flashes."""
    height, width = shape[-2:]
    still = np.geomspace(0.3, 3, width) * np.geomspace(0.6, 1.7, height)[:, None]
    scene = np.broadcast_to(mean * still, shape).copy()
    flash = 1 + 2 * np.exp(-(np.arange(len(scene)) % 40) / 12)
    scene[:, height // 4 : height // 2, width // 4 : width // 2] *= flash[:, None, None]
    return scene


def movie(mean: float = 2.0, shape: tuple[int, ...] = (100, 48, 40)) -> np.ndarray:
    return np.random.default_rng(0).poisson(rates(mean, shape)).astype("<u2")


def correlated() -> np.ndarray:
    """Neighbours resemble each other, without which a static model is as good."""
    counts = movie(20, (30, 24, 20))
    return counts + np.roll(counts, 1, axis=2) + np.roll(counts, 2, axis=2)


KINDS = [
    pytest.param(correlated(), id="adaptive"),
    pytest.param(movie(shape=(30, 24, 20)).astype("f4"), id="plain"),
    pytest.param(np.zeros((100, 4, 4), "u2"), id="constant"),
]


def poisson_entropy(rate: np.ndarray) -> float:
    """Mean entropy in bits, from the probabilities of all counts."""
    counts = np.arange(1200)
    log_factorial = np.append(0, np.cumsum(np.log(counts[1:])))
    log_p = counts * np.log(rate)[:, None] - rate[:, None] - log_factorial
    return float(-(np.exp(log_p) * log_p).sum(axis=1).mean() / np.log(2))


@pytest.mark.slow
@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("sigma", [0.3, 5, 100, 1000, 5000])
def test_noise_of_any_width_takes_its_entropy(sigma):
    noise = np.random.default_rng(3).normal(-4 * sigma, sigma, (80, 64, 64))
    codes = np.rint(noise).astype("i4")
    stored = LAYOUT.encode(codes)
    assert stored[0] in (Form.ADAPTIVE, Form.GROUPED)  # a static model is as good here
    assert LAYOUT.decode(stored).tobytes() == codes.tobytes()
    counts = np.unique(codes, return_counts=True)[1] / codes.size
    entropy = -(counts * np.log2(counts)).sum() if sigma < 50 else np.log2(4.1327 * sigma)
    assert 8 * len(stored) / codes.size < 1.01 * entropy + 0.03


@pytest.mark.usefixtures("written")
def test_the_kinds_of_chunks_are_what_they_are_called():
    layouts = [LAYOUT.encode(kind.values[0])[0] for kind in KINDS]
    assert layouts == [Form.ADAPTIVE, Form.GROUPED, Form.DENSE]


def test_a_chunk_in_groups_comes_back():
    codes = movie()
    grouped = COMPRESSOR.encode(GroupedLayout().encode(codes))
    stored = chunk_header(Form.GROUPED, codes, varying=len(codes)) + grouped
    assert LAYOUT.decode(stored).tobytes() == codes.tobytes()
    with pytest.raises(ValueError, match="damaged chunk: "):
        LAYOUT.decode(stored[:-1])
    other = chunk_header(Form.GROUPED, codes[1:], varying=len(codes) - 1) + grouped
    with pytest.raises(ValueError, match=r"damaged chunk: \(100, 1920\) codes of uint16, grouped"):
        LAYOUT.decode(other)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i8"])
def test_dense_chunks_of_earlier_versions_come_back(dtype):
    codes = (movie(shape=(9, 24, 20)).astype("i8") - 3 * (dtype[0] == "i")).astype(dtype)
    assert LAYOUT.decode(old_dense(codes)).tobytes() == codes.tobytes()
    assert LAYOUT.open(old_dense(codes)).frames(2, 5).tobytes() == codes[2:5].tobytes()


@pytest.mark.slow
@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("mean", [0.1, 0.3, 1, 3, 10, 50, 200])
def test_size_is_near_the_limit(mean):
    scene = rates(mean, (100, 80, 80))
    codes = np.random.default_rng(2).poisson(scene).astype("u2")
    limit = poisson_entropy(scene[::10].ravel()[::7])
    # these pixels are a fortieth of a usual chunk's, and pay for all that describes it
    assert 8 * len(LAYOUT.encode(codes)) / codes.size < 1.045 * limit


@pytest.mark.slow
@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("step", [0.5, 1.0])
def test_steps_are_near_their_entropy(step):
    scene = np.broadcast_to(np.geomspace(5, 50, 96), (96, 96))
    counts = np.random.default_rng(2).poisson(scene, (100, 96, 96))
    codes = np.rint(2 * np.sqrt(counts + 0.375) / step).astype("u1")
    columns = codes.reshape(-1, 96).T
    probabilities = [np.bincount(column) / column.size for column in columns]
    entropy = np.mean([-(p[p > 0] * np.log2(p[p > 0])).sum() for p in probabilities])
    assert 8 * len(LAYOUT.encode(codes)) / codes.size < 1.03 * entropy + 0.02


@pytest.mark.slow
@pytest.mark.usefixtures("written")
def test_codes_with_holes_take_no_more_space():
    counts = movie(0.5)
    fine = np.rint(2 * np.sqrt(counts + 0.375) / 0.05).astype("u2")
    sizes = [len(LAYOUT.encode(codes)) for codes in (counts, fine, counts.astype("i4") * 64 - 999)]
    assert sizes == pytest.approx(sizes[:1] * 3, rel=0.01)


def smooth(shape: tuple[int, ...]) -> np.ndarray:
    """A movie that is correlated in time and space, without noise."""
    walk = np.cumsum(np.random.default_rng(0).integers(0, 2, shape), axis=0)
    return (walk + np.arange(shape[-1]) * 7).astype("u2")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["still", "smooth", "uniform", "float", "photons", "few"])
def test_nothing_is_larger_than_in_another_layout(kind):
    rng, shape = np.random.default_rng(0), (60, 40, 40)
    codes = {
        "still": lambda: np.ascontiguousarray(
            np.broadcast_to(rng.integers(0, 4000, shape[1:], "u2"), shape)
        ),
        "smooth": lambda: smooth(shape),
        "uniform": lambda: rng.integers(0, 2**16, shape, "u2"),
        "float": lambda: rng.normal(0, 1, shape).astype("f4"),
        "photons": lambda: movie(2.0, shape),
        "few": lambda: movie(2.0, (9, 6, 5)),
    }[kind]()
    stored = LAYOUT.encode(codes)
    assert LAYOUT.decode(stored).tobytes() == codes.tobytes()
    others = COMPRESSORS[0].encode(codes), COMPRESSOR.encode(GroupedLayout().encode(codes))
    assert len(stored) <= min(len(each) for each in others) + CHUNK_HEADER.itemsize + 100


@pytest.mark.usefixtures("written")
def test_frames_that_fill_the_last_chunk_take_no_space():
    codes = movie()
    codes[60:] = 0
    alone, filled = (len(LAYOUT.encode(part)) for part in (codes[:60], codes))
    assert filled == alone
    assert LAYOUT.decode(LAYOUT.encode(codes)).tobytes() == codes.tobytes()


def test_a_constant_chunk_is_a_header():
    codes = np.full((100, 64, 64), -7, "i4")
    assert LAYOUT.encode(codes).size == CHUNK_HEADER.itemsize
    assert (LAYOUT.decode(LAYOUT.encode(codes)) == -7).all()


@pytest.mark.slow
@pytest.mark.parametrize("codes", KINDS)
def test_damaged_bits_raise_or_decode_to_the_same_size(codes):
    good = LAYOUT.encode(codes)
    rng = np.random.default_rng(4)
    header = np.arange(0, 8 * min(128, good.size), 7)
    bits = np.concatenate([header, rng.integers(0, 8 * good.size, 20)])
    out, refused = np.empty_like(codes), 0
    for bit in bits.tolist():
        bad = good.copy()
        bad[bit // 8] ^= 1 << bit % 8
        with suppress(ValueError):
            refused += 1
            LAYOUT.decode(bad, out=out)
            refused -= 1
    assert refused > 35


@pytest.mark.slow
@pytest.mark.usefixtures("written")
def test_damaged_symbols_are_noticed():
    good = LAYOUT.encode(movie(shape=(30, 24, 20)))
    for byte in np.random.default_rng(5).integers(good.size // 3, good.size, 12).tolist():
        bad = good.copy()
        bad[byte] ^= 255
        with pytest.raises(ValueError, match="damaged chunk: "):
            LAYOUT.decode(bad)


@pytest.mark.parametrize("codes", KINDS)
@pytest.mark.parametrize("size", [0, 31, CHUNK_HEADER.itemsize + 1, 200])
def test_chunks_that_were_cut_or_grew_are_refused(codes, size):
    stored = np.resize(LAYOUT.encode(codes), size)
    with pytest.raises(ValueError, match=r"damaged chunk: |a chunk of form"):
        LAYOUT.decode(stored)


def changed(**fields: object) -> np.ndarray:
    """Return a dense chunk of 30 frames of 24 x 20 pixels whose header says something else."""
    stored = old_dense(movie(shape=(30, 24, 20))).copy()
    for name, value in fields.items():
        stored[: CHUNK_HEADER.itemsize].view(CHUNK_HEADER)[name] = value
    return stored


@pytest.mark.parametrize(
    "fields",
    [
        {"frames": 1 << 63, "height": 0},
        {"frames": 1 << 32, "height": 1 << 32},
        {"frames": 1 << 22},
        {"dtype": b"<c8"},
    ],
    ids=str,
)
def test_a_header_that_cannot_be_is_refused(fields):
    with pytest.raises(ValueError, match="damaged chunk: its header says "):
        LAYOUT.decode(changed(**fields))


@pytest.mark.parametrize(("dtype", "unit"), [("<u2", 0), ("<u2", 1 << 16), ("<f2", 1)])
def test_units_and_dtypes_that_cannot_be_dense_are_refused(dtype, unit):
    with pytest.raises(ValueError, match=rf"damaged chunk: \w+ in units of {unit}"):
        LAYOUT.decode(changed(dtype=dtype, unit=unit))


@pytest.mark.parametrize("fields", [{"varying": 0}, {"height": 0}], ids=str)
def test_bytes_that_no_code_needs_are_refused(fields):
    with pytest.raises(ValueError, match=r"damaged chunk: \d+ bytes where there should be none"):
        LAYOUT.decode(changed(**fields))


def test_codes_of_as_many_bits_as_there_may_be_come_back():
    codes = np.random.default_rng(0).integers(0, 1 << 24, (9, 20, 20), "u4")
    codes[4, 4, 4] = (1 << 24) - 1
    assert LAYOUT.decode(LAYOUT.encode(codes)).tobytes() == codes.tobytes()


@pytest.mark.usefixtures("written")
def test_a_dark_movie_with_a_few_photons_comes_back():
    codes = np.zeros((20, 64, 64), "u1")
    codes[np.random.default_rng(0).random(codes.shape) < 0.002] = 1
    stored = LAYOUT.encode(codes)
    assert stored[0] in (Form.ADAPTIVE, Form.GROUPED)
    assert LAYOUT.decode(stored).tobytes() == codes.tobytes()


@pytest.mark.slow
@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(("moving", "form"), [(False, Form.GROUPED), (True, Form.ADAPTIVE)])
def test_of_large_frames_some_rows_tell_whether_a_static_model_is_as_good(moving, form):
    rng = np.random.default_rng(8)
    gains = rng.choice([1, 7, 12], (160, 256))  # of which the static model has families
    moved = [np.roll(gains, 3 * frame * moving, 1) for frame in range(12)]
    codes = (rng.poisson(1, (12, 160, 256)) * np.stack(moved)).astype("u1")
    stored = LAYOUT.encode(codes)
    assert stored[0] == form
    assert LAYOUT.decode(stored).tobytes() == codes.tobytes()


@pytest.mark.parametrize("value", [0, 9, 255])
def test_last_frames_of_one_value_come_back(value):
    codes = movie(3, (20, 24, 24))
    codes[0, 0, 0], codes[15:] = 5, value
    assert LAYOUT.decode(LAYOUT.encode(codes)).tobytes() == codes.tobytes()


def test_a_chunk_of_a_later_version_is_refused():
    stored = LAYOUT.encode(movie()).copy()
    stored[0] = 77
    with pytest.raises(ValueError, match=r"a chunk of form 77, which this version .* upgrade it"):
        LAYOUT.decode(stored)


@pytest.mark.slow
def test_threads_encode_and_decode_at_once():
    movies = [movie(mean, (20, 24, 24)) for mean in (0.2, 1, 5, 25)] * 2
    with ThreadPoolExecutor(4) as pool:
        stored = list(pool.map(LAYOUT.encode, movies))
        decoded = list(pool.map(LAYOUT.decode, stored))
    for codes, each, read in zip(movies, stored, decoded, strict=True):
        assert each.tobytes() == LAYOUT.encode(codes).tobytes()
        assert read.tobytes() == codes.tobytes()


def test_any_reader_finds_the_filter_by_its_name():
    assert {each.value for each in entry_points(group="numcodecs.codecs", name="photon.dense")} == {
        "dj_photon_codecs.layouts.dense.layout:DenseLayout"
    }
    assert get_codec({"id": "photon.dense"}) == LAYOUT == pickle.loads(pickle.dumps(LAYOUT))


# ---------------------------------------------------------------------------- in a table


def declare_archive(schema):
    """Declare a table of movies in the densest profile."""

    @schema
    class Archive(dj.Manual):
        definition = """
        archive_id : int32
        ---
        movie : <photon_dense@imaging>
        """

    return Archive


def test_a_movie_in_the_densest_profile_comes_back(schema, store):
    archive = declare_archive(schema)
    counts = photons(230, shape=(24, 20))
    archive.insert1({"archive_id": 1, "movie": counts})
    read = archive.fetch1("movie")
    np.testing.assert_array_equal(read.raw[:], counts, strict=True)
    np.testing.assert_array_equal(read[150], transformed(counts)[150])
    np.testing.assert_array_equal(np.stack(list(read)), transformed(counts))
    np.testing.assert_array_equal(read[95:105, 3:9], transformed(counts)[95:105, 3:9])
    assert read.verify() == []
    zarray = row_of(archive, "movie")[".zarray"]
    assert zarray["filters"][1:] == [{"id": "photon.dense"}, {"id": "photon.crc32c"}]
    assert zarray["compressor"] is None


def test_fetched_movies_move_to_the_archive_and_back(schema):
    recording = declare_recording(schema)
    archive = declare_archive(schema)
    counts = photons(230, shape=(24, 20))
    recording.insert1({"recording_id": 1, "movie": counts})
    archive.insert1({"archive_id": 1, "movie": recording.fetch1("movie")})
    recording.insert1({"recording_id": 2, "movie": archive.fetch1("movie")})

    filters = row_of(archive, "movie")[".zarray"]["filters"]
    assert filters[1:] == [{"id": "photon.dense"}, {"id": "photon.crc32c"}]
    np.testing.assert_array_equal(archive.fetch1("movie").raw[:], counts, strict=True)
    back = recording & {"recording_id": 2}
    assert {"id": "photon.dense"} not in row_of(back, "movie")[".zarray"]["filters"]
    np.testing.assert_array_equal(back.fetch1("movie").raw[:], counts, strict=True)


def test_the_codec_is_at_the_top_of_the_package():
    assert dj_photon_codecs.PhotonDenseCodec.name == "photon_dense"
    assert isinstance(dj.codecs.get_codec("photon_dense"), dj_photon_codecs.PhotonDenseCodec)
