"""Ctrl-C leaves nothing of a file, whatever a library does when it is pressed."""

import itertools
import signal
import threading

import h5py  # type: ignore[import-untyped]
import pytest
from zarr.storage import LocalStore

from dj_photon_codecs.arrays.exports.hdf5 import HDF5File
from dj_photon_codecs.arrays.exports.interrupts import Interrupts
from tests.arrays.exports.copies import exported
from tests.movies_at_hand import tree


@pytest.mark.parametrize("kind", ["hdf5", "nwb"])
def test_whenever_hdf5_writes_an_interrupt_is_not_lost(kind, movie, tmp_path, monkeypatch):
    write, writes = HDF5File.write, [0]

    def interrupted(file, content):
        writes[0] += 1
        if writes[0] == wanted:
            signal.raise_signal(signal.SIGINT)
        return write(file, content)

    monkeypatch.setattr(HDF5File, "write", interrupted)
    wanted = -1
    path = exported(movie, tmp_path, kind)
    number = writes[0]
    assert number > 3
    path.unlink()

    before = tree(tmp_path)
    # the last ones are those of closing, of which Python ignores exceptions
    for each in (1, number // 2, *range(number - 4, number + 1)):
        wanted, writes[0] = each, 0
        with pytest.raises(KeyboardInterrupt):
            exported(movie, tmp_path, kind)
        assert tree(tmp_path) == before
    assert h5py.is_hdf5(exported(movie, tmp_path, kind))


def test_zarr_does_not_write_on_after_an_interrupt(movie, tmp_path, noted):
    before = tree(tmp_path)
    main = threading.get_ident()
    pressed = itertools.count()

    def press(*_):
        if next(pressed) == 2:  # a chunk
            signal.pthread_kill(main, signal.SIGINT)

    noted(LocalStore, "set", press)

    with pytest.raises(KeyboardInterrupt):
        exported(movie, tmp_path, "ome-zarr")

    assert tree(tmp_path) == before


def test_a_second_interrupt_does_not_wait():
    after = []
    with pytest.raises(KeyboardInterrupt), Interrupts().waiting():  # noqa: PT012 - two of them
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
            after.append("went on")

    assert after == ["went on"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_other_threads_and_beside_other_handlers_nothing_changes(monkeypatch):
    def handler(*_): ...

    before = signal.signal(signal.SIGINT, handler)
    try:
        with Interrupts().waiting():
            assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)

    seen = []

    def elsewhere():
        with Interrupts().waiting():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
