"""Link names of other projects to their documentation, and files of ours to the repository."""

import importlib
import inspect
import re
from functools import reduce

from docutils import nodes

NUMPY = "https://numpy.org/doc/stable/reference/"
ZARR = "https://zarr.readthedocs.io/en/stable/api/zarr/"
DATAJOINT = "https://docs.datajoint.com/"
NAMES = {
    "numpy.dtype": NUMPY + "generated/numpy.dtype.html",
    "numpy.ndarray": NUMPY + "generated/numpy.ndarray.html",
    "NDArray": NUMPY + "generated/numpy.ndarray.html",
    "numpy:array_like": "https://numpy.org/doc/stable/glossary.html#term-array_like",
    "numpy:arrays.scalars": NUMPY + "arrays.scalars.html",
    "python:bltin-boolean-values": "https://docs.python.org/3/library/functions.html#bool",
    "python:sequence": "https://docs.python.org/3/glossary.html#term-sequence",
    "python:iterable": "https://docs.python.org/3/glossary.html#term-iterable",
    "python:mapping": "https://docs.python.org/3/glossary.html#term-mapping",
    "ArrayLike": NUMPY + "typing.html",
    "DTypeLike": NUMPY + "typing.html",
    "zarr.Array": ZARR + "array/",
    "datajoint.Schema": DATAJOINT,
    "datajoint.Table": DATAJOINT,
    "dask.array.Array": "https://docs.dask.org/en/stable/generated/dask.array.Array.html",
    "numcodecs.abc.Codec": "https://numcodecs.readthedocs.io/en/stable/abc.html",
    "xarray.DataArray": "https://docs.xarray.dev/en/stable/generated/xarray.DataArray.html",
    "pathlib.Path": "https://docs.python.org/3/library/pathlib.html#pathlib.Path",
}
# The page of the manual of Python's library on which each is.
PYTHON = {
    "constants": "None",
    "exceptions": "FileExistsError KeyError OSError TypeError ValueError",
    "functions": "bool float int object",
    "stdtypes": "bytes dict list str tuple",
}
for page, names in PYTHON.items():
    NAMES |= {
        name: f"https://docs.python.org/3/library/{page}.html#{name}" for name in names.split()
    }
FILES = "https://github.com/datajoint/dj-photon-codecs/blob/main/"


def setup(app):
    app.connect("missing-reference", link_name)
    app.connect("include-read", link_files)
    return {"parallel_read_safe": True}


def link_name(_app, _environment, node, content):
    """Resolve a reference that is none of ours; numpydoc says ``python:str`` for ``str``."""
    target = node.get("reftarget", "").removeprefix("~")
    name = target.removeprefix("python:").removeprefix("numpy:")
    if content.astext() == target != name:
        content = nodes.literal("", name)
    address = NAMES.get(target) or NAMES.get(name)
    if address is None:
        return content if name != target else None
    return nodes.reference("", "", content, internal=False, refuri=address)


def link_files(_app, _path, _document, content):
    """Let links to files that are no part of the documentation lead to the repository."""
    link = r"(?<!!)(\[[^]]*\])\((?!https?:|docs/|#)([^)]+)\)"
    content[0] = re.sub(link, rf"\1({FILES}\2)", content[0])


def source_of(domain, said):
    """Return the address of what an entry of the reference documents; Sphinx's linkcode asks."""
    if domain != "py":
        return None
    found = reduce(getattr, said["fullname"].split("."), importlib.import_module(said["module"]))
    found = inspect.unwrap(found.fget if isinstance(found, property) else found)
    if not (inspect.isfunction(found) or inspect.isclass(found)):
        return None
    path = found.__module__.replace(".", "/")
    lines, first = inspect.getsourcelines(found)
    return f"{FILES}src/{path}.py#L{first}-L{first + len(lines) - 1}"
