"""What a table takes and would take: as the store says, with the uncertainty of a sample."""

import json
import subprocess
import sys

import datajoint as dj
import numpy as np
import pytest

from dj_photon_codecs import Calibration, CameraMovie, TableReport, migrate, report
from tests.movies_at_hand import camera_values
from tests.tables import contents, declare_recording, filesystem, photons, root
from tests.tables_of_movies.test_migration import CAMERA, OLD_KINDS, declare_old

on_a_local_store = pytest.mark.parametrize("new_store", ["local"], indirect=True)
GAIN = "gain : float64"


def estimates(found):
    return {each.stored: each for each in found.estimates}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "stored"),
    [*OLD_KINDS, ("<photon@imaging>", lambda values, _: values)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_report_tells_what_a_table_takes_now_and_what_it_would_take(
    schema, store, tmp_path, kind, stored
):
    rows = [{"movie": stored(photons(seed=n), tmp_path)} for n in (1, 2)]
    old = declare_old(schema, kind, rows)
    files = {path: filesystem(store).size(f"{root(store)}/{path}") for path in sizable(store)}
    size = sum(files.values()) or sum(len(row["movie"]) for row in rows)

    found = report(old)

    assert isinstance(found, TableReport)
    known = estimates(found)
    assert known["as it is now"].megabytes == pytest.approx(size / 1e6)
    assert known["raw values"].megabytes == pytest.approx(2 * photons().nbytes / 1e6)
    new = declare_recording(schema)
    migrate(old, new, "movie")
    after = estimates(report(new))["as it is now"].megabytes
    documents = 0.004  # megabytes, of each movie, beside its chunks
    assert known["exactly"].megabytes == pytest.approx(after, abs=2 * documents)
    assert known["step 0.5"].megabytes < known["exactly"].megabytes
    assert {each.uncertainty for each in found.estimates} == {0}
    assert "<photon_dense@>" in str(found)


def sizable(store):
    fs = filesystem(store)
    return [path for path in contents(store) if fs.isfile(f"{root(store)}/{path}")]


@on_a_local_store
def test_a_sample_covers_the_table_by_its_uncertainty(schema):
    rng = np.random.default_rng(0)
    rows = [{"movie": photons(int(frames))} for frames in rng.integers(10, 90, 60)]
    old = declare_old(schema, "<npy@imaging>", [*rows, {"movie": None}])
    whole = estimates(report(old, steps=(None,), codec="photon", rows=60))

    sample = report(old, steps=(None,), codec="photon", rows=15)

    assert (sample.rows, sample.empty, len(sample.sampled)) == (60, 1, 15)
    for name, found in estimates(sample).items():
        assert whole[name].uncertainty == 0
        assert 0 < found.uncertainty < 0.5 * found.megabytes
        assert abs(found.megabytes - whole[name].megabytes) < 1.5 * found.uncertainty
    alone = report(old, steps=(None,), codec="photon", rows=1)
    assert "± ?" in str(alone)
    assert json.loads(alone.to_json())["estimates"][0]["uncertainty"] is None


@on_a_local_store
def test_camera_movies_need_their_calibration_and_the_report_says_so(schema):
    values = camera_values()
    old = declare_old(schema, "<blob>", [{"movie": values}, {"movie": values}])

    without = report(old)
    found = report(old, CAMERA, steps=(0.5,))

    assert without.estimates == ()
    assert "2 of those read could not be stored so" in str(without)
    assert "photon counts must be >= 0" in str(without)
    assert "Without calibration= the values are taken for photon counts" in str(without)
    assert found.note == ""
    (cost,) = report(CameraMovie(values, CAMERA), steps=(0.5,)).costs
    assert estimates(found)["step 0.5"].megabytes == pytest.approx(2 * cost.megabytes)


@on_a_local_store
def test_a_dry_run_writes_nothing_and_tells_the_cost_of_what_is_left(schema, store):
    rows = [{"movie": camera_values(seed=n), "gain": 50.0} for n in range(3)]
    old = declare_old(schema, "<blob@imaging>", [*rows, {"movie": None, "gain": 1.0}], more=GAIN)

    @schema
    class New(dj.Manual):
        definition = f"""
        recording_id : int32
        ---
        movie = null : <photon@imaging>
        {GAIN}
        """

    def stepped(row, movie):
        return CameraMovie(movie, Calibration(row["gain"], offset=100, variance=400), step=0.5)

    migrate(old & "recording_id = 1", New, "movie", convert=stepped)
    before = contents(store)

    dry = migrate(old, New, "movie", convert=stepped, dry_run=True)

    assert contents(store) == before
    assert len(New()) == 1
    assert dry.rows == 4
    assert [row.outcome for row in dry.outcomes] == ["there", "waiting", "waiting", "waiting"]
    (cost,) = dry.costs
    assert (cost.rows, cost.empty) == (2, 1)
    (single,) = report(CameraMovie(camera_values(seed=1), CAMERA), steps=(0.5,)).costs
    assert cost.sampled[0].costs[0].megabytes == pytest.approx(single.megabytes)
    assert str(dry).startswith("A dry run: 3 of 4 rows would be moved; 1 are there")
    assert "recording_id=2: 0.01 MB raw" in str(dry)
    assert migrate(old, New, "movie", convert=stepped).moved == 3


@on_a_local_store
def test_the_attribute_is_found_or_asked_for(schema):
    old = declare_old(
        schema, "<blob>", [{"movie": photons(), "mask": np.ones(3)}], more="mask : <blob>"
    )

    with pytest.raises(ValueError, match="attribute is None; it must name the attribute with"):
        report(old)
    with pytest.raises(ValueError, match="rows is 0"):
        report(old, attribute="movie", rows=0)
    with pytest.raises(TypeError, match="attribute is 'movie', and movie is a ndarray"):
        report(photons(), attribute="movie")
    with pytest.raises(TypeError, match="rows is 3, and movie is a ndarray, which has none"):
        report(photons(), rows=3)
    assert report(old & "recording_id = 1", attribute="movie").rows == 1


def test_a_report_on_an_array_imports_no_datajoint():
    program = (
        "import sys, numpy, dj_photon_codecs as d; d.report(numpy.ones((9, 8, 8), 'u1')); "
        "print('datajoint' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
