"""The house: three floors, and imports go down only."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import pytest

import dj_photon_codecs
from tests.movies_at_hand import local_files, photon_counts, store_movie

PACKAGE = Path(dj_photon_codecs.__file__).parent
NAME = PACKAGE.name
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    # a package that says what it is for, and no more, is no module
    if path != PACKAGE / "__init__.py" and len(ast.parse(path.read_text()).body) > 1
}

# People, with DataJoint; bytes, with numcodecs and zarr; all other modules are numbers.
TOP = {"codecs"}
MIDDLE = {
    "array",
    "blosc_blocks",
    "chunks",
    "compression",
    "dense.layout",
    "documents",
    "filter",
    "forking",
    "frame_array",
    "frames",
    "grouped.chunk",
    "grouped.layout",
    "reporting",
    "storage",
    "writing",
}
FLOORS = {name: 2 if name in TOP else 1 if name in MIDDLE else 0 for name in MODULES}

LIBRARIES = [
    {"numpy"},
    {"numpy", "numcodecs", "zarr", "fsspec", "google_crc32c"},
    {"numpy", "numcodecs", "zarr", "fsspec", "google_crc32c", "datajoint"},
]
# Extras, and what is slow to import, are imported where they are used: never with the module.
WHEN_ASKED_FOR = {"matplotlib", "mpl_toolkits", "anscombe_transform"}

LONGEST = 300  # lines of code
modules = pytest.mark.parametrize("name", MODULES)


def imported(nodes):
    """Name all modules that nodes of a syntax tree import."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the package"
            yield from (
                [f"{NAME}.{a.name}" for a in node.names] if node.module == NAME else [node.module]
            )


def imports(name, *, running=False):
    """Name what a module imports: everywhere in it, or as it is imported itself only."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    return set(imported(tree.body if running else ast.walk(tree)))


def neighbours(name, **how):
    return {
        each.removeprefix(f"{NAME}.")
        for each in imports(name, **how)
        if each.startswith(f"{NAME}.")
    }


def libraries(name, **how):
    roots = {each.split(".")[0] for each in imports(name, **how)}
    return roots - {NAME} - sys.stdlib_module_names


def lines_of_code(path):
    """Count the lines that hold neither only a comment nor a docstring, nor nothing."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = [
        node.body[0]
        for node in ast.walk(tree)
        if isinstance(node, documented) and ast.get_docstring(node) is not None
    ]
    described = {n for each in docstrings for n in range(each.lineno, (each.end_lineno or 0) + 1)}
    lines = enumerate(text.splitlines(), start=1)
    return sum(
        1
        for number, line in lines
        if number not in described and line.strip() and not line.strip().startswith("#")
    )


def run(program, *arguments):
    """Run a program in a process of its own, and return what it prints."""
    command = [sys.executable, "-W", "error", "-c", program, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


# ---------------------------------------------------------------------------- floors


def test_every_floor_is_lived_on():
    assert set(MODULES) >= TOP
    assert {"filter", "documents", "storage", "array"} <= set(MODULES)
    assert FLOORS["transform"] == FLOORS["movies"] == FLOORS["calibration"] == 0


@modules
def test_imports_climb_down_only(name):
    above = {each for each in neighbours(name) if FLOORS[each] > FLOORS[name]}

    assert not above, f"{name} imports {above} from a floor above"


@modules
def test_a_floor_knows_its_own_libraries_only(name):
    allowed = LIBRARIES[FLOORS[name]]

    assert libraries(name) <= allowed | WHEN_ASKED_FOR
    assert libraries(name, running=True) <= allowed


def test_nobody_imports_the_top():
    assert not [name for name in MODULES if neighbours(name) & TOP]


def test_no_module_imports_itself_in_a_circle():
    graph = {name: neighbours(name, running=True) for name in MODULES}

    assert set(TopologicalSorter(graph).static_order()) == set(MODULES)


@modules
def test_modules_are_short(name):
    assert lines_of_code(MODULES[name]) <= LONGEST


@modules
def test_modules_list_what_is_theirs(name):
    module = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    listed = [
        ast.literal_eval(node.value)
        for node in module.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]

    assert len(listed) == 1
    assert listed[0] == sorted(listed[0], key=lambda each: (not each.isupper(), each))


# ---------------------------------------------------------------------------- doors

UNWANTED = ["datajoint", "matplotlib", "sklearn", "scipy", "anscombe_transform", "dask", "pandas"]
SAY_UNWANTED = f"import sys; print([name for name in {UNWANTED} if name in sys.modules])"


def test_importing_the_package_imports_nothing_heavy():
    assert run(f"import dj_photon_codecs; {SAY_UNWANTED}") == "[]"
    assert run(f"import anscombe; {SAY_UNWANTED}") == "[]"


def test_reading_through_the_entry_point_imports_nothing_heavy(tmp_path):
    counts = photon_counts()
    store_movie(counts, local_files(), tmp_path / "movie.zarr")
    program = (
        f"import sys, zarr; print(zarr.open_array(sys.argv[1], mode='r')[3, 4, 5]); {SAY_UNWANTED}"
    )

    value, unwanted = run(program, tmp_path / "movie.zarr").splitlines()

    assert float(value) == 2 * np.sqrt(counts[3, 4, 5] + 3 / 8)
    assert unwanted == "[]"


def test_the_codec_is_imported_when_it_is_asked_for():
    program = """
import sys, warnings, dj_photon_codecs
assert "datajoint" not in sys.modules
warnings.simplefilter("ignore")
print(dj_photon_codecs.PhotonCodec.name, "datajoint" in sys.modules)
"""
    assert run(program) == "photon True"


def test_every_public_name_is_there():
    for name in dj_photon_codecs.__all__:
        assert getattr(dj_photon_codecs, name) is not None


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="module 'dj_photon_codecs' has no attribute 'Photon'"):
        _ = dj_photon_codecs.Photon
