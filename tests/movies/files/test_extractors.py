"""Formats that roiextractors reads."""

import numpy as np
import pytest
import scipy.io  # type: ignore[import-untyped]
import tifffile

from dj_photon_codecs import read_movie
from tests.movies.files.reading import check_movie
from tests.movies_at_hand import photon_counts

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

SHAPE = (12, 16, 24)


def write_scanbox(folder, values):
    """Write what Scanbox writes: light is dark, and a .mat says how it was recorded."""
    (np.iinfo("u2").max - values).tofile(folder / "scan.sbx")
    settings = {"lines": values.shape[1]}
    info = {
        "channels": 2,
        "scanmode": 1,
        "recordsPerBuffer": values.shape[1],
        "bytesPerBuffer": values[0].nbytes,
        "sz": list(values.shape[1:]),
        "resfreq": 8000,
        "config": settings,
        "scanbox_version": 2,
    }
    scipy.io.savemat(folder / "scan.mat", {"info": info})
    return folder / "scan.sbx"


def test_scanbox_is_read(tmp_path):
    values = photon_counts(SHAPE)

    check_movie(read_movie(write_scanbox(tmp_path, values)), values)


def write_bruker(folder, values):
    """Write what Prairie View writes: a file for each frame and channel, and an XML of all."""
    folder.mkdir()
    channels = {1: "Green", 2: "Red"}
    frames = []
    for number, frame in enumerate(values, start=1):
        files = []
        for channel, name in channels.items():
            file = f"{folder.name}_Cycle00001_Ch{channel}_{number:06}.ome.tif"
            tifffile.imwrite(folder / file, frame[channel - 1], ome=True)
            files.append(
                f'<File channel="{channel}" channelName="{name}" page="1" filename="{file}"/>'
            )
        time = f'relativeTime="{number / 30}" absoluteTime="{number / 30}" index="{number}"'
        frames.append(f"<Frame {time}>{''.join(files)}</Frame>")
    xml = (
        '<?xml version="1.0"?><PVScan version="5.6.64.400" date="1/1/2026 1:00:00 PM">'
        f'<Sequence type="TSeries Timed Element" cycle="1">{"".join(frames)}</Sequence></PVScan>'
    )
    (folder / f"{folder.name}.xml").write_text(xml)
    return folder


def test_a_folder_of_bruker_is_read(tmp_path):
    values = photon_counts((12, 2, 16, 24))
    folder = write_bruker(tmp_path / "session", values)

    with pytest.raises(ValueError, match=r"BrukerTiffImagingExtractor cannot open .*channel='"):
        read_movie(folder)
    movie = read_movie(folder, channel="Red")
    check_movie(movie, values[:, 1])
    assert repr(movie).endswith("channel='Red')")


def test_what_roiextractors_cannot_open_is_named(tmp_path):
    (tmp_path / "scan.sbx").touch()

    with pytest.raises(ValueError, match=r"SbxImagingExtractor cannot open .*scan\.sbx"):
        read_movie(tmp_path / "scan.sbx")


def test_formats_of_bioio_are_left_to_it(tmp_path):
    (tmp_path / "movie.nd2").touch()

    with pytest.raises(ValueError, match=r"bioio\.BioImage\('.*movie\.nd2'\)\.get_image_dask_data"):
        read_movie(tmp_path / "movie.nd2")
