"""Axes that look like others than time, height and width."""

import warnings

import numpy as np
import pytest
import tifffile

from dj_photon_codecs import CameraMovie, PhotonCodec, report
from dj_photon_codecs.movies.suspect_axes import check_picture
from tests.movies_at_hand import CAMERA, photon_counts

USES = {
    "insert": PhotonCodec().validate,
    "CameraMovie": lambda movie: CameraMovie(movie, CAMERA),
    "report": report,
}
every_use = pytest.mark.parametrize("use", USES.values(), ids=USES)


@every_use
@pytest.mark.parametrize("colours", [3, 4])
def test_colour_pictures_are_refused(use, colours):
    with pytest.raises(ValueError, match=r"as colour pictures have; .* movie\[\.\.\., 1\]"):
        use(np.zeros((20, 32, 40, colours), "u1"))


@every_use
def test_what_may_be_colours_is_warned_of(use):
    with pytest.warns(UserWarning, match=r"\(20, 32, 40, 3\) and dtype uint16, as colour pict"):
        use(photon_counts((20, 32, 40, 3)))


@every_use
@pytest.mark.parametrize("order", ["C", "F"])
def test_frames_that_are_last_are_warned_of(use, order):
    width = 32 if order == "C" else 40
    movie = np.asarray(photon_counts((32, width, 100)), order=order)

    with pytest.warns(UserWarning, match=r"as if frames were last.*numpy\.moveaxis\(movie, -1, 0"):
        use(movie)


@every_use
def test_a_stack_of_stacks_is_warned_of(use, tmp_path):
    for number in range(3):
        tifffile.imwrite(
            tmp_path / f"{number}.tif", photon_counts((20, 32, 40)), photometric="minisblack"
        )
    movie = tifffile.imread(sorted(tmp_path.glob("*.tif")))

    with pytest.warns(UserWarning, match=r"as 3 stacks of 20 frames.*reshape\(-1, \*movie\.shape"):
        use(movie)


@every_use
def test_masks_are_warned_of(use):
    with pytest.warns(UserWarning, match=r"dtype bool, as masks have.*movie\.view\('uint8'\)"):
        use(photon_counts((20, 32, 40)) > 1)


@pytest.mark.parametrize(
    "movie",
    [
        photon_counts((100, 32, 40)),
        photon_counts((100, 32, 32)),
        np.asfortranarray(photon_counts((100, 32, 40))),
        photon_counts((100, 32, 32, 5)),  # planes
        photon_counts((100, 5, 32, 32)),
        photon_counts((32, 32, 32)),
        photon_counts((8, 8, 100)),
    ],
    ids=lambda movie: str(movie.shape),
)
def test_movies_are_not_warned_of(movie):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_picture(movie)
