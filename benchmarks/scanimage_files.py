"""TIFF files as ScanImage writes them: a header of its own, and pages that tell their frame."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import tifffile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MAGIC, VERSION = 0x07030301, 4

DEFAULTS = {
    "SI.LINE_FORMAT_VERSION": "1",
    "SI.hChannels.channelName": "{'Channel 1';'Channel 2';'Channel 3';'Channel 4'}",
    "SI.hStackManager.enable": "false",
    "SI.hStackManager.framesPerSlice": "Inf",
    "SI.hStackManager.numSlices": "1",
}


def volumes(planes: int, *, frames: int = 1, flyback: int = 0) -> dict[str, str]:
    """Return what ScanImage says of volumes."""
    return {
        "SI.hStackManager.enable": "true",
        "SI.hStackManager.framesPerSlice": str(frames),
        "SI.hStackManager.numSlices": str(planes),
        "SI.hStackManager.numFramesPerVolume": str(planes * frames),
        "SI.hStackManager.numFramesPerVolumeWithFlyback": str(planes * frames + flyback),
    }


def write_scanimage(
    path: Path,
    pages: Iterable[NDArray[Any]],
    *,
    channels: Sequence[int] = (1,),
    header: bool = True,
    first: int = 0,
    **how: Any,
) -> Path:
    """Write pages in the order in which they are given, `first` of them in earlier files.

    Without `header` the file is as other programs save it, which keep the tags of pages only.
    """
    settings = {
        **DEFAULTS,
        "SI.hChannels.channelSave": "[" + ";".join(map(str, channels)) + "]",
        **how.pop("settings", {}),
    }
    text = "\n".join(f"{name} = {value}" for name, value in settings.items())
    with path.open("wb") as file, tifffile.TiffWriter(file, bigtiff=True) as writer:
        if header:
            frame_data = text.encode() + b"\0"
            file.write(struct.pack("<IIII", MAGIC, VERSION, len(frame_data), 0) + frame_data)
        for number, page in enumerate(pages, start=first):
            description = f"frameNumbers = {number // len(channels) + 1}\nepoch = [2026  1  1]\n"
            writer.write(
                page,
                contiguous=False,
                metadata=None,
                photometric="minisblack",
                description=description + f"frameTimestamps_sec = {number / 30:.9f}\n",
                software=text,
                **how,
            )
    return path
