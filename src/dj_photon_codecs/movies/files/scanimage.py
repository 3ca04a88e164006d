"""How ScanImage interleaves channels and planes, by the metadata that tifffile reads."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.movies.files.choices import choose
from dj_photon_codecs.movies.files.libraries import library

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Scan", "scan_of"]

# Names since 2015, then those of ScanImage 5, 4 and 3.8.
CHANNELS = ("SI.hChannels.channelSave", "SI5.channelsSave", "SI4.channelsSave")
NAMES = ("SI.hChannels.channelName", "SI5.channelsName", "SI4.channelsName")
STACK = ("SI.hStackManager.enable", "SI5.fastZEnable", "SI4.fastZEnable")
PLANES = ("SI.hStackManager.numSlices", "SI5.stackNumSlices", "SI4.stackNumSlices")


@dataclass(frozen=True)
class Scan:
    """The order of pages: channels first, then the frames of a plane, planes, and volumes."""

    channels: tuple[str, ...]  # names
    planes: int
    frames: int  # of a plane, one after the other
    flyback: int  # frames after the planes of a volume, while the focus returns

    def select(
        self,
        pages: NDArray[np.int64],
        *,
        channel: int | str | None,
        plane: int | str | None,
        of: str,
    ) -> tuple[NDArray[np.int64], str | None, str | None]:
        """Return the pages of a channel and plane, in the order of time, and what these are called.

        Raises
        ------
        ValueError
            If there are several, and none is chosen.

        Warns
        -----
        UserWarning
            If the recording ended within a volume, whose pages are left out.
        """
        chosen = choose("channel", self.channels, channel, of=of)
        level = choose("plane", [str(number) for number in range(self.planes)], plane, of=of)
        volume = self.planes * self.frames + self.flyback
        whole = len(pages) // (volume * len(self.channels))
        if whole * volume * len(self.channels) < len(pages):
            warnings.warn(
                f"{of} ends within a {'volume' if volume > 1 else 'frame'} of {volume} x "
                f"{len(self.channels)} pages, which is left out",
                stacklevel=4,
            )
        pages = pages[: whole * volume * len(self.channels)]
        pages = pages.reshape(whole, volume, len(self.channels), *pages.shape[1:])
        pages = pages[:, level * self.frames : (level + 1) * self.frames, chosen]
        return (
            pages.reshape(-1, pages.shape[-1]),
            self.channels[chosen] if len(self.channels) > 1 else None,
            str(level) if self.planes > 1 else None,
        )


def scan_of(file: Any) -> Scan | None:
    """Return how ScanImage wrote an open `tifffile.TiffFile`, or None if another program did."""
    if not file.pages.first.is_scanimage:
        return None
    found = _metadata(file)
    saved = _first(found, CHANNELS)
    if saved is None:
        saved = range(1, int(found.get("state.acq.numberOfChannelsSave", 1)) + 1)
    names = dict(enumerate(map(str, np.ravel(_first(found, NAMES) or [])), start=1))
    channels = tuple(names.get(n, f"Channel {n}") for n in np.ravel(saved).tolist())
    planes = int(_first(found, PLANES) or 1) if _first(found, STACK) else 1
    if planes == 1:
        return Scan(channels, planes=1, frames=1, flyback=0)
    frames = int(found.get("SI.hStackManager.framesPerSlice", 1))
    volume = found.get("SI.hStackManager.numFramesPerVolume", planes * frames)
    flyback = found.get("SI.hStackManager.numFramesPerVolumeWithFlyback", volume) - volume
    return Scan(channels, planes=planes, frames=frames, flyback=int(flyback))


def _metadata(file: Any) -> dict[str, Any]:
    """Return what does not vary, from the header of the file, or from its first page."""
    tifffile, page = library("tifffile"), file.pages.first
    try:
        found = tifffile.read_scanimage_metadata(file.filehandle)[0]
    except ValueError:  # of an older version, or saved by another program
        told = page.software if page.software.startswith("SI.") else page.description
        found = tifffile.matlabstr2py(told)
    return {name.removeprefix("scanimage."): value for name, value in found.items()}


def _first(found: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((found[name] for name in names if name in found), None)
