"""What numcodecs asks of every codec, as checks: numcodecs ships its own test kit no longer."""

import array
import json

import numpy as np
import pytest
from numcodecs import get_codec
from numcodecs.compat import ensure_ndarray


def check_round_trips(codes, codec):
    """Codes come back from every kind of buffer, into every kind of buffer, in memory order."""
    memory = codes.tobytes(order="A")
    for given in (codes, memory, bytearray(memory), array.array("b", memory)):
        stored = ensure_ndarray(codec.encode(given)).tobytes(order="A")
        for read in (stored, bytearray(stored), array.array("b", stored), memoryview(stored)):
            assert ensure_ndarray(codec.decode(read)).tobytes(order="A") == memory
    stored = ensure_ndarray(codec.encode(codes))
    for out in (np.empty_like(codes), bytearray(codes.nbytes), np.empty(codes.nbytes, "u1")):
        codec.decode(stored, out=out)
        assert ensure_ndarray(out).tobytes(order="A") == memory


def check_dtype(codes, codec):
    """A decoded array has the dtype of the codes."""
    decoded = codec.decode(codec.encode(codes))
    assert isinstance(decoded, np.ndarray)
    assert decoded.dtype == codes.dtype


def check_configuration(codec):
    """A codec is made anew from its configuration, which is plain JSON."""
    assert get_codec(json.loads(json.dumps(codec.get_config()))) == codec


def check_objects_are_refused(codec):
    """Objects can be neither stored nor decoded into."""
    with pytest.raises(TypeError, match="object"):
        codec.encode(np.array(["a", "b"], object))
    with pytest.raises(TypeError, match="object"):
        codec.decode(codec.encode(np.arange(10)), out=np.empty(10, object))
