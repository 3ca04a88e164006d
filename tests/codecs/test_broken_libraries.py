"""Where a library is broken or absent no movie is lost, and insert and fetch say what is broken."""

from importlib.machinery import EXTENSION_SUFFIXES

import numpy as np
import pytest

from dj_photon_codecs import PhotonCodec
from tests.tables import CONNECT, contents, declare_recording, photons, run_python, settings

# Each runs in a process of its own, which first breaks a library, then collects garbage, then
# inserts and fetches.
BREAK = """
import importlib, importlib.abc, sys

class Broken(importlib.abc.MetaPathFinder):
    def __init__(self, name, error):
        self.name, self.error = name, error

    def find_spec(self, name, path=None, target=None):
        if name == self.name or name.startswith(self.name + "."):
            raise self.error

def does_not_import(name, error):
    for loaded in [each for each in sys.modules if each == name or each.startswith(name + ".")]:
        del sys.modules[loaded]
    sys.meta_path.insert(0, Broken(name, error))

def lacks(module, name):
    delattr(importlib.import_module(module), name)
"""

COLLECT_AND_USE = """
schema = dj.Schema(sys.argv[2])
recording = schema.get_table("recording")
recording = recording() if callable(recording) else recording
counts = numpy.ones((3, 8, 8), int)
for use in (
    lambda: dj.gc.GarbageCollector(schema).collect(dry_run=False)["schema_paths_stored"],
    lambda: recording.insert1({"recording_id": 2, "movie": counts}),
    lambda: (recording & {"recording_id": 1}).fetch1("movie")[:].shape,
):
    try:
        print(use())
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
"""


def absent(name):
    return name, f"sys.modules[{name!r}] = None"


def raising(name, error):
    return name, f"does_not_import({name!r}, {error}('a torn installation'))"


def lacking(module, name):
    return module, f"lacks({module!r}, {name!r})"


# What another version of this package left: numcodecs finds a filter where it no longer is.
OLD_ENTRY_POINT = """
import importlib.metadata, numcodecs.registry
old = "dj_photon_codecs.filters:ChecksumFilter"
numcodecs.registry.entries["photon.crc32c"] = importlib.metadata.EntryPoint("", old, "")
"""

DOES_NOT_IMPORT = {
    "zarr is absent": absent("zarr"),
    "numcodecs is absent": absent("numcodecs"),
    "google_crc32c is absent": absent("google_crc32c"),
    "zarr raises": raising("zarr", "ImportError"),
    "numcodecs raises": raising("numcodecs.blosc", "OSError"),
    "google_crc32c raises": raising("google_crc32c", "SystemError"),
    "zarr raises what is no error of imports": raising("zarr", "AssertionError"),
    "numcodecs exits": raising("numcodecs", "SystemExit"),
    "our arrays raise": raising("dj_photon_codecs.arrays", "SyntaxError"),
    "our layouts raise": raising("dj_photon_codecs.layouts", "TypeError"),
    "our entry points are old": ("dj_photon_codecs", OLD_ENTRY_POINT),
    "our storage raises": raising("dj_photon_codecs.storage", "KeyError"),
    "zarr lacks a public name": lacking("zarr.storage", "StorePath"),
    "zarr lacks an abstract class": lacking("zarr.abc.store", "Store"),
    "numcodecs lacks a name": lacking("numcodecs.compat", "ensure_contiguous_ndarray"),
}
# DataJoint needs NumPy and fsspec itself: they can break only after it was imported.
BREAKS_LATER = {
    "numpy is absent": absent("numpy"),
    "numpy lacks a name": lacking("numpy", "ascontiguousarray"),
    "fsspec is absent": absent("fsspec"),
    "fsspec lacks a name": lacking("fsspec.implementations.local", "LocalFileSystem"),
    "google_crc32c lacks a name": lacking("google_crc32c", "value"),
}
# What is needed on S3 or by `calibrate` only.
NOT_NEEDED = "sys.modules['s3fs'] = sys.modules['anscombe_transform'] = None"


@pytest.fixture
def collect_insert_fetch(database, schema, store):
    """Return what is said when garbage is collected and a movie inserted and fetched."""
    declare_recording(schema).insert1({"recording_id": 1, "movie": photons()})

    def run(*code):
        done = run_python(
            "\n".join([BREAK, *code, COLLECT_AND_USE]), settings(database, store), schema.database
        )
        return done.stdout.splitlines()[-3:]

    return run


