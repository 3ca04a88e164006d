"""`Policy`: how a column type stores its movies, by the class attributes of its `PhotonCodec`.

In plain Python, because they are checked when a codec is defined, and a broken library must not
prevent that: DataJoint's garbage collection deletes the movies of a codec that it does not find.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from numcodecs.abc import Codec

__all__ = ["FILTERS", "LOSSLESS", "Policy"]

AUTO = "auto"
# The codecs of numcodecs that give back what they were given, by their ids.
LOSSLESS = {
    "adler32",
    "blosc",
    "bz2",
    "crc32",
    "crc32c",
    "delta",
    "fletcher32",
    "gzip",
    "jenkins_lookup3",
    "lz4",
    "lzma",
    "pcodec",
    "shuffle",
    "zlib",
    "zstd",
}
FILTERS = {"photon.anscombe", "photon.linear", "photon.crc32c"}  # in each movie, and no layouts


@dataclass(frozen=True)
class Policy:
    """How a column type stores its movies: the attributes that `PhotonCodec` describes.

    `owner` names whose attributes they are, for error messages. One that cannot be used is a
    `TypeError` or a `ValueError`, which says what is allowed.
    """

    frames_per_chunk: int = 100
    compressor: Codec | Literal["auto"] | None = AUTO
    layout: Codec | str | None = None
    step: float | None = None
    durable: bool = True
    preview: bool = True
    owner: InitVar[str] = "Policy"

    def __post_init__(self, owner: str) -> None:
        """Refuse a policy that could not be followed."""
        for name, (is_allowed, allowed) in ALLOWED.items():
            value = getattr(self, name)
            if not is_allowed(value):
                kind = ValueError if isinstance(value, int | float | str) else TypeError
                raise kind(f"{name} of {owner} is {value!r}; it must be {allowed}")
        if self.layout is not None and self.compressor == AUTO:
            raise ValueError(
                f"{owner} has the layout {self.layout!r} and the compressor 'auto', which has "
                "a layout of its own; give it a compressor of its own, or None"
            )
        # plain numbers, which the documents of a movie can hold
        object.__setattr__(self, "frames_per_chunk", int(self.frames_per_chunk))
        object.__setattr__(self, "step", None if self.step is None else float(self.step))

    @classmethod
    def of(cls, codec: Any) -> Policy:
        """Return the policy of a column type, a `PhotonCodec` or its class, by its attributes.

        One that is missing is a `TypeError`.
        """
        names = [parameter.name for parameter in fields(cls)]
        missing = [name for name in names if not hasattr(codec, name)]
        if missing:
            raise TypeError(
                f"codec is {codec!r}, which has no {missing[0]}; it must be a PhotonCodec, or a "
                "subclass of it"
            )
        owner = codec if isinstance(codec, type) else type(codec)
        return cls(**{name: getattr(codec, name) for name in names}, owner=owner.__name__)


def _is_number_of_frames(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= 1


def _is_codec(value: Any) -> bool:
    methods = ("codec_id", "encode", "decode", "get_config")
    if isinstance(value, type) or not all(hasattr(value, name) for name in methods):
        return False
    is_theirs = type(value).__module__.partition(".")[0] == "numcodecs"
    return value.codec_id not in FILTERS and (value.codec_id in LOSSLESS or not is_theirs)


def _is_compressor(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value == AUTO) or _is_codec(value)


def _is_layout(value: Any) -> bool:
    named = isinstance(value, str) and value not in {"", *FILTERS}
    return value is None or named or _is_codec(value)


def _is_step(value: Any) -> bool:
    number = not isinstance(value, bool) and isinstance(value, Real)
    return value is None or (number and 0 < value <= 1)


ALLOWED = {
    "frames_per_chunk": (_is_number_of_frames, "a whole number, at least 1"),
    "compressor": (
        _is_compressor,
        "'auto', None or a lossless codec of numcodecs (none of zarr.codecs), as numcodecs.Zstd(5)",
    ),
    "layout": (_is_layout, "None, or a layout: a lossless codec of numcodecs or its codec_id"),
    "step": (_is_step, "None, or a number above 0 and at most 1"),
    "durable": (lambda value: isinstance(value, bool), "True or False"),
    "preview": (lambda value: isinstance(value, bool), "True or False"),
}
