"""The two documents of a stored movie, ``.zarray`` and ``.zattrs``, and those of its views.

They are what a format version means. `describe` writes those of version 1.1; `document_checks`
refuses what this library cannot read. The functions after `describe` turn the documents of the
transformed movie into those of its codes and of its views, over the same chunks.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np

from dj_photon_codecs.storage.anscombe_filter import AnscombeFilter
from dj_photon_codecs.storage.checksum_filter import ChecksumFilter
from dj_photon_codecs.storage.linear_filter import LinearFilter
from dj_photon_codecs.storage.pipeline import filters_of

if TYPE_CHECKING:
    from dj_photon_codecs.layouts.choice import Compression
    from dj_photon_codecs.storage.plan import StoragePlan

__all__ = [
    "NAMES",
    "Documents",
    "describe",
    "describe_recompressed",
    "is_compressed_by",
    "linear_view",
    "split_transform",
]

FORMAT_VERSION = "1.1"
NAMES = {".zattrs": "zattrs", ".zarray": "zarray"}  # on the store, in the order of writing
TRANSFORMS = {each.codec_id: each for each in (AnscombeFilter, LinearFilter)}
WRITERS = ("dj-photon-codecs", "zarr", "numcodecs", "numpy")

Document = dict[str, Any]
Unit = Literal["ADU", "photon"]


class Documents(TypedDict):
    """The documents of one stored movie, under their names in the store."""

    zarray: Document
    zattrs: Document


def describe(plan: StoragePlan, *, checksums: list[str]) -> Documents:
    """Write the documents of a movie in format version 1.1.

    Parameters
    ----------
    plan : StoragePlan
        How the movie is stored.
    checksums : list of str
        CRC-32C of each chunk's bytes, in the order of the chunks, eight hexadecimal digits each.

    Returns
    -------
    Documents
        Plain finite JSON.
    """
    given = plan.calibration
    transform = AnscombeFilter(
        codes=plan.code_dtype.str,
        gain=given.gain,
        offset=given.offset,
        variance=given.variance,
        step=plan.step,
    )
    filters, compressor = _described(plan.compression)
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
        "quantization_step": transform.step,
        "original_dtype": str(plan.original_dtype),
        "_ARRAY_DIMENSIONS": _dimensions(len(plan.shape)),
        "written_by": dict(_writers()),
        "crc32c": "".join(checksums),
    }
    if plan.decode_table is not None:
        zattrs["decode_table"] = plan.decode_table.to_dict()
    return Documents(zarray=zarray, zattrs=zattrs)


def describe_recompressed(
    documents: Documents, plan: StoragePlan, *, checksums: list[str]
) -> Documents:
    """Describe the codes of a movie in other chunks, or behind another compressor.

    Parameters
    ----------
    documents : Documents
        Of a stored movie.
    plan : StoragePlan
        The chunks and the compression that its codes now have.
    checksums : list of str
        As in `describe`.
    """
    filters, compressor = _described(plan.compression)
    transform, _ = _split_filters(documents["zarray"])
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
    }
    return Documents(zarray=zarray, zattrs=zattrs)


def is_compressed_by(documents: Documents, compression: Compression) -> bool:
    """Return whether the codes of a movie went through this, with or without a checksum."""
    stored = _split_filters(documents["zarray"])[1], documents["zarray"]["compressor"]
    filters, compressor = _described(compression)
    return stored in [(filters, compressor), (_without_checksum(filters), compressor)]


def split_transform(
    documents: Documents,
) -> tuple[AnscombeFilter | LinearFilter | None, Documents]:
    """Separate what decodes codes to values from the codes.

    Parameters
    ----------
    documents : Documents
        Of a stored movie, or of a view of it.

    Returns
    -------
    AnscombeFilter, LinearFilter or None
        The transform of the movie, or that of the view; None if the codes are the values.
    Documents
        The codes described as an array of their own over the same chunks.
    """
    transforms, filters = _split_filters(documents["zarray"])
    for config in transforms:
        parameters = {name: each for name, each in config.items() if name != "id"}
        transform = TRANSFORMS[config["id"]](**parameters)
        return transform, _with_array(documents, dtype=transform.codes, filters=filters)
    return None, documents


def linear_view(documents: Documents, unit: Unit) -> Documents | None:
    """Describe a view that is linear in light, as an array over the same chunks.

    Parameters
    ----------
    documents : Documents
        Of a stored movie.
    unit : {"ADU", "photon"}
        Values as they were inserted, in their own dtype (float32 if a step was chosen), or
        photons (float32).

    Returns
    -------
    Documents or None
        None for a movie that was stored as plain transformed values, without our filter.
    """
    transform, codes = split_transform(documents)
    if not isinstance(transform, AnscombeFilter):
        return None
    zattrs = documents["zattrs"]
    exact = unit == "ADU" and transform.step is None
    if exact and np.dtype(zattrs["original_dtype"]) == np.dtype(transform.codes):
        return codes
    linear = LinearFilter(
        codes=transform.codes,
        dtype=zattrs["original_dtype"] if exact else "<f4",
        gain=transform.gain,
        offset=transform.offset,
        unit=unit,
        table=zattrs.get("decode_table"),
    )
    filters = [linear.get_config(), *(codes["zarray"]["filters"] or [])]
    return _with_array(documents, dtype=linear.dtype, filters=filters)


@cache
def _writers() -> tuple[tuple[str, str], ...]:
    """The packages that write movies, and their versions, which take long to look up."""
    return tuple((name, version(name)) for name in WRITERS)


def _described(compression: Compression) -> tuple[list[Document], Document | None]:
    """The filters and the compressor that codes went through, as ``.zarray`` names them."""
    filters = [dict(codec.get_config()) for codec in filters_of(compression)]
    compressor = compression.compressor
    return filters, None if compressor is None else dict(compressor.get_config())


def _without_checksum(filters: list[Document]) -> list[Document]:
    """The filters as format version 1.0 had them."""
    return [config for config in filters if config["id"] != ChecksumFilter.codec_id]


def _dimensions(number: int) -> list[str]:
    """Name the axes as xarray does; those between time and the frame's two are numbered."""
    return ["time", *(f"axis_{axis}" for axis in range(1, number - 2)), "y", "x"]


def _split_filters(zarray: Document) -> tuple[list[Document], list[Document]]:
    """The transform, if there is one, and what comes after it."""
    filters = zarray["filters"] or []
    first = 1 if filters and filters[0]["id"] in TRANSFORMS else 0
    return filters[:first], filters[first:]


def _with_array(documents: Documents, *, dtype: str, filters: list[Document]) -> Documents:
    changes = {"dtype": dtype, "filters": filters or None, "fill_value": 0}
    return Documents(zarray=documents["zarray"] | changes, zattrs=documents["zattrs"])
