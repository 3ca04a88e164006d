"""The policy of a column type; tests/codecs/test_codecs.py defines some that are refused."""

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
