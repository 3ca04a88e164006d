"""`Policy`: how a column type stores its movies."""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Integral
from typing import Any, Literal

import numpy as np
from numcodecs import get_codec
from numcodecs.abc import Codec

from dj_photon_codecs.layouts.choice import Compression
from dj_photon_codecs.photons.steps import check_step

__all__ = ["Policy"]

AUTO = "auto"


@dataclass(frozen=True)
class Policy:
    """How a column type stores its movies; the class attributes of a `PhotonCodec`.

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

    Raises
    ------
    TypeError, ValueError
        If one of them cannot be used; the message says what is allowed.

    Examples
    --------
    >>> Policy(frames_per_chunk=0)
    Traceback (most recent call last):
    ...
    ValueError: frames_per_chunk is 0; it must be at least 1
    """

    frames_per_chunk: int = 100
    compressor: Codec | Literal["auto"] | None = AUTO
    layout: Codec | str | None = None
    step: float | None = None
    durable: bool = True

    def __post_init__(self) -> None:
        """Refuse a policy that could not be followed, before a movie is inserted under it."""
        _check_frames_per_chunk(self.frames_per_chunk)
        _check_compressor(self.compressor)
        _check_layout(self.layout, self.compressor)
        if self.step is not None:
            check_step(self.step)
        if not isinstance(self.durable, bool):
            raise TypeError(f"durable is {self.durable!r}; it must be True or False")

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
            If it has not, or one of them cannot be used.
        """
        names = [parameter.name for parameter in fields(cls)]
        missing = [name for name in names if not hasattr(codec, name)]
        if missing:
            raise TypeError(
                f"codec is {codec!r}, which has no {missing[0]}; it must be a PhotonCodec, or a "
                "subclass of it"
            )
        return cls(**{name: getattr(codec, name) for name in names})

    @property
    def compression(self) -> Compression | None:
        """The layout and the compressor; None where they are measured for each movie."""
        if self.compressor == AUTO:
            return None
        layout = get_codec({"id": self.layout}) if isinstance(self.layout, str) else self.layout
        return Compression(self.compressor, layout)


def _check_frames_per_chunk(frames: Any) -> None:
    if isinstance(frames, (bool, np.bool_)) or not isinstance(frames, Integral):
        raise TypeError(f"frames_per_chunk is {frames!r}; it must be a whole number, at least 1")
    if frames < 1:
        raise ValueError(f"frames_per_chunk is {frames}; it must be at least 1")


def _check_compressor(compressor: Any) -> None:
    if compressor is None or compressor == AUTO or isinstance(compressor, Codec):
        return
    hint = (
        " (Zarr format 2 takes numcodecs' codecs, not those of zarr.codecs)"
        if type(compressor).__module__.startswith("zarr.")
        else ""
    )
    raise (ValueError if isinstance(compressor, str) else TypeError)(
        f"compressor is {compressor!r}; it must be 'auto', None or a codec of numcodecs, such as "
        f"numcodecs.Blosc('zstd', clevel=5){hint}"
    )


def _check_layout(layout: Any, compressor: Any) -> None:
    if layout is None:
        return
    if compressor == AUTO:
        raise ValueError(
            f"layout is {layout!r} while compressor is 'auto', which chooses the layout too; set "
            "the compressor (None, or a codec of numcodecs) that shall follow this layout"
        )
    if isinstance(layout, Codec):
        return
    if not isinstance(layout, str):
        raise TypeError(
            f"layout is {layout!r}; it must be None, a codec of numcodecs, or its codec_id"
        )
    try:
        get_codec({"id": layout})
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"layout is {layout!r}; numcodecs knows no such codec, or cannot make it without "
            "parameters. Install what brings it, or give the codec itself"
        ) from error
