"""The format page says all that it takes to read every movie that was ever written."""

import re
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest

from tests.storage.test_frozen import (
    ARRAYS,
    ROOT,
    decompressed_chunks,
    digest,
    every_movie,
    inserted,
    loaded,
    opened,
)

FORMAT_PAGE = ROOT / "docs" / "reference" / "format.md"


@pytest.mark.slow
@every_movie
def test_a_reader_made_of_the_page_reads_a_movie(fixture):
    folder = fixture / "movie.zarr"
    zarray, zattrs = loaded(folder, ".zarray"), loaded(folder, ".zattrs")
    transform, *others = [each for each in zarray["filters"] if each["id"] != "photon.crc32c"]
    readers = page_readers()

    chunks = []
    for stored in decompressed_chunks(folder, zarray):
        codes = stored
        for config in reversed(others):
            decode = readers.get(f"read_{config['id'].rpartition('.')[2]}")
            codes = (decode or numcodecs.get_codec(config).decode)(codes)
        codes = np.ascontiguousarray(codes).view(transform["codes"])
        chunks.append(codes.reshape(zarray["chunks"]))
    read = np.concatenate(chunks)[: zarray["shape"][0]]

    if transform["step"] is None:
        assert digest(read.astype(zattrs["original_dtype"])) == expected(fixture)["raw"]
    else:
        assert digest(read * transform["step"]) == expected(fixture)["values"]


def expected(fixture: Path) -> dict[str, list[str]]:
    """Return the digests of a movie; those of version 1.0 have arrays in their place."""
    if fixture not in ARRAYS:
        return loaded(fixture, "expected.json")
    return {"raw": digest(inserted(fixture)), "values": digest(opened(fixture)[:])}


def page_readers() -> dict[str, Any]:
    """Return what the blocks of the format page define that hold its readers of layouts."""
    blocks = re.findall(r"```python\n(.*?)```", FORMAT_PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"np": np, "numcodecs": numcodecs}
    for block in blocks:
        if any(
            f"def {name}" in block
            for name in ("ungrouped", "read_grouped", "undensed", "read_dense")
        ):
            exec(block, names)  # noqa: S102
    return names
