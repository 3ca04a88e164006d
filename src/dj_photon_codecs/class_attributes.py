"""The class attributes of a `PhotonCodec`, checked when a subclass is defined.

In plain Python: a broken library must not keep a codec from being defined, since DataJoint's
garbage collection deletes the movies of a codec that it does not find.
"""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dj_photon_codecs.codecs import PhotonCodec

__all__ = ["check_attributes"]


def check_attributes(codec: type[PhotonCodec]) -> None:
    """Refuse class attributes that no movie can be stored with.

    Parameters
    ----------
    codec : type
        A subclass of `PhotonCodec`.

    Raises
    ------
    TypeError, ValueError
        If an attribute is not one that `PhotonCodec` describes.
    """
    frames, compressor = codec.frames_per_chunk, codec.compressor
    if isinstance(frames, bool) or not hasattr(frames, "__index__") or frames < 1:
        raise _refused(codec, "frames_per_chunk", "a whole number, at least 1")
    if compressor not in (None, "auto") and not _is_codec(compressor):
        raise _refused(
            codec, "compressor", "'auto', None or a codec of numcodecs, such as numcodecs.Zstd(5)"
        )
    _check_layout(codec)
    if codec.step is not None and not _is_step(codec.step):
        raise _refused(codec, "step", "None, or a number above 0 and at most 1")
    if not isinstance(codec.durable, bool):
        raise _refused(codec, "durable", "True or False")


def _check_layout(codec: type[PhotonCodec]) -> None:
    layout = codec.layout
    if layout is not None and not (layout and isinstance(layout, str)) and not _is_codec(layout):
        raise _refused(codec, "layout", "None, a codec of numcodecs or its codec_id")
    if layout is not None and codec.compressor == "auto":
        raise ValueError(
            f"{codec.__name__} has the layout {layout!r} and the compressor 'auto', which chooses "
            "the layout as well; give it a compressor of its own, or None"
        )


def _is_codec(given: Any) -> bool:
    return not isinstance(given, type) and all(
        hasattr(given, name) for name in ("codec_id", "encode", "decode")
    )


def _is_step(given: Any) -> bool:
    return not isinstance(given, bool) and isinstance(given, Real) and 0 < float(given) <= 1


def _refused(codec: type[PhotonCodec], attribute: str, allowed: str) -> Exception:
    given = getattr(codec, attribute)
    kind = ValueError if isinstance(given, (int, float, str)) else TypeError
    return kind(f"{attribute} of {codec.__name__} is {given!r}; it must be {allowed}")