on_a_local_store = pytest.mark.parametrize("new_store", ["local"], indirect=True)


@pytest.mark.slow
@on_a_local_store
@pytest.mark.parametrize(
    ("library", "breakage"), DOES_NOT_IMPORT.values(), ids=list(DOES_NOT_IMPORT)
)
def test_no_movie_is_collected_and_the_library_is_named(
    store, collect_insert_fetch, library, breakage
):
    before = contents(store)

    collected, inserted, fetched = collect_insert_fetch("import json, numpy", breakage, CONNECT)

    assert collected == "5"
    assert contents(store) == before
    broken = library.partition(".")[0]
    for said in (inserted, fetched):
        assert said.startswith(
            f"ImportError: movies can be neither stored nor read here, since {broken} is broken ("
        )
        assert said.endswith(f"pip install --force-reinstall {broken.replace('_', '-')}")


@pytest.mark.slow
@on_a_local_store
@pytest.mark.parametrize(("library", "breakage"), BREAKS_LATER.values(), ids=list(BREAKS_LATER))
def test_no_movie_is_collected_when_a_library_breaks_later(
    store, collect_insert_fetch, library, breakage
):
    before = contents(store)

    _, *used = collect_insert_fetch("import json, numpy", CONNECT, breakage)

    assert before <= contents(store)
    broken = library.partition(".")[0]
    for said in used:
        assert broken in said or not said.partition(":")[0].endswith("Error"), said


@on_a_local_store
def test_libraries_that_are_not_needed_may_be_absent(store, collect_insert_fetch):
    before = contents(store)

    collected, inserted, fetched = collect_insert_fetch("import json, numpy", NOT_NEEDED, CONNECT)

    assert collected == "5"
    assert inserted == "None"
    assert fetched == "(120, 8, 8)"
    assert before < contents(store)


# ---------------------------------------------------------------------------- what the error says

CHECK = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy
from dj_photon_codecs import PhotonCodec
try:
    PhotonCodec.check(numpy.ones((3, 8, 8), int))
except BaseException as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "content", "cause"),
    [
        ("zarr.py", "", "ModuleNotFoundError: No module named 'zarr.abc'"),
        ("zarr/__init__.py", "class Odd(Exception): pass\nraise Odd('half')", "Odd: half"),
        ("numcodecs/__init__.py", "from . import blosc", "ImportError: "),
        ("google_crc32c.py", "raise SystemExit", "SystemExit"),
    ],
)
def test_a_file_that_hides_a_library_is_named(tmp_path, file, content, cause):
    hiding = tmp_path / file
    hiding.parent.mkdir(exist_ok=True)
    hiding.write_text(content)
    # an extension that was built for another computer
    (hiding.parent / f"blosc{EXTENSION_SUFFIXES[0]}").write_bytes(b"\x7fELF" + bytes(100))

    said = run_python(CHECK, str(tmp_path)).stdout

    library = hiding.relative_to(tmp_path).parts[0].removesuffix(".py")
    assert said.startswith(
        "ImportError: movies can be neither stored nor read here, "
        f"since {library} is broken ({cause}"
    )
    assert f"if {hiding} is yours, rename it, since it hides {library}; else install" in said


@pytest.mark.slow
def test_ctrl_c_during_an_import_breaks_nothing(tmp_path):
    (tmp_path / "zarr.py").write_text("raise KeyboardInterrupt")

    assert run_python(CHECK, str(tmp_path)).stdout == "KeyboardInterrupt: \n"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("import no_such_reader", id="a module that is absent"),
        pytest.param("from numpy import no_such_name", id="a name that a library lacks"),
        pytest.param("import numpy; numpy.no_such_name", id="an attribute that a library lacks"),
        pytest.param("import json; json.no_such_name", id="an attribute of a built-in library"),
    ],
)
def test_what_the_reader_of_a_movie_lacks_is_the_user_s_affair(fault):
    class Reader:
        shape, dtype, ndim = (3, 8, 8), np.dtype("u2"), 3

        def __getitem__(self, index):
            exec(fault)  # noqa: S102

    with pytest.raises((ImportError, AttributeError), match=r"^(No module|cannot import|module)"):
        PhotonCodec.check(Reader())
