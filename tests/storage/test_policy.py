"""A policy that could not be followed is refused, in words that say what is allowed."""

import numcodecs
import pytest
import zarr.codecs

from dj_photon_codecs import PhotonCodec, PhotonDenseCodec
from dj_photon_codecs.layouts.choice import Compression
from dj_photon_codecs.layouts.dense.layout import DenseLayout
from dj_photon_codecs.storage.policy import Policy

REFUSED = {
    "no frames": ({"frames_per_chunk": 0}, ValueError, "frames_per_chunk is 0; .* at least 1"),
    "negative": ({"frames_per_chunk": -1}, ValueError, "frames_per_chunk is -1; .* at least 1"),
    "half a frame": ({"frames_per_chunk": 0.5}, TypeError, r"frames_per_chunk is 0\.5; .* whole"),
    "true": ({"frames_per_chunk": True}, TypeError, "frames_per_chunk is True; .* whole number"),
    "name": ({"compressor": "zstd"}, ValueError, r"compressor is 'zstd'; .*numcodecs\.Blosc"),
    "class": ({"compressor": numcodecs.Zstd}, TypeError, "compressor is <class .* a codec of num"),
    "zarr's": (
        {"compressor": zarr.codecs.ZstdCodec()},
        TypeError,
        r"compressor is Zstd.*not those of zarr\.codecs",
    ),
    "ignored layout": (
        {"layout": "photon.dense"},
        ValueError,
        "layout is 'photon.dense' while compressor is 'auto', .*; set the compressor",
    ),
    "unknown layout": (
        {"layout": "photon.nothing", "compressor": None},
        ValueError,
        r"layout is 'photon\.nothing'; numcodecs knows no such codec",
    ),
    "number": ({"layout": 5, "compressor": None}, TypeError, "layout is 5; it must be None"),
    "step": ({"step": 2}, ValueError, "step is 2; it must be 0 < step <= 1"),
    "durable": ({"durable": "no"}, TypeError, "durable is 'no'; it must be True or False"),
}


@pytest.mark.parametrize(("given", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_followed_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        Policy(**given)


def test_the_compression_is_left_to_be_measured_unless_a_compressor_is_given():
    zstd = numcodecs.Zstd(1)

    assert Policy().compression is None
    assert Policy(compressor=zstd).compression == Compression(zstd)
    dense = Policy(compressor=None, layout="photon.dense")
    assert dense.compression == Compression(None, DenseLayout())


def test_a_codec_has_the_policy_of_its_attributes():
    assert Policy.of(PhotonCodec) == Policy()
    assert Policy.of(PhotonDenseCodec()) == Policy(compressor=None, layout="photon.dense")


def test_what_is_no_codec_has_no_policy():
    with pytest.raises(TypeError, match=r"codec is 5, which has no .*; it must be a PhotonCodec"):
        Policy.of(5)
