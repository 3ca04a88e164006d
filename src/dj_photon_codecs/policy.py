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

__all__ = ["Policy"]

AUTO = "auto"


@dataclass(frozen=True)
class Policy:
    """How a column type stores its movies.

    Parameters
    ----------
    frames_per_chunk : int
        Frames in a chunk, at least 1; fewer where the movie is shorter or its frames are large.
    compressor : numcodecs.abc.Codec, None or "auto"
        What compresses the codes; None stores them as their layout leaves them. "auto" measures
        for each movie which compressor and layout make it smallest.
    layout : numcodecs.abc.Codec, str or None
        A filter, or its ``codec_id``, that the codes go through before a `compressor` of your
        choice.
    step : float or None
        None stores values exactly; ``0 < step <= 1`` stores them in steps, in units of the noise's
        standard deviation.
    durable : bool
        Whether a movie must have reached the disk of a local store before its row is inserted.
    owner : str
        Whose attributes they are, for error messages.

    Raises
    ------
    TypeError, ValueError
        If one of them cannot be used; the message says what is allowed.

    Examples
    --------
    >>> Policy(frames_per_chunk=0)
    Traceback (most recent call last):
    ...
    ValueError: frames_per_chunk of Policy is 0; it must be a whole number, at least 1
    """

    frames_per_chunk: int = 100
    compressor: Codec | Literal["auto"] | None = AUTO
    layout: Codec | str | None = None
    step: float | None = None
    durable: bool = True
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
                f"{owner} has the layout {self.layout!r} and the compressor 'auto', which chooses "
                "the layout as well; give it a compressor of its own, or None"
            )

    @classmethod
    def of(cls, codec: Any) -> Policy:
        """Return the policy of a column type.

        Parameters
        ----------
        codec : PhotonCodec or type
            A codec or its class; it has an attribute for each parameter of a policy.

        Raises
        ------
        TypeError, ValueError
            If an attribute is missing, or cannot be used.
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
    return not isinstance(value, type) and all(hasattr(value, name) for name in methods)


def _is_compressor(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value == AUTO) or _is_codec(value)


def _is_layout(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value != "") or _is_codec(value)


def _is_step(value: Any) -> bool:
    number = not isinstance(value, bool) and isinstance(value, Real)
    return value is None or (number and 0 < float(value) <= 1)


ALLOWED = {
    "frames_per_chunk": (_is_number_of_frames, "a whole number, at least 1"),
    "compressor": (
        _is_compressor,
        "'auto', None or a codec of numcodecs (none of zarr.codecs), such as numcodecs.Zstd(5)",
    ),
    "layout": (_is_layout, "None, a codec of numcodecs or its codec_id"),
    "step": (_is_step, "None, or a number above 0 and at most 1"),
    "durable": (lambda value: isinstance(value, bool), "True or False"),
}
