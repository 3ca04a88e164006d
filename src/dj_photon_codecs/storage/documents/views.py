"""The documents of a movie's codes and of its views: other arrays over the same chunks."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Literal

import numpy as np

from dj_photon_codecs.storage.documents.description import Document, Documents, split_filters
from dj_photon_codecs.storage.filters.anscombe import AnscombeFilter
from dj_photon_codecs.storage.filters.linear import LinearFilter

__all__ = ["Unit", "linear_view", "split_transform"]

TRANSFORMS = {codec.codec_id: codec for codec in (AnscombeFilter, LinearFilter)}

Unit = Literal["ADU", "photon"]


def split_transform(
    documents: Documents,
) -> tuple[AnscombeFilter | LinearFilter | None, Documents]:
    """Separate the transform of a movie, or of a view of it, from the description of its codes.

    The transform is None if the chunks hold the values themselves; the documents are those of an
    array of the codes, over the same chunks.
    """
    transforms, filters = split_filters(documents["zarray"])
    if not transforms:
        return None, documents
    transform = _transform(json.dumps(transforms[0]))
    return transform, _with_array(documents, dtype=transform.codes, filters=filters)


def linear_view(documents: Documents, unit: Unit) -> Documents | None:
    """Return the documents of a view that is linear in light, over the same chunks.

    Of values as they were inserted, in their own dtype (float32 if a step was chosen), or of
    photons (float32). None if the movie was stored as plain transformed values, by another program.
    The attribute ``units`` of the view, and of copies of it, says which; null attributes, which
    HDF5 and NWB do not take, are left out.
    """
    transform, codes = split_transform(documents)
    if not isinstance(transform, AnscombeFilter):
        return None
    zattrs = {name: value for name, value in documents["zattrs"].items() if value is not None}
    zattrs["units"] = unit
    exact = unit == "ADU" and transform.step is None
    if exact and np.dtype(zattrs["original_dtype"]) == np.dtype(transform.codes):
        return Documents(zarray=codes["zarray"], zattrs=zattrs)
    linear = LinearFilter(
        codes=transform.codes,
        dtype=zattrs["original_dtype"] if exact else "<f4",
        gain=transform.gain,
        offset=transform.offset,
        unit=unit,
        table=zattrs.get("decode_table"),
    )
    filters = [linear.get_config(), *(codes["zarray"]["filters"] or [])]
    return _with_array(
        Documents(zarray=documents["zarray"], zattrs=zattrs), dtype=linear.dtype, filters=filters
    )


@lru_cache(maxsize=16)  # movies are much alike, and a transform keeps a table of values
def _transform(config: str) -> AnscombeFilter | LinearFilter:
    parameters = json.loads(config)
    return TRANSFORMS[parameters.pop("id")](**parameters)


def _with_array(documents: Documents, *, dtype: str, filters: list[Document]) -> Documents:
    changes = {"dtype": dtype, "filters": filters or None, "fill_value": 0}
    return Documents(zarray=documents["zarray"] | changes, zattrs=documents["zattrs"])
