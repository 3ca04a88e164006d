"""Planes hold the bits they are said to hold, in the order they are said to be in."""

from typing import Any

import numpy as np
import pytest

from dj_photon_codecs.layouts.grouped.grouping import Kind
from dj_photon_codecs.layouts.grouped.planes import Plane, planes_of, planes_size
from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.kernels.reference_grouped import STRETCH, unpack_places

pytestmark = pytest.mark.usefixtures("backend")


def packed(codes: np.ndarray, *, bits: int, low: int = 0, tile: int = 8) -> list[Plane]:
    kind = Kind(bits, low, 0, codes.shape[1])
    stored = np.full(planes_size(kind, len(codes)), 0xAA, "u1")
    planes = planes_of(kind, len(codes), stored=stored)
    for start in range(0, len(codes), tile):
        for plane in planes:
            plane.pack(codes[start : start + tile], start=start)
    return planes


def as_told(planes: list[Plane], frames: int) -> tuple[Any, ...]:
    """Return what `unpack_frames` is told of planes of all pixels, whose bases are 0."""
    pixels = planes[0].stored.size // planes[0].rows
    begin = np.cumsum([0, *(plane.stored.size for plane in planes)])
    told = [
        (plane.bits, plane.shift, 0, pixels, start)
        for plane, start in zip(planes, begin, strict=False)
    ]
    place, no_events = np.arange(pixels, dtype="u4"), np.zeros(0, "u8")
    ends = np.zeros((1, frames + 1), "u8")
    stored = np.concatenate([plane.stored for plane in planes])
    return frames, stored, np.array(told, "u8"), place, ends, no_events


def unpacked(planes: list[Plane], start: int, stop: int, *, like: np.ndarray) -> np.ndarray:
    frames, stored, told, place, ends, events = as_told(planes, len(like))
    codes, none = np.full((stop - start, place.size), 0xAA, like.dtype), np.zeros(0, like.dtype)
    base = np.zeros(place.size, like.dtype)
    kernel().unpack_frames(
        start, stop, frames, stored, told, base, place, ends, events, none, none, codes
    )
    return codes


@pytest.mark.parametrize(
    ("bits", "codes", "expected"),
    [
        (4, [1, 2, 3, 4, 5], [0x21, 0x43, 0x05]),
        (2, [0, 1, 2, 3, 1], [0b11_10_01_00, 1]),
        (1, [1, 0, 1, 1, 0, 0, 0, 0, 1], [0b1101, 1]),
        (8, [7, 200], [7, 200]),
    ],
)
def test_frames_of_a_pixel_share_a_byte(bits, codes, expected):
    (plane,) = packed(np.array(codes, "u1")[:, np.newaxis], bits=bits)
    assert plane.stored.tolist() == expected


def test_low_bits_are_apart():
    planes = packed(np.array([[0b1011_101]], "u1"), bits=4, low=3)
    assert [(plane.bits, plane.shift) for plane in planes] == [(4, 3), (2, 1), (1, 0)]
    assert [plane.stored.tolist() for plane in planes] == [[0b1011], [0b10], [1]]


@pytest.mark.parametrize(
    ("bits", "low", "size"),
    [(0, 0, 0), (1, 0, 13), (2, 0, 25), (4, 0, 50), (4, 3, 88), (8, 9, 213)],
)
def test_size_is_that_of_the_bits(bits, low, size):
    assert planes_size(Kind(bits, low, 5, 1005), 100) == size * 1000


@pytest.mark.parametrize(
    ("dtype", "bits", "low"),
    [("u1", 1, 0), ("u1", 2, 6), ("u1", 4, 4), ("u2", 4, 4), ("u2", 4, 12), ("u4", 8, 24)]
    + [("u2", 4, low) for low in range(8)]
    + [("u8", 4, 60)],
)
@pytest.mark.parametrize("frames", [1, 7, 8, 19])
def test_all_bits_come_back(dtype, bits, low, frames):
    codes = np.random.default_rng(0).integers(0, 2 ** (bits + low), (frames, 70), dtype="u8")
    codes = codes.astype(dtype)
    planes = packed(codes, bits=bits, low=low)
    for start in range(frames):
        for stop in {start + 1, min(start + 3, frames), frames}:
            assert (unpacked(planes, start, stop, like=codes) == codes[start:stop]).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("frames", [range(1), range(5, 7), range(3, 50), range(50)])
def test_some_pixels_are_picked(bits, frames):
    pixels = 2 * STRETCH // 7 + 30  # two stretches, and what is left of a third
    codes = np.random.default_rng(bits).integers(0, 2**bits, (50, pixels), "u1")
    number, stored, told, place, ends, events = as_told(packed(codes, bits=bits), 50)
    none = np.zeros(0, "u1")
    packed_planes = stored, told, np.zeros(pixels, "u1"), place, ends, events, none, none
    some = np.unique(np.random.default_rng(0).integers(0, pixels, 200))
    for each in (some, np.arange(pixels)):
        picked = unpack_places(each, frames, number, *packed_planes)
        assert (picked == codes[frames.start : frames.stop, each]).all()


def test_bits_above_are_left_out():
    codes = np.array([[0x37], [0xF1]], "u1")
    assert unpacked(packed(codes, bits=4), 0, 2, like=codes).tolist() == [[7], [1]]


def test_stretches_are_one_after_the_other():
    pixels = 3 * STRETCH // 50 + 17
    codes = np.broadcast_to(np.arange(pixels, dtype="u4") // 1000, (100, pixels)).astype("u1")
    (plane,) = packed(codes, bits=4)
    assert (unpacked([plane], 0, 100, like=codes) == codes % 16).all()
    length = STRETCH // 50
    first = plane.stored[: length * 50].reshape(50, length)
    assert (first == codes[0, :length] * 0x11).all()
