"""OME-Zarr 0.5 as the models of the format check it."""

import ome_zarr_models.v05
import zarr

from dj_photon_codecs import export


def opened(path):
    group = zarr.open_group(path, mode="r", zarr_format=3)
    image = ome_zarr_models.v05.Image.from_zarr(group)
    return group["0"], image.ome_attributes


def test_the_metadata_say_version_axes_and_frame_rate(movie, tmp_path):
    array, ome = opened(export(movie, tmp_path / "movie.ome.zarr", frame_rate=20))

    (scales,) = ome.multiscales
    (level,) = scales.datasets
    assert ome.version == "0.5"
    assert [(axis.name, axis.type, axis.unit) for axis in scales.axes] == [
        ("t", "time", "second"),
        ("y", "space", None),
        ("x", "space", None),
    ]
    assert level.path == "0"
    assert level.coordinateTransformations[0].scale == [0.05, 1, 1]
    assert array.metadata.dimension_names == ("t", "y", "x")
    assert array.chunks == (100, 6, 7)


def test_without_a_frame_rate_time_has_no_unit(movie, tmp_path):
    _, ome = opened(export(movie, tmp_path / "movie.zarr"))

    assert ome.multiscales[0].axes[0].unit is None
    assert ome.multiscales[0].datasets[0].coordinateTransformations[0].scale == [1, 1, 1]


def test_the_array_says_what_its_values_are(stepped, tmp_path):
    array, _ = opened(export(stepped, tmp_path / "movie.zarr", values="photons"))

    assert array.attrs["anscombe_gain"] == 50
    assert array.attrs["quantization_step"] == 0.5
    assert array.attrs["units"] == "photon"
    assert array.attrs["source"] == str(stepped.movie_store)


def test_dark_chunks_are_written_as_others(tmp_path, movie):
    path = export(movie, tmp_path / "movie.zarr")

    assert (path / "0" / "c" / "1" / "0" / "0").is_file()
