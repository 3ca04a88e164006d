"""Writes chunks of groups as earlier versions did, from the page of the format: for the decoder."""

import numpy as np

from dj_photon_codecs.layouts.grouped.chunk import Form, join_chunk
from dj_photon_codecs.layouts.grouped.unpacking import ALIGNED, CLASS, PACKED_HEADER, Grouping
from dj_photon_codecs.layouts.kernels.reference_grouped import STRETCH


def encode(codes: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Return a chunk of groups; frames at the end that have one value take no space."""
    flat = codes.reshape(len(codes), -1)
    varying = int(np.flatnonzero((flat != flat[-1, -1]).any(axis=1)).max()) + 1
    frames = flat[:varying].view(f"u{codes.itemsize}")
    packed = pack(frames, group(frames, np.random.default_rng(seed)))
    return join_chunk(Form.GROUPED, codes, body=[packed])


def group(codes: np.ndarray, rng: np.random.Generator, *, classes: int = 12) -> Grouping:
    """Group pixels by their means, with fields of random widths."""
    frames, pixels = codes.shape
    size = int(rng.choice([size for size in (1, 2, 4, 8) if pixels % size == 0]))
    means = codes.mean(axis=0).reshape(-1, size).mean(axis=1)
    number = (means.argsort().argsort() * classes // means.size).astype("u1")
    bits, table = 8 * codes.itemsize, np.zeros(classes, CLASS)
    table["bits"] = rng.choice([0, 1, 2, 4, 8], classes)
    table["low"] = rng.integers(0, np.minimum(12, bits - table["bits"]) + 1)
    table["unit"] = rng.integers(0, 3, classes)
    table.sort(order=("bits", "low"))
    for each in np.unique(number):
        table["base"][each] = codes.reshape(frames, -1, size)[:, number == each].min()
    return Grouping(number, rng.integers(-2, 3, pixels).astype("i1"), table)


def pack(codes: np.ndarray, grouping: Grouping, values: np.ndarray | None = None) -> np.ndarray:
    """Return the sections of a grouping, whatever it is."""
    order = np.arange(codes.shape[1]).reshape(grouping.classes.size, -1)[grouping.order].ravel()
    above = codes[:, order] - grouping.base(codes.dtype)
    planes, counts, gaps, excess = [], [], [], []
    for kind in grouping.kinds:
        part, width = above[:, kind.start : kind.stop], kind.bits + kind.low
        planes += [plane(part >> shift, each) for each, shift in kind.fields]
        over = part >> width if width < 8 * codes.itemsize else np.zeros_like(part)
        at = np.flatnonzero(over)
        counts.append(np.count_nonzero(over, axis=1))
        gaps.append(np.diff(at, prepend=-1) - 1)
        excess.append(over.ravel()[at])
    values = np.zeros(0, codes.dtype) if values is None else values
    numbers = [bytewise(np.concatenate(each)) for each in (gaps, excess)]
    sections = grouping.table, grouping.classes, grouping.offsets, values
    stored = np.concatenate([np.zeros(0, "u1"), *planes])
    return joined(codes, [*sections, np.array(counts, "u4"), stored, *numbers])


def plane(field: np.ndarray, width: int) -> np.ndarray:
    """Return a plane: of each pixel a byte for several frames, stretch after stretch."""
    frames, pixels = field.shape
    rows, together = -(-frames * width // 8), 8 // width
    bits = np.zeros((rows * together, pixels), "u1")
    bits[:frames] = field.astype("u1") & ((1 << width) - 1)
    shifts = (np.arange(together, dtype="u1") * width)[:, np.newaxis]
    stored = (bits.reshape(rows, together, pixels) << shifts).sum(axis=1).astype("u1")
    length = max(8, STRETCH // rows)
    stretches = (stored[:, start : start + length] for start in range(0, pixels, length))
    return np.concatenate([stored[:0].ravel(), *(each.ravel() for each in stretches)])


def bytewise(numbers: np.ndarray) -> np.ndarray:
    """Return the lowest byte of all numbers, then the next of all, as far as they are in use."""
    size = np.min_scalar_type(numbers.max(initial=0)).itemsize
    return np.ascontiguousarray(numbers.astype(f"<u{size}").view("u1").reshape(-1, size).T)


def joined(codes: np.ndarray, sections: list[np.ndarray]) -> np.ndarray:
    flat = [np.ascontiguousarray(section).reshape(-1).view("u1") for section in sections]
    head = np.array(
        [(*codes.shape, codes.itemsize, *(section.size for section in flat))], PACKED_HEADER
    )
    padded = [np.pad(section, (0, -section.size % ALIGNED)) for section in flat]
    return np.concatenate([head.view("u1"), *padded])
