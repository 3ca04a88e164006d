"""The two documents of a stored movie, ``.zarray`` and ``.zattrs``: how they are made and read.

`describe` makes those of an insert, and `describe_recompressed` those of a copy, both in format
version 1.1.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import version
from typing import Any, TypedDict

from dj_photon_codecs.layouts.choice import Compression
from dj_photon_codecs.photons.calibration import Calibration
from dj_photon_codecs.storage.filters.anscombe import AnscombeFilter
from dj_photon_codecs.storage.filters.checksum import ChecksumFilter
from dj_photon_codecs.storage.filters.linear import LinearFilter
from dj_photon_codecs.storage.plan import StoragePlan, filters_of

__all__ = [
    "NAMES",
    "PARAMETERS",
    "STDERRS",
    "Documents",
    "calibration_of",
    "describe",
    "describe_recompressed",
    "dimensions",
    "is_compressed_by",
    "plain_attributes",
    "split_filters",
    "step_of",
]

FORMAT_VERSION = "1.1"
NAMES = {".zattrs": "zattrs", ".zarray": "zarray"}  # on the store, in the order of writing
PARAMETERS = ("gain", "offset", "variance")  # of a calibration
STDERRS = tuple(f"{name}_stderr" for name in PARAMETERS)
TRANSFORMS = (AnscombeFilter.codec_id, LinearFilter.codec_id)
WRITERS = ("dj-photon-codecs", "zarr", "numcodecs", "numpy")

Document = dict[str, Any]


class Documents(TypedDict):
    """The documents of one stored movie, under their names in the store."""

    zarray: Document
    zattrs: Document


def describe(plan: StoragePlan, *, checksums: list[str], stored_bytes: int) -> Documents:
    """Return the documents of a movie, plain finite JSON, in format version 1.1.

    `checksums` are the CRC-32C of the chunks' bytes, eight hexadecimal digits each;
    `stored_bytes` are those of all chunks together.
    """
    calibration = plan.calibration
    transform = AnscombeFilter(
        codes=plan.code_dtype.str,
        gain=calibration.gain,
        offset=calibration.offset,
        variance=calibration.variance,
        step=plan.step,
    )
    filters, compressor = _configurations(plan.compression)
    zarray = {
        "zarr_format": 2,
        "shape": list(plan.shape),
        "chunks": list(plan.chunk_shape),
        "dtype": "<f8",
        "order": "C",
        "fill_value": "NaN",
        "filters": [dict(transform.get_config()), *filters],
        "compressor": compressor,
        "dimension_separator": ".",
    }
    zattrs = {
        "codec_name": "photon",
        "codec_version": FORMAT_VERSION,
        "anscombe_gain": transform.gain,
        "anscombe_offset": transform.offset,
        "anscombe_variance": transform.variance,
        **_stderrs(calibration),
        "quantization_step": transform.step,
        "original_dtype": str(plan.original_dtype),
        "_ARRAY_DIMENSIONS": dimensions(len(plan.shape)),
        "written_by": dict(_writers()),
        "crc32c": "".join(checksums),
        "stored_bytes": stored_bytes,
    }
    if plan.decode_table is not None:
        zattrs["decode_table"] = plan.decode_table.to_dict()
    return Documents(zarray=zarray, zattrs=zattrs)


def describe_recompressed(
    documents: Documents, plan: StoragePlan, *, checksums: list[str], stored_bytes: int
) -> Documents:
    """Return the documents of a copy, in other chunks or with another compression."""
    filters, compressor = _configurations(plan.compression)
    transform, _ = split_filters(documents["zarray"])
    zarray = documents["zarray"] | {
        "chunks": list(plan.chunk_shape),
        "order": "C",
        "dimension_separator": ".",
        "filters": [*transform, *filters] or None,
        "compressor": compressor,
    }
    zattrs = documents["zattrs"] | {
        "codec_version": FORMAT_VERSION,
        "crc32c": "".join(checksums),
        "stored_bytes": stored_bytes,
    }
    return Documents(zarray=zarray, zattrs=zattrs)


def is_compressed_by(documents: Documents, compression: Compression) -> bool:
    """Return whether a movie was stored with a compression, with or without checksums in chunks."""
    stored = split_filters(documents["zarray"])[1], documents["zarray"]["compressor"]
    filters, compressor = _configurations(compression)
    return stored in [(filters, compressor), (_without_checksum(filters), compressor)]


def calibration_of(documents: Documents) -> Calibration:
    """Return the calibration of a movie; that of photon counts where another program wrote none."""
    attributes = documents["zattrs"]
    names = (*PARAMETERS, *STDERRS)
    written = {name: attributes.get(f"anscombe_{name}") for name in names}
    return Calibration(**{name: value for name, value in written.items() if value is not None})


def step_of(documents: Documents) -> float | None:
    """Return the quantisation step of a movie; None if it was stored exactly."""
    step: float | None = documents["zattrs"].get("quantization_step")
    return step


def plain_attributes(documents: Documents) -> dict[str, str | float]:
    """Return what a copy of a movie in another format must say of it: texts and numbers only.

    By these attributes a copy is known for what it is where it is inserted or calibrated.
    """
    zattrs, calibration = documents["zattrs"], calibration_of(documents)
    plain = {name: zattrs.get(name) for name in ("units", "quantization_step", "original_dtype")}
    for name in PARAMETERS:
        plain[f"anscombe_{name}"] = getattr(calibration, name)
    if "written_by" in zattrs:
        plain["written_by"] = json.dumps(zattrs["written_by"])
    return {name: value for name, value in plain.items() if value is not None}


def dimensions(number: int) -> list[str]:
    """Name the axes for xarray; those between time and the frame's two are numbered."""
    return ["time", *(f"axis_{axis}" for axis in range(1, number - 2)), "y", "x"]


def split_filters(zarray: Document) -> tuple[list[Document], list[Document]]:
    """Return the transform in ``.zarray``, if there is one, and the filters after it."""
    filters = zarray["filters"] or []
    first = 1 if filters and filters[0]["id"] in TRANSFORMS else 0
    return filters[:first], filters[first:]


def _stderrs(calibration: Calibration) -> dict[str, float]:
    known = {f"anscombe_{name}": getattr(calibration, name) for name in STDERRS}
    return {name: value for name, value in known.items() if value is not None}


@cache
def _writers() -> tuple[tuple[str, str], ...]:
    """Return the packages that write movies, and their versions; looking them up is slow."""
    return tuple((name, version(name)) for name in WRITERS)


def _configurations(compression: Compression) -> tuple[list[Document], Document | None]:
    """Return the filters and the compressor of a compression as ``.zarray`` names them."""
    filters = [dict(codec.get_config()) for codec in filters_of(compression)]
    compressor = compression.compressor
    return filters, None if compressor is None else dict(compressor.get_config())


def _without_checksum(filters: list[Document]) -> list[Document]:
    """Return filters as format version 1.0 had them."""
    return [config for config in filters if config["id"] != ChecksumFilter.codec_id]
