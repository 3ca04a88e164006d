"""Every block of Python in the README runs; those of the pages run when the site is built."""

from pathlib import Path

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

README = Path(__file__).parents[1] / "README.md"
SYBIL = Sybil(parsers=[PythonCodeBlockParser()])


def test_code_blocks_run(connection, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    blocks = list(SYBIL.parse(on_this_machine(tmp_path)).examples())

    assert blocks
    for block in blocks:
        block.evaluate()


def on_this_machine(folder):
    """Copy the README, with a store that exists in the place of its /data/imaging."""
    store = folder / "imaging"
    store.mkdir()
    copy = folder / README.name
    copy.write_text(README.read_text("utf-8").replace("/data/imaging", store.as_posix()), "utf-8")
    return copy
