"""Every block of Python in the README and in the documentation runs as it stands there."""

from pathlib import Path

import datajoint as dj
import pytest
from datajoint.codecs import unregister_codec
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SYBIL = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()])

with_code = [path for path in DOCUMENTS if list(SYBIL.parse(path).examples())]


@pytest.mark.parametrize("path", with_code, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_code_blocks_run(path, connection, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    # a type that a document defines is registered for that document alone, an installed one for all
    installed = set(dj.list_codecs())

    try:
        for block in SYBIL.parse(on_this_machine(path, tmp_path)).examples():
            block.evaluate()
    finally:
        for name in set(dj.list_codecs()) - installed:
            unregister_codec(name)


def on_this_machine(path, folder):
    """Copy a document, with a store that exists in the place of its /data/imaging."""
    store = folder / "imaging"
    store.mkdir()
    copy = folder / path.name
    copy.write_text(path.read_text("utf-8").replace("/data/imaging", store.as_posix()), "utf-8")
    return copy
