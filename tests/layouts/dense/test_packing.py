"""Codes come back from what they were packed into, which is as short as it should be."""

from collections.abc import Callable

import numpy as np
import pytest

from dj_photon_codecs.layouts.dense.packing import pack_dense
from dj_photon_codecs.layouts.dense.sections import join_sections
from dj_photon_codecs.layouts.dense.unpacking import Sections, split_sections, unpack_dense

pytestmark = pytest.mark.usefixtures("backend")


def poisson(mean: float, shape: tuple[int, int, int] = (20, 30, 40)) -> np.ndarray:
    return np.random.default_rng(0).poisson(mean, shape).astype("u2")


def with_outliers() -> np.ndarray:
    codes = poisson(3)
    codes[5, 2:5, 7] = 1000, 3000, 2000
    codes[9, 29, 39] = 50_000
    return codes


def wide() -> np.ndarray:
    noise = np.random.default_rng(0).normal(20_000, 3000, (20, 30, 40))
    return np.rint(noise).clip(0).astype("u2")


def sections_of(codes: np.ndarray) -> Sections:
    return split_sections(np.frombuffer(pack_dense(codes), np.uint8), codes.shape)


def unpacked(sections: Sections, like: np.ndarray) -> np.ndarray:
    out = np.empty_like(like)
    packed = np.frombuffer(join_sections(sections, like.shape), np.uint8)
    unpack_dense(packed, like.shape, out=out)
    return out


@pytest.mark.slow
def test_codes_that_are_all_the_same_take_nothing_but_the_model():
    sections = sections_of(np.full((20, 64, 64), 5, "u1"))
    assert sections.stream.size == sections.model.escapes.size == 0
    assert sections.top == 5
    assert (unpacked(sections, np.empty((20, 64, 64), "u1")) == 5).all()


def test_symbols_take_their_entropy():
    sections = sections_of(poisson(3, (40, 60, 80)))
    assert 16 * sections.stream.size / (40 * 60 * 80) == pytest.approx(2.83, rel=0.02)


def test_outliers_are_listed_in_their_order():
    sections = sections_of(with_outliers())
    far = [n for n in sections.model.escapes.tolist() if 1500 < n < 1 << 24]
    assert far == [3000, 2000, 50_000]


def test_low_bits_are_those_that_are_noise():
    # 3000 in 2**8 are 11.7
    assert set(sections_of(wide()).model.levels.table["low"].tolist()) == {8, 7}


@pytest.mark.slow
@pytest.mark.parametrize("codes", [poisson(3), poisson(0.01), with_outliers(), wide()])
@pytest.mark.parametrize("dtype", ["u2", "u4", "u8"])
def test_codes_come_back(codes, dtype):
    np.testing.assert_array_equal(unpacked(sections_of(codes), codes.astype(dtype)), codes)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 7), (3, 1, 70), (2, 70, 1)], ids=str)
def test_small_chunks_come_back(shape):
    codes = poisson(3, shape)
    np.testing.assert_array_equal(unpacked(sections_of(codes), codes), codes, strict=True)


@pytest.mark.slow
def test_the_largest_code_comes_back():
    codes = poisson(3).astype("u4")
    codes[[0, 7], [3, 4], [8, 9]] = (1 << 24) - 1
    np.testing.assert_array_equal(unpacked(sections_of(codes), codes), codes, strict=True)


def test_values_come_back():
    codes = poisson(1)
    values = np.arange(codes.max() + 1) ** 2
    packed = np.frombuffer(pack_dense(codes, values=values), np.uint8)
    out = np.empty_like(codes)
    np.testing.assert_array_equal(unpack_dense(packed, codes.shape, out=out), values)
    np.testing.assert_array_equal(out, codes)


def test_a_coder_has_8192_bits_to_write_or_1024_turns_in_a_frame():
    assert sections_of(poisson(3, (40, 60, 80))).coders.size == 64  # 2.83 bits each: 66
    dark = np.zeros((5, 128, 128), "u1")
    dark[2, 50, 60] = 1
    assert sections_of(dark).coders.size == 16
    assert sections_of(poisson(30, (9, 2, 3))).coders.size == 1


def fewer_escapes(sections: Sections) -> Sections:
    model = sections.model
    return sections._replace(model=model._replace(escapes=model.escapes[:-1]))


def more_escapes(sections: Sections) -> Sections:
    model = sections.model
    return sections._replace(model=model._replace(escapes=np.append(model.escapes, np.uint32(1))))


def other_escape(sections: Sections) -> Sections:
    model = sections.model
    return sections._replace(model=model._replace(escapes=model.escapes + np.uint32(1 << 20)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("turn", "message"),
    [
        (fewer_escapes, r"\d+ escapes where \d+ are listed|its bytes"),
        (more_escapes, "1 escapes are left|its bytes"),
        (other_escape, r"a code of \d+ where 50000 is the largest|its bytes"),
        (lambda s: s._replace(top=49_999), "a code of 50000 where 49999 is the largest|its bytes"),
        (lambda s: s._replace(top=1 << 16), "uint16 codes up to 65536"),
        (lambda s: s._replace(stream=s.stream[:-5]), r"its \d+ words are too few|its bytes"),
        (lambda s: s._replace(stream=np.append(s.stream, s.stream)), "its symbols took|its bytes"),
    ],
    ids=["escapes", "more", "escape", "top", "dtype", "cut", "longer"],
)
def test_what_was_not_packed_is_refused(turn: Callable[[Sections], Sections], message: str):
    codes = with_outliers()
    with pytest.raises(ValueError, match=f"damaged chunk: ({message})"):
        unpacked(turn(sections_of(codes)), codes)
