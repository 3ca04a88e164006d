"""The command, on local stores and S3, with a real database."""

import json
import re
import subprocess
import sys
from pathlib import Path

import datajoint as dj
import fsspec
import numpy as np
import pytest
import tifffile
import zarr
from typer.testing import CliRunner

import dj_photon_codecs
from dj_photon_codecs import Calibration, CameraMovie, open_stored
from dj_photon_codecs.cli import app
from tests.movies_at_hand import local_files, photon_counts, store_movie

VERBS = ["report", "calibrate", "inspect", "verify", "export", "migrate", "gc"]


def run(*arguments):
    """Run the command in this process."""
    return CliRunner().invoke(app, [str(each) for each in arguments], prog_name="dj-photon")


def in_a_process(*arguments, program="from dj_photon_codecs.cli import main; main()"):
    """Run the command in a process of its own."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.fixture
def counts():
    return photon_counts((250, 16, 16))


@pytest.fixture
def movie(tmp_path, counts):
    return store_movie(counts, local_files(), tmp_path / "movie.zarr")


# ---------------------------------------------------------------------------- one movie


def test_it_says_its_version():
    assert run("--version").stdout.strip() == dj_photon_codecs.__version__


def test_a_module_is_imported_that_defines_types_of_columns(tmp_path, monkeypatch):
    (tmp_path / "types_of_the_lab.py").write_text("print('imported')")
    monkeypatch.chdir(tmp_path)

    told = in_a_process("--import", "types_of_the_lab", "inspect", "nothing.zarr")

    assert told.stdout.strip() == "imported"
    assert told.returncode == 3
    missing = run("--import", "types_of_nobody", "inspect", "nothing.zarr")
    assert (missing.exit_code, "No module named" in missing.output) == (2, True)
    (tmp_path / "types_that_fail.py").write_text("1 / 0")
    failed = run("--import", "types_that_fail", "inspect", "nothing.zarr")
    assert (failed.exit_code, "ZeroDivisionError: division" in failed.output) == (2, True)


def test_a_stored_movie_is_inspected_and_verified_by_its_path_or_url(
    schema, store, counts, monkeypatch
):
    table = schema(type("Recording", (dj.Manual,), {"definition": DEFINITION}))
    calibration = Calibration(gain=20.0, offset=100.0, variance=9.0)
    values = 100 + 20 * counts.astype("i4")
    table.insert1({"id": 1, "movie": CameraMovie(values, calibration)})
    movie = table.fetch1("movie")
    for name, key in [("ACCESS_KEY_ID", "access_key"), ("SECRET_ACCESS_KEY", "secret_key")]:
        monkeypatch.setenv(f"AWS_{name}", store.get(key, ""))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{store.get('endpoint')}")
    place = str(movie.store).removeprefix("file://")

    inspected, verified = run("inspect", place, "--json"), run("verify", place)
    fs, path = fsspec.url_to_fs(place)
    chunk = bytearray(fs.cat_file(f"{path}/1.0.0"))
    chunk[len(chunk) // 2] ^= 4
    fs.pipe_file(f"{path}/1.0.0", bytes(chunk))
    damaged = run("verify", place, "--json")

    said = json.loads(inspected.stdout)
    assert (said["shape"], said["dtype"], said["step"]) == ([250, 16, 16], "int32", None)
    assert (said["gain"], said["offset"], said["variance"]) == (20, 100, 9)
    assert said["bits_per_pixel"] == pytest.approx(32 / said["ratio"], rel=0.01)
    assert said["written_by"].keys() >= {"dj-photon-codecs", "zarr"}
    assert (verified.exit_code, verified.output) == (0, "all is well\n")
    assert damaged.exit_code == 1
    assert json.loads(damaged.stdout) == {"faults": ["1.0.0"]}
    for result in (inspected, verified, damaged):
        assert store.get("secret_key", "no secret") not in result.output
    with pytest.raises(OSError, match=r"chunk 1\.0\.0 .* is damaged"):
        open_stored(place)[150]


def test_a_movie_is_inspected_in_lines(movie, tmp_path):
    lines = run("inspect", tmp_path / "movie.zarr").output.splitlines()

    assert lines[0] == "shape           [250, 16, 16]"
    assert "codec           photon 1.1" in lines
    assert "step            none" in lines
    assert any(line.startswith("written by      dj-photon-codecs ") for line in lines)


@pytest.mark.parametrize("end", [".tif", ".h5"])
def test_a_movie_is_exported(movie, counts, tmp_path, monkeypatch, end):
    monkeypatch.chdir(tmp_path)

    result = run("export", "movie.zarr", "--to", {".tif": "tiff"}.get(end, "h5"))

    assert (result.exit_code, result.output) == (0, f"movie{end}\n")
    if end == ".tif":
        assert np.array_equal(tifffile.imread("movie.tif"), counts)
    again = run("export", "movie.zarr", "--to", {".tif": "tiff"}.get(end, "h5"))
    assert again.exit_code == 3
    assert "exists already" in again.output


def test_the_movie_of_this_directory_is_exported_by_a_dot(movie, counts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "movie.zarr")

    result = run("export", ".", "--to", "tiff", "--output", tmp_path / "copy.tif", "--json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"path": str(tmp_path / "copy.tif")}
    assert np.array_equal(tifffile.imread(tmp_path / "copy.tif"), counts)


def test_a_format_that_is_none_is_wrong_use(movie, tmp_path):
    result = run("export", tmp_path / "movie.zarr", "--to", "avi")

    assert result.exit_code == 2
    assert result.output == (
        "dj-photon export: --to is 'avi'; it must be one of tiff, h5, ome-zarr, nwb\n"
    )


# ---------------------------------------------------------------------------- files


def test_files_are_reported_on(tmp_path, counts, movie):
    np.save(tmp_path / "movie.npy", counts)

    of_file = run("report", tmp_path / "movie.npy", "--json")
    of_movie = run("report", tmp_path / "movie.zarr", "--json")

    costs = json.loads(of_file.stdout)
    assert [cost["step"] for cost in costs] == [None, 0.25, 0.5, 1.0]
    assert json.loads(of_movie.stdout) == costs


@pytest.mark.slow
def test_an_array_of_zarr_with_attributes_is_reported_on(tmp_path, counts):
    zarr.save_array(tmp_path / "other.zarr", counts, zarr_format=2, attributes={"rate": 30})

    result = run("report", tmp_path / "other.zarr")

    assert result.exit_code == 0, result.output
    assert "(250, 16, 16) of uint16" in result.output


def test_a_camera_is_calibrated_and_its_curve_drawn(tmp_path):
    rates = np.linspace(1, 30, 64 * 64).reshape(64, 64)
    values = 100 + 8 * np.random.default_rng(0).poisson(rates, (200, 64, 64))
    np.save(tmp_path / "movie.npy", values.astype("i2"))

    result = run("calibrate", tmp_path / "movie.npy", "--plot", tmp_path / "c.png", "--json")

    assert json.loads(result.stdout)["gain"] == pytest.approx(8, rel=0.05)
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_an_array_of_several_is_chosen_by_its_number_or_name(tmp_path, counts):
    np.savez(tmp_path / "movies.npz", green=counts, red=counts[:100])

    for dataset, frames in (("0", 250), ("1", 100), ("red", 100)):
        result = run("report", tmp_path / "movies.npz", "--dataset", dataset)
        assert result.output.startswith(f"({frames}, 16, 16) of uint16"), result.output


def test_a_plot_replaces_no_movie(tmp_path, counts):
    tifffile.imwrite(tmp_path / "movie.tif", counts)
    before = (tmp_path / "movie.tif").read_bytes()

    result = run("calibrate", tmp_path / "movie.tif", "--plot", tmp_path / "movie.tif")

    assert result.exit_code == 2
    assert "which exists, and may be a movie; give another name" in result.output
    assert (tmp_path / "movie.tif").read_bytes() == before


@pytest.fixture
def nothing_is_read(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError

    monkeypatch.setattr(dj_photon_codecs, "read_movie", refuse)


@pytest.mark.usefixtures("nothing_is_read")
@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        (
            "curve.xyz",
            2,
            r"the picture is '.*curve.xyz'; its name must end in one of .*pdf, .*png.*",
        ),
        ("nowhere/curve.png", 2, r"there is no folder .*nowhere"),
        ("curve.png", 3, r"a picture needs matplotlib: pip install matplotlib"),
    ],
)
def test_a_curve_that_cannot_be_drawn_is_refused_before_the_work(
    name, code, words, tmp_path, monkeypatch
):
    if code == 3:
        monkeypatch.setitem(sys.modules, "matplotlib", None)

    result = run("calibrate", "movie.tif", "--plot", tmp_path / name)

    assert result.exit_code == code
    assert re.fullmatch(f"dj-photon calibrate: .*{words}\\S*\n", result.output)


@pytest.mark.parametrize(
    ("gain", "offset", "words"),
    [
        (
            8,
            100,
            r"warning: by the noise .* of a camera, [78]\S* for each photon .*: say --calibrate",
        ),
        (
            1,
            100,
            r"warning: by the noise .* above \S+, and were taken for photons: say --calibrate",
        ),
        (1, 0, ""),
    ],
)
def test_a_report_says_where_values_of_a_camera_were_taken_for_photons(
    gain, offset, words, tmp_path
):
    rates = np.linspace(1, 30, 64 * 64).reshape(64, 64)
    values = offset + gain * np.random.default_rng(0).poisson(rates, (200, 64, 64))
    np.save(tmp_path / "movie.npy", values.astype("u2"))

    result = run("report", tmp_path / "movie.npy", "--json")

    assert len(json.loads(result.stdout)) == 4
    assert re.fullmatch(words, result.stderr.strip())
    assert not run("report", tmp_path / "movie.npy", "--calibrate").stderr


def test_a_column_type_that_is_none_is_wrong_use(tmp_path, counts):
    np.save(tmp_path / "movie.npy", counts)

    result = run("report", tmp_path / "movie.npy", "--codec", "nope")

    assert result.exit_code == 2
    assert re.search(r"codec is 'nope'; it must be one of photon, photon_dense", result.output)


@pytest.mark.slow
def test_who_has_no_keys_is_told_where_they_are_looked_for(monkeypatch):
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for name in ("SHARED_CREDENTIALS_FILE", "CONFIG_FILE"):
        monkeypatch.setenv(f"AWS_{name}", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    result = in_a_process("inspect", "s3://bucket/movie.zarr")

    assert result.returncode == 3
    for word in ("credentials", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        assert word in result.stderr


# ---------------------------------------------------------------------------- tables

DEFINITION = """
id : int32
---
movie : <photon@>
"""


def test_tables_are_migrated_verified_and_rid_of_garbage(schema, counts):
    old = schema(type("Old", (dj.Manual,), {"definition": DEFINITION.replace("photon@", "blob")}))
    new = schema(type("NewMovie", (dj.Manual,), {"definition": DEFINITION}))
    old.insert({"id": number, "movie": counts} for number in range(3))
    names = f"{schema.database}.Old", f"{schema.database}.NewMovie"

    looked = run("migrate", *names, "--dry-run")
    empty = len(new())
    moved = run("migrate", *names, "--json")
    verified = run("verify", names[1])
    place = (new & {"id": 1}).fetch1("movie").movie_store.files
    place.fs.rm_file(f"{place.path}/0.0.0")
    damaged = run("verify", names[1], "--json")
    (new & {"id": 2}).delete(prompt=False)
    at_once = ("gc", schema.database, "--days", "0", "--delete", "--json")
    refused = run(*at_once)
    garbage = run(*at_once, "--nothing-inserts")

    assert looked.output.startswith("A dry run: 3 of 3 rows would be moved; 0 are there;")
    assert empty == 0
    done = json.loads(moved.stdout)
    assert (done["rows"], done["moved"], done["failed"]) == (3, 3, [])
    assert verified.exit_code == 0
    assert damaged.exit_code == 1
    assert [found["key"] for found in json.loads(damaged.stdout)["damaged"]] == [{"id": 1}]
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "grace is 0:00:00; to delete beside inserts" in refused.output
    assert [each["state"] for each in json.loads(garbage.stdout)["orphans"]] == ["deleted"]


def test_tables_and_parts_are_named_as_their_classes_are_or_as_in_the_database(schema):
    class Scan(dj.Manual):
        definition = DEFINITION

        class TwoPhoton(dj.Part):
            definition = "-> master\n---\nmovie : <photon@>"

    schema(Scan, context={})

    for name in ("Scan", "scan", "Scan.TwoPhoton", "scan__two_photon", "scan.two_photon"):
        assert run("verify", f"{schema.database}.{name}").exit_code == 0, name
    wrong = run("verify", f"{schema.database}.Scans")
    assert wrong.exit_code == 2
    assert "is no table; those of" in wrong.output
    assert "are scan, scan__two_photon" in wrong.output


@pytest.mark.slow
@pytest.mark.parametrize("new_store", ["local"], indirect=True)
def test_json_of_a_table_is_nothing_but_json(schema, database, monkeypatch):
    settings = {"BACKEND": database.backend, "HOST": database.host, "PORT": str(database.port)}
    for name, value in (settings | {"USER": database.user, "PASS": database.password}).items():
        monkeypatch.setenv(f"DJ_{name}", value)

    done = in_a_process("gc", schema.database, "--json")

    assert json.loads(done.stdout) == {"dry_run": True, "orphans": []}, done.stderr


@pytest.mark.usefixtures("schema")
def test_a_schema_that_is_none_is_wrong_use():
    for arguments in (("verify", "nothing.Recording"), ("gc", "nothing", "--delete")):
        result = run(*arguments)

        assert result.exit_code == 2
        assert "'nothing' is no schema of the database, which has" in result.output
        assert not re.search(r"\b(pg_|information_schema|mysql|sys\b)", result.output)


def test_nwb_is_refused_without_its_times_in_the_words_of_the_command(movie, tmp_path):
    result = run("export", tmp_path / "movie.zarr", "--to", "nwb", "--frame-rate", "30")

    assert result.exit_code == 2
    assert "NWB needs both --frame-rate and --start" in result.output


def test_a_name_without_a_schema_is_wrong_use():
    result = run("verify", "Recording")

    assert result.exit_code == 2
    assert "'Recording' is no table; write SCHEMA.TABLE" in result.output


# ---------------------------------------------------------------------------- the command itself


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_each_verb_has_an_example(verb):
    result = run(verb, "--help")

    assert result.exit_code == 0
    assert f"dj-photon {verb} " in result.output.split("Usage:")[1].partition("\n")[2]


def test_an_error_is_one_sentence_and_a_traceback_only_if_it_is_asked_for(tmp_path):
    nothing = tmp_path / "nothing.zarr"

    said = in_a_process("verify", nothing)
    debugged = in_a_process("--debug", "verify", nothing)

    assert said.returncode == 3
    assert said.stderr.startswith(f"dj-photon verify: no stored movie is at file://{nothing}")
    assert "Traceback" not in said.stderr
    assert "Traceback" in debugged.stderr
    assert debugged.returncode == 3


def test_help_needs_neither_datajoint_nor_zarr():
    program = (
        "import sys\nfrom dj_photon_codecs.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: print({'datajoint', 'zarr'} & set(sys.modules))"
    )
    assert in_a_process(program=program).stdout.endswith("set()\n")


def test_without_its_extra_the_command_says_what_to_install():
    program = "import sys; sys.modules['typer'] = None; import dj_photon_codecs.cli"

    result = in_a_process(program=program)

    assert result.returncode == 3
    assert result.stderr == "dj-photon needs typer: pip install 'dj-photon-codecs[cli]'\n"


def test_a_document_that_is_no_json_is_named(movie, tmp_path):
    Path(tmp_path, "movie.zarr", ".zattrs").write_text("{", encoding="utf-8")

    result = run("inspect", tmp_path / "movie.zarr")

    assert result.exit_code == 2
    assert ".zattrs of file://" in result.output
    assert "is no JSON" in result.output
