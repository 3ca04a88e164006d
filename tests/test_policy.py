"""The policy of a column type; tests/codecs/test_codecs.py defines some that are refused."""

import numcodecs
import numpy as np
import pytest
import zarr.codecs

from dj_photon_codecs import PhotonCodec, PhotonDenseCodec
from dj_photon_codecs.policy import Policy


def test_a_codec_has_the_policy_of_its_attributes():
    assert Policy.of(PhotonCodec) == Policy()
    assert Policy.of(PhotonDenseCodec()) == Policy(compressor=None, layout="photon.dense")


def test_what_is_no_codec_has_no_policy():
    with pytest.raises(TypeError, match=r"codec is 5, which has no .*; it must be a PhotonCodec"):
        Policy.of(5)


def test_codecs_of_zarr_format_3_are_refused():
    with pytest.raises(TypeError, match=r"compressor of Policy is Zstd.*none of zarr\.codecs"):
        Policy(compressor=zarr.codecs.ZstdCodec())


@pytest.mark.parametrize(
    "lossy",
    [numcodecs.Pickle(), numcodecs.Quantize(1, "f8"), numcodecs.AsType("u1", "u2")],
    ids=repr,
)
def test_codecs_of_numcodecs_that_no_movie_is_read_with_are_refused(lossy):
    with pytest.raises(TypeError, match=r"compressor of Policy is .* lossless codec of numcodecs"):
        Policy(compressor=lossy)
    with pytest.raises(TypeError, match=r"layout of Policy is .* lossless codec of numcodecs"):
        Policy(layout=lossy, compressor=None)


@pytest.mark.parametrize("name", ["photon.crc32c", "photon.anscombe", "photon.linear"])
def test_what_each_movie_goes_through_anyway_is_no_layout(name):
    with pytest.raises(ValueError, match=f"layout of Policy is '{name}'; it must be None, or a la"):
        Policy(layout=name, compressor=None)


def test_numbers_of_numpy_become_plain_ones():
    policy = Policy(frames_per_chunk=np.int64(7), step=np.float32(0.5))  # type: ignore[arg-type]

    assert (type(policy.frames_per_chunk), type(policy.step)) == (int, float)


def test_a_step_beyond_all_floats_is_refused():
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        Policy(step=10**400)
