"""What every format is given: values slab by slab, and what to say of them."""

import numpy as np
import pytest

from dj_photon_codecs import __version__
from dj_photon_codecs.arrays.exports.exported import Exported
from tests.movies_at_hand import local_files, photon_counts, store_movie


def test_slabs_are_the_chunks_of_the_movie(movie):
    slabs = list(Exported(movie.raw, "tyx", None, {}).slabs())

    assert [place for place, _ in slabs] == [slice(0, 100), slice(100, 120)]
    np.testing.assert_array_equal(np.concatenate([v for _, v in slabs]), movie.raw[:], strict=True)


def test_attributes_say_what_the_values_are_and_where_they_are_from(movie, stepped):
    attributes = Exported(movie.raw, "tyx", None, {}).attributes

    assert {name: attributes[name] for name in attributes if name != "written_by"} == {
        "units": "ADU",
        "original_dtype": "int16",
        "anscombe_gain": 50.0,
        "anscombe_offset": 100.0,
        "anscombe_variance": 400.0,
        "source": str(movie.movie_store),
        "exported_by": f"dj-photon-codecs {__version__}",
    }
    assert Exported(stepped.photons, "tyx", None, {}).attributes["quantization_step"] == 0.5


@pytest.mark.parametrize(
    ("side", "length", "frames"), [(8, 60, 60), (512, 10, 2), (256, 10, 10), (1030, 7, 1)]
)
def test_chunks_hold_few_megabytes_and_divide_those_of_the_movie(side, length, frames, tmp_path):
    counts = np.zeros((length, side, side), "u1")
    counts[0] = photon_counts((side, side))
    movie = store_movie(counts, local_files(), tmp_path / "movie.zarr", frames_per_chunk=length)

    assert Exported(movie.photons, "tyx", None, {}).chunk_length() == frames  # of float32
