"""A store to insert movies of files into."""

import datajoint as dj
import pytest


@pytest.fixture
def store(tmp_path):
    """The folder of a local store that is the default one; no database is asked."""
    (tmp_path / "store").mkdir()
    spec = {"protocol": "file", "location": str(tmp_path / "store")}
    with dj.config.override(stores={"default": "imaging", "imaging": spec}):
        yield tmp_path / "store"
