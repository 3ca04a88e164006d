"""The house: eight rooms under two doors; imports go down only (CONTRIBUTING.md, The house)."""

import ast
import statistics
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import pytest

import dj_photon_codecs
from tests.movies_at_hand import local_files, photon_counts, store_movie

ROOT = Path(__file__).parents[1]
PACKAGE = Path(dj_photon_codecs.__file__).parent
NAME = PACKAGE.name
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    # a package that says what it is for, and no more, is no module
    if path != PACKAGE / "__init__.py" and len(ast.parse(path.read_text()).body) > 1
}

# From the ground up; a room imports only what stands before it in this list, and of these only
# what ROOMS says. The doors, codecs.py and the command's, stand above all of them.
ROOMS = {
    "photons": set(),
    "layouts": set(),
    "movies": {"photons"},
    "calibration": {"movies", "photons"},
    "storage": {"layouts", "movies", "photons"},
    "arrays": {"storage", "layouts", "movies", "photons"},
    "views": {"arrays", "storage", "layouts", "calibration", "movies", "photons"},
    "tables": {"views", "arrays", "storage", "layouts", "calibration", "movies", "photons"},
}
# DataJoint's door, and the plain Python that it stands on: they must import where everything else
# is broken. Rooms may import `policy`.
DOOR = {"broken_libraries", "cli", "codecs", "policy"}
# What a room may import as it is imported itself. codecs.py must not fail at import (garbage
# collection deletes the movies of a codec that does not load): DataJoint's base class, no more.
LIBRARIES = {
    "photons": {"numpy"},
    "layouts": {"numpy", "numcodecs"},
    "movies": {"numpy", "google_crc32c"},
    "calibration": {"numpy"},
    "storage": {"numpy", "numcodecs", "zarr", "fsspec", "google_crc32c"},
    "arrays": {"numpy", "numcodecs", "zarr", "fsspec"},
    "views": {"numpy"},
    "tables": {"numpy", "datajoint"},
    "broken_libraries": set(),
    "cli": {"typer"},
    "codecs": {"datajoint"},
    "policy": set(),
}
# Extras, and what is slow to import, are imported where they are used: never with the module.
WHEN_ASKED_FOR = {"matplotlib", "mpl_toolkits", "anscombe_transform"}
# A method that shows something calls upwards, when it is called: `Calibration.plot`.
UPWARDS = {
    ("photons.calibration", "views.transfer_curve"),
    ("photons.calibration", "views.notebook"),
    ("movies.camera_movie", "views.notebook"),
    ("arrays.frame_array", "views.notebook"),
    ("arrays.photon_array", "views.movie_plot"),
}

LONGEST = 300  # lines of code
SOURCES = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}
TREES = {name: ast.parse(text) for name, text in SOURCES.items()}


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
    return set(imported(TREES[name].body if running else ast.walk(TREES[name])))


def neighbours(name, **how):
    return {
        each.removeprefix(f"{NAME}.")
        for each in imports(name, **how)
        if each.startswith(f"{NAME}.")
    }


def libraries(name, **how):
    roots = {each.split(".")[0] for each in imports(name, **how)}
    return roots - {NAME} - sys.stdlib_module_names


def lines_of_code(tree, text):
    """Count the lines of a module or function that hold more than a comment or a docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = [
        node.body[0]
        for node in ast.walk(tree)
        if isinstance(node, documented) and ast.get_docstring(node) is not None
    ]
    described = {n for node in docstrings for n in range(node.lineno, (node.end_lineno or 0) + 1)}
    first, last = getattr(tree, "lineno", 1), getattr(tree, "end_lineno", None)
    return sum(
        1
        for number, line in enumerate(text.splitlines()[first - 1 : last], start=first)
        if number not in described and line.strip() and not line.strip().startswith("#")
    )


def run(program, *arguments):
    """Run a program in a process of its own, and return what it prints."""
    command = [sys.executable, "-W", "error", "-c", program, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


# ---------------------------------------------------------------------------- rooms


def room(name):
    return name.split(".")[0]


def test_every_module_is_in_a_room():
    assert {room(name) for name in MODULES} == {*ROOMS, *DOOR}


def test_rooms_stand_in_order():
    order = list(ROOMS)

    for name, below in ROOMS.items():
        assert below <= set(order[: order.index(name)])


def test_imports_go_down_only():
    upwards = {
        (name, other)
        for name in MODULES
        for other in neighbours(name)
        if room(other) not in {room(name), "policy", *ROOMS.get(room(name), {*ROOMS, *DOOR})}
    }
    assert upwards == UPWARDS


def test_a_room_knows_its_own_libraries_only():
    strange = {name: libraries(name, running=True) - LIBRARIES[room(name)] for name in MODULES}
    assert not {name: found for name, found in strange.items() if found}


def test_no_room_imports_the_door():
    assert not [
        name for name in MODULES if room(name) in ROOMS and (DOOR - {"policy"}) & neighbours(name)
    ]


@pytest.mark.parametrize("name", sorted(DOOR))
def test_the_door_imports_no_room_when_it_is_imported(name):
    assert neighbours(name, running=True) <= DOOR


def test_no_rooms_import_each_other_in_a_circle():
    rooms: dict[str, set[str]] = {name: set() for name in ROOMS}
    for name in MODULES:
        below = {other for other in neighbours(name) if (name, other) not in UPWARDS}
        if room(name) in ROOMS:
            rooms[room(name)] |= {room(other) for other in below} - {room(name), "policy"}

    assert set(TopologicalSorter(rooms).static_order()) == set(ROOMS)


def test_no_modules_import_each_other_in_a_circle():
    graph = {name: neighbours(name, running=True) for name in MODULES}

    assert set(TopologicalSorter(graph).static_order()) >= set(MODULES)


def test_every_room_and_door_is_described():
    described = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    for name in ROOMS:
        assert f"| `{name}/` |" in described
    for name in DOOR:
        assert f"`{name}.py`" in described


# ---------------------------------------------------------------------------- files


def test_modules_are_short():
    lengths = {name: lines_of_code(tree, SOURCES[name]) for name, tree in TREES.items()}
    assert not {name: length for name, length in lengths.items() if length > LONGEST}


def test_modules_say_what_they_are_for():
    assert not [name for name, tree in TREES.items() if not ast.get_docstring(tree)]


def test_functions_are_short():
    lengths = sorted(
        lines_of_code(node, SOURCES[name])
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    )

    assert statistics.median(lengths) <= 8
    assert lengths[len(lengths) * 9 // 10] <= 25


def test_the_source_asserts_nothing_and_catches_no_exception_whatever():
    for name, tree in TREES.items():
        caught = [node.type for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
        kinds = {ast.unparse(kind) if kind else "None" for kind in caught}

        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)], name
        assert not {"Exception", "None"} & kinds, name


def test_no_property_is_cached():
    """On Python 3.11 `cached_property` holds one lock for a class, which hangs a forked child."""
    named = {
        name: {getattr(node, "attr", getattr(node, "name", "")) for node in ast.walk(tree)}
        for name, tree in TREES.items()
    }
    assert not [name for name, found in named.items() if "cached_property" in found]


def test_modules_list_what_is_theirs():
    for name, tree in TREES.items():
        (listed,) = [
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        ]
        assert listed == sorted(listed, key=lambda each: (not each.isupper(), each)), name


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
        _ = dj_photon_codecs.Photon  # type: ignore[attr-defined]
