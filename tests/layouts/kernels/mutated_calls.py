"""Run the tests of a kernel that is built with sanitizers, then change what they gave it.

``python -m tests.layouts.kernels.mutated_calls CALLS KERNEL...``: the tests run with the first
kernel, and their calls of each function are recorded, and repeated on each kernel, of more vectors
or fewer, with other bytes, lengths and numbers. Whatever these are, a function returns or raises; a
sanitizer ends the process where it reads or writes beside its arrays, also while another thread
changes a movie that is encoded. `test_sanitizers.py` runs it: a new function needs a test with the
compiled kernel, and a place in `MOVIES` if it is given the memory of a movie.
"""

import contextlib
import importlib.machinery
import importlib.util
import sys
import threading
import time
from collections import defaultdict

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

NAME = "dj_photon_codecs.layouts.kernels._kernel"
TESTS = ["tests/layouts/kernels"]
TESTS += [f"tests/layouts/{kind}" for kind in ("adaptive", "dense", "grouped")]
TESTS += ["tests/layouts/test_damage.py"]  # of whole chunks
MOST_CALLS, MOST_BYTES = 80, 1 << 23  # of a function; larger ones take long
SECONDS, FEWEST = 1, 20  # for a function of a kernel: as long, but as many calls at least
REFUSALS = ValueError, TypeError, MemoryError, OverflowError
# Functions that are given memory that others may write to, and as which argument.
MOVIES = {"count_levels": 0, "count_symbols": 0, "encode_predicted": 12, "encode_streams": 0}
MOVIES |= {"predict_keys": 10, "sample_products": 10, "split_numbers": 0}
MOVIES |= {"sum_pixels": 0, "measure_noise": 0, "look_up": 1}
NUMBERS = 0, 1, 2, 255, 4095, 4096, 65535, 1 << 24, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 62


class Recorder:
    """The kernel, which remembers what its functions are given."""

    def __init__(self, module):
        self.module, self.calls, self.__name__ = module, defaultdict(list), NAME

    def __getattr__(self, name):
        function = getattr(self.module, name)
        if not callable(function):
            return function

        def recording(*given):
            calls = self.calls[name]
            if len(calls) < MOST_CALLS and sum(a.nbytes for a in arrays(given)) < MOST_BYTES:
                calls.append([copied(argument) for argument in given])
            return function(*given)

        return recording


def arrays(given):
    return [argument for argument in given if isinstance(argument, np.ndarray)]


def copied(argument):
    """Copy an array with the strides of its first dimension, into memory that ends with it."""
    if not isinstance(argument, np.ndarray):
        return argument
    if argument.flags.c_contiguous or argument.ndim != 2:
        return argument.copy()
    stride, (rows, columns) = argument.strides[0] // argument.itemsize, argument.shape
    room = np.zeros((rows - 1) * stride + columns, argument.dtype)
    copy = as_strided(room, argument.shape, (stride * argument.itemsize, argument.itemsize))
    copy[...] = argument
    return copy


def mutated(argument, rng):
    """Return an argument with other bytes, another length, or another value."""
    if isinstance(argument, float):
        return float(rng.choice([0.0, -1.0, 1e30, np.inf, np.nan]))
    if not isinstance(argument, np.ndarray):
        near = argument + int(rng.integers(-2, 3))
        return near if rng.random() < 0.5 else int(rng.choice(np.array(NUMBERS, object)))
    length = int(rng.integers(0, 4)) if rng.random() < 0.5 else int(rng.integers(len(argument) + 1))
    match int(rng.integers(6)):
        case 0:
            return argument[: len(argument) - min(length, len(argument))].copy()
        case 1:
            return np.concatenate([argument, argument[:length]])
        case kind if argument.size and argument.flags.c_contiguous:
            items = argument.reshape(-1)
            at, some = int(rng.integers(items.size)), int(rng.integers(1, 20))
            if kind == 2:
                items.view(np.uint8)[at] ^= 1 << rng.integers(8)
            elif kind == 3:
                items[at : at + some] = np.frombuffer(
                    rng.bytes(items[at : at + some].nbytes), items.dtype
                )
            elif kind == 4:
                items.view(f"u{items.itemsize}")[at] = int(rng.choice(NUMBERS[:3])) - 1 & 255
            else:
                items[at:] = np.roll(items[at:], some)
    return argument


def repeat(function, calls, rng, number):
    """Call a function with mutated arguments; return how often, and how often it refused them."""
    refused = done = 0
    end = time.thread_time() + SECONDS
    while done < number and (done < FEWEST or time.thread_time() < end):
        done += 1
        given = [copied(argument) for argument in calls[int(rng.integers(len(calls)))]]
        for _ in range(int(rng.integers(1, 4))):
            which = int(rng.integers(len(given)))
            given[which] = mutated(given[which], rng)
        try:
            function(*given)
        except REFUSALS:
            refused += 1
    return done, refused


def race(function, calls, movie, *, seconds=0.3):
    """Call a function while another thread changes the movie that it is given."""
    given = [copied(each) for each in max(calls, key=lambda call: call[movie].size)]
    former, done = given[movie].copy(), threading.Event()

    def change():
        while not done.wait(0.0005):
            given[movie][len(former) // 2 :] = np.iinfo(former.dtype).max
            done.wait(0.0005)
            given[movie][...] = former

    thread = threading.Thread(target=change)
    thread.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(*REFUSALS):
            function(*given)
    done.set()
    thread.join()


def load(path):
    loader = importlib.machinery.ExtensionFileLoader(NAME, path)
    spec = importlib.util.spec_from_loader(NAME, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def functions_of(module):
    return sorted(name for name in set(dir(module)) - {"SOURCES"} if not name.startswith("__"))


def main(number, kernels):
    recorder = Recorder(kernels[0])
    sys.modules[NAME] = recorder  # type: ignore[assignment]
    options = ["-q", "-p", "no:cacheprovider", "-m", "not slow and not services"]
    failed = pytest.main([*options, "-k", "not numpy", *TESTS])
    assert not failed, "tests fail with the kernel that has sanitizers"
    uncalled = [name for name in functions_of(recorder.module) if not recorder.calls[name]]
    assert not uncalled, f"no test calls {uncalled}: add some to {TESTS[0]}"
    for name in functions_of(recorder.module):
        calls, rng = recorder.calls[name], np.random.default_rng(len(name))
        for kernel in kernels:
            done, refused = repeat(getattr(kernel, name), calls, rng, number)
            print(f"{name}: {done} mutated calls of {len(calls)}, {refused} refused", flush=True)
            assert refused, f"{name} refuses nothing"
            if name in MOVIES:
                race(getattr(kernel, name), calls, MOVIES[name])


if __name__ == "__main__":
    main(int(sys.argv[1]), [load(path) for path in sys.argv[2:]])
