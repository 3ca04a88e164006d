"""Arrays of other libraries, taken as they are."""

import numpy as np
import pytest
from hdmf.backends.hdf5.h5_utils import H5DataIO
from hdmf.common import VectorData
from pynwb.ophys import TwoPhotonSeries
from pynwb.testing.mock.ophys import mock_ImagingPlane
from roiextractors import NumpyImagingExtractor

from dj_photon_codecs import CameraMovie, PhotonCodec, calibrate, report
from dj_photon_codecs.movies.other_arrays import as_array
from dj_photon_codecs.movies.sources import Source
from tests.movies.files.reading import check_movie
from tests.movies_at_hand import CAMERA

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

RATES = np.linspace(1, 30, 32 * 24).reshape(32, 24)
VALUES = np.random.default_rng(0).poisson(RATES, (120, 32, 24)).astype("i2")


class Tensor:
    """A tensor: it has a dtype of its own, and gives its memory away by DLPack."""

    shape, dtype = VALUES.shape, "int16"

    def __init__(self, *, grows=False):
        self.grows = grows

    def detach(self):
        return Tensor()

    def __dlpack__(self, **how):
        if self.grows:
            raise BufferError("it requires a gradient")
        return VALUES.__dlpack__(**how)

    def __dlpack_device__(self):
        return VALUES.__dlpack_device__()


class LabExtractor:
    """What can be read as an extractor of roiextractors, of older names."""

    def get_num_frames(self):
        return len(VALUES)

    def get_series(self, start_frame=None, end_frame=None):
        return VALUES[start_frame:end_frame]


def two_photon_series():
    plane = mock_ImagingPlane()
    return TwoPhotonSeries(name="green", imaging_plane=plane, unit="n.a.", rate=30.0, data=VALUES)


def suite2p_file(folder):
    VALUES.tofile(folder / "data.bin")
    mapped = np.memmap(folder / "data.bin", "i2", "r", shape=VALUES.shape)
    members = {"file": mapped, "shape": mapped.shape, "dtype": "int16"}
    return type("BinaryFile", (), {"__module__": "suite2p.io.binary", **members})()


ARRAYS = {
    "tensor": lambda _: Tensor(),
    "tensor with a gradient": lambda _: Tensor(grows=True),
    "pynwb": lambda _: two_photon_series(),
    "hdmf, to be written": lambda _: H5DataIO(VALUES),
    "hdmf": lambda _: VectorData(name="movie", description="frames", data=VALUES),
    "roiextractors": lambda _: NumpyImagingExtractor(
        VALUES[..., np.newaxis], sampling_frequency=30.0
    ),
    "an extractor of one's own": lambda _: LabExtractor(),
    "suite2p": suite2p_file,
}


@pytest.mark.parametrize("make", ARRAYS.values(), ids=ARRAYS)
def test_arrays_are_taken_as_they_are(make, tmp_path):
    given = make(tmp_path)

    np.testing.assert_array_equal(as_array(given)[3:9], VALUES[3:9], strict=True)
    PhotonCodec().validate(given)
    np.testing.assert_array_equal(Source(CameraMovie(given, CAMERA).values)[:], VALUES)
    assert calibrate(given).gain == calibrate(VALUES).gain
    assert str(report(given)) == str(report(VALUES))


def test_memory_is_shared_with_tensors():
    assert np.shares_memory(as_array(Tensor()), VALUES)


def test_tensors_of_other_devices_are_left_to_the_advice():
    tensor = type(
        "Tensor", (Tensor,), {"__module__": "torch", "detach": lambda _: Tensor(grows=True)}
    )

    with pytest.raises(TypeError, match=r"movie is a Tensor; .*detach\(\)\.cpu\(\)\.numpy\(\)"):
        PhotonCodec().validate(tensor())


def test_frames_of_extractors_are_arrays():
    movie = as_array(NumpyImagingExtractor(VALUES[..., np.newaxis], sampling_frequency=30.0))

    check_movie(movie, VALUES)
    assert repr(movie).startswith("ExtractorMovie('NumpyImagingExtractor', shape=(120, 32, 24)")
