"""What Blosc compressed is decompressed, and never read beyond its end."""

import numpy as np
import pytest
from numcodecs import Blosc, Zstd

from dj_photon_codecs.layouts.blosc_chunks import (
    decode_compressed,
    decompress,
    decompressed_size,
)
from dj_photon_codecs.layouts.layout import DamagedChunk

CODES = np.arange(600, dtype="<u2").reshape(6, 10, 10)
COMPRESSED = np.frombuffer(Blosc("zstd", 5, Blosc.BITSHUFFLE).encode(CODES), np.uint8)


def test_what_blosc_compressed_is_decompressed():
    out = np.empty_like(CODES)
    decompress(COMPRESSED, out=out)
    np.testing.assert_array_equal(out, CODES)
    assert decompressed_size(COMPRESSED, least=0, most=1200) == 1200


@pytest.mark.parametrize("size", [0, 15, 16, COMPRESSED.size - 1])
def test_what_was_cut_is_refused(size):
    with pytest.raises(DamagedChunk, match=rf"damaged chunk: {size} bytes (are|of Blosc)"):
        decompress(COMPRESSED[:size], out=np.empty_like(CODES))


@pytest.mark.parametrize("legal", [(0, 1199), (1201, 2000)])
def test_what_becomes_of_another_size_is_refused(legal):
    with pytest.raises(DamagedChunk, match=r"damaged chunk: Blosc's header says 1200 bytes"):
        decompressed_size(COMPRESSED, least=legal[0], most=legal[1])


def test_what_blosc_cannot_read_is_refused():
    bad = COMPRESSED.copy()
    bad[16:] = 255
    with pytest.raises(DamagedChunk, match="damaged chunk: "):
        decompress(bad, out=np.empty_like(CODES))


class OtherFormat(Blosc):
    """A user's own, which stores bytes as they are."""

    def decode(self, buf, out=None):  # noqa: ARG002 - as numcodecs calls it
        return bytes(buf)


def test_every_compressor_decodes_what_is_its_own():
    assert bytes(decode_compressed(COMPRESSED, compressor=Blosc())) == CODES.tobytes()
    assert decode_compressed(Zstd().encode(CODES), compressor=Zstd()) == CODES.tobytes()
    assert decode_compressed(b"abc", compressor=OtherFormat()) == b"abc"


@pytest.mark.parametrize("size", [0, 15, 16, COMPRESSED.size - 1])
def test_a_compressor_is_not_given_what_was_cut(size):
    with pytest.raises(DamagedChunk, match=rf"damaged chunk: {size} bytes (are|of Blosc)"):
        decode_compressed(COMPRESSED[:size].tobytes(), compressor=Blosc())


def test_a_size_that_no_chunk_has_is_not_allocated():
    bad = COMPRESSED.copy()
    bad[4:8].view("<u4")[:] = (1 << 31) - 17
    with pytest.raises(DamagedChunk, match="Blosc's header says 2147483631 bytes of codes"):
        decode_compressed(bad, compressor=Blosc(), most=2 * CODES.nbytes)


def test_what_a_compressor_cannot_read_is_damaged():
    bad = COMPRESSED.copy()
    bad[16:] = 255
    with pytest.raises(DamagedChunk, match="damaged chunk: "):
        decode_compressed(bad, compressor=Blosc())


def test_what_was_not_compressed_is_not_copied():
    noise = np.random.default_rng(0).integers(0, 256, 5000, np.uint8)
    stored = np.frombuffer(Blosc(shuffle=Blosc.NOSHUFFLE).encode(noise), np.uint8)
    found = decode_compressed(stored, compressor=Blosc())
    np.testing.assert_array_equal(found, noise)
    assert np.shares_memory(found, stored)
    with pytest.raises(DamagedChunk, match="4999 bytes of Blosc"):
        decode_compressed(stored[:4999], compressor=Blosc())
