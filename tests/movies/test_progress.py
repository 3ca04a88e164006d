"""What shows how far a task is, and that it harms nothing."""

import os
import pty
import signal
import subprocess
import sys
import termios
import time

import numpy as np
import pytest

from dj_photon_codecs import calibrate, export, set_progress
from dj_photon_codecs.calibration import frame_runs
from dj_photon_codecs.layouts.threads import in_threads
from dj_photon_codecs.movies.progress import VARIABLE, Progress, Task, advance
from dj_photon_codecs.storage.copying import copy_movie
from dj_photon_codecs.storage.files.movie_folder import MovieFolder
from tests.movies_at_hand import PLAIN, local_files, photon_counts, policy_of, store_movie

FRAMES = (250, 16, 16)


@pytest.fixture
def seen():
    """All that a callback gets, from the first part of a task on."""
    calls: list[Progress] = []
    set_progress(calls.append, after=0)
    yield calls
    set_progress("auto")


@pytest.fixture
def movie(tmp_path):
    return store_movie(photon_counts(FRAMES), local_files(), tmp_path / "movie.zarr")


def last_of(calls, task):
    (last,) = [call for call in calls if call.task == task and call.finished]
    return last


# ---------------------------------------------------------------------------- tasks


def test_an_insert_says_how_many_frames_and_bytes_it_read_and_wrote(seen, tmp_path):
    counts = photon_counts(FRAMES)
    store_movie(counts, local_files(), tmp_path / "movie.zarr")
    written = sum(file.stat().st_size for file in (tmp_path / "movie.zarr").glob("*.0.0"))

    last = last_of(seen, "insert")

    assert (last.frames, last.total) == (250, 250)
    assert (last.bytes_in, last.bytes_out) == (counts.nbytes, written)
    assert last.ratio == counts.nbytes / written
    assert last.rate == pytest.approx(counts.nbytes / 1e6 / last.seconds)
    assert last.seconds_left == 0


def test_a_copy_an_export_and_a_verification_do_so_too(seen, movie, tmp_path):
    raw_bytes, stored = movie.raw[:].nbytes, last_of(seen, "insert").bytes_out
    seen.clear()

    for number, policy in enumerate([policy_of(PLAIN), policy_of(PLAIN, frames_per_chunk=60)]):
        folder = MovieFolder(local_files(), f"{tmp_path}/{number}.zarr")
        copy_movie(movie.movie_store, policy, folder=folder)
    export(movie, tmp_path / "movie.tif")
    movie.verify()

    assert {call.task for call in seen} == {"insert", "export", "verify"}
    as_it_is, in_other_chunks = (each for each in seen if each.task == "insert" and each.finished)
    assert (as_it_is.bytes_in, as_it_is.bytes_out) == (raw_bytes, stored)
    assert in_other_chunks.bytes_in == raw_bytes
    assert last_of(seen, "export").bytes_in == raw_bytes
    assert last_of(seen, "export").ratio is None
    assert last_of(seen, "verify").bytes_in == stored


def test_a_calibration_does_so_too_also_where_it_reads_a_part_of_the_movie(seen, monkeypatch):
    flat = photon_counts((200, 32, 32))

    for parts in (1, 2):
        monkeypatch.setattr(frame_runs, "ENOUGH", flat.size // parts)
        monkeypatch.setattr(frame_runs, "SLAB_BYTES", flat.nbytes // 20)
        with pytest.raises(ValueError, match="brightness"):  # when all is read
            calibrate(flat)

    whole, part = (call for call in seen if call.finished)
    assert (whole.task, whole.frames, whole.bytes_in) == ("calibrate", 200, flat.nbytes)
    assert (part.task, part.frames, part.bytes_in) == ("calibrate", 200, flat.nbytes // 2)


def test_what_takes_less_than_two_seconds_shows_nothing(tmp_path):
    calls: list[Progress] = []
    set_progress(calls.append)
    try:
        store_movie(photon_counts(FRAMES), local_files(), tmp_path / "movie.zarr")
    finally:
        set_progress("auto")
    assert not calls


def test_the_time_left_is_that_of_the_rest(seen):
    with Task("insert", (100, 8, 8)) as task:
        time.sleep(0.05)
        task.advance(25)

    assert seen[0].seconds_left == 3 * seen[0].seconds >= 0.15


def test_a_callback_is_called_ten_times_a_second_at_most(seen):
    with Task("insert", (1000, 8, 8)) as task:
        for _ in range(1000):
            task.advance(1)

    assert [call.frames for call in seen] == [1, 1000]


def test_a_slow_callback_takes_a_tenth_of_the_time():
    calls: list[Progress] = []

    def slow(progress):
        calls.append(progress)
        time.sleep(0.1)

    set_progress(slow, after=0)
    with Task("insert", (30, 8, 8)) as task:
        for _ in range(30):
            time.sleep(0.01)
            task.advance(1)
    set_progress("auto")

    assert len(calls) <= 2 + calls[-1].seconds  # with 0.1 seconds each


# ---------------------------------------------------------------------------- tasks in tasks


def test_a_task_within_another_one_is_a_part_of_it_also_in_threads(seen, tmp_path):
    counts = photon_counts(FRAMES)

    with Task("migrate", (1000,)):
        in_threads(
            lambda n: store_movie(counts, local_files(), tmp_path / f"{n}.zarr"), range(4), most=4
        )

    assert {call.task for call in seen} == {"migrate"}
    assert last_of(seen, "migrate").frames == 1000
    assert last_of(seen, "migrate").bytes_in == 4 * counts.nbytes  # without the pass that checks


def count_a_thousand(_):
    for _ in range(1000):
        advance(1)


def test_parts_that_several_threads_report_are_all_counted(seen):
    with Task("insert", (8000, 1), itemsize=1):
        in_threads(count_a_thousand, range(8), most=8)

    assert last_of(seen, "insert").bytes_in == 8000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_shows_nothing_and_does_not_wait_for_a_lock_of_its_parent(seen):
    with Task("migrate", (100,)) as task, task._counting:
        child = os.fork()
        if child == 0:
            with Task("insert", (100,)) as inner:
                inner.advance(100)
            os._exit(len(seen))
        deadline = time.monotonic() + 20
        while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.01)
        if ended == (0, 0):
            os.kill(child, signal.SIGKILL)

    assert ended == (child, 0)


# ---------------------------------------------------------------------------- callbacks that fail


def test_an_error_in_the_callback_is_logged_once_and_spoils_no_movie(tmp_path, caplog):
    calls = []

    def fail(progress):
        calls.append(progress)
        raise ZeroDivisionError("of the callback")

    set_progress(fail, after=0)
    try:
        counts = photon_counts(FRAMES)
        movie = store_movie(counts, local_files(), tmp_path / "movie.zarr")
    finally:
        set_progress("auto")

    assert np.array_equal(movie.raw[:], counts)
    assert [call.task for call in calls] == ["check", "insert"]
    assert "the progress of 'insert' is shown no more" in caplog.messages
    assert "of the callback" in caplog.text


@pytest.mark.parametrize("finished", [False, True])
def test_an_interrupt_from_the_callback_ends_an_insert_which_leaves_nothing(tmp_path, finished):
    def interrupt(progress):
        if progress.task == "insert" and progress.finished == finished:
            raise KeyboardInterrupt

    set_progress(interrupt, after=0)
    try:
        with pytest.raises(KeyboardInterrupt):
            store_movie(photon_counts(FRAMES), local_files(), tmp_path / "movie.zarr")
    finally:
        set_progress("auto")

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("callback", ["tqdm", 3, ["auto"]])
def test_what_is_no_callback_is_refused(callback):
    with pytest.raises(TypeError, match="it must be a function that takes a Progress, 'auto'"):
        set_progress(callback)


@pytest.mark.parametrize("after", [-1, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(after):
    with pytest.raises(ValueError, match="a number of seconds of 0 or more"):
        set_progress("auto", after=after)


# ---------------------------------------------------------------------------- the bar

PROGRAM = """
import threading
from dj_photon_codecs import set_progress
from dj_photon_codecs.movies.progress import Task

set_progress("auto", after=0)
with Task("insert", (200, 500, 100), itemsize=2) as task:
    task.advance(50, bytes_out=1_000_000)
assert threading.active_count() == 1
"""


def shown_in_a_terminal(program, **environment):
    """Run a program whose standard error is a terminal, and return what it wrote there."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 120))
    try:
        command = [sys.executable, "-W", "error", "-c", program]
        subprocess.run(command, check=True, stderr=its, env=os.environ | environment)
        os.set_blocking(ours, False)
        try:
            return os.read(ours, 1 << 16).decode()
        except BlockingIOError:
            return ""
    finally:
        os.close(ours)
        os.close(its)


def test_a_terminal_shows_a_bar_unless_the_environment_says_off():
    shown = shown_in_a_terminal(PROGRAM)

    assert "insert:  25%" in shown
    assert "50/200 frames" in shown
    assert "MB/s, 5.0 times smaller" in shown
    assert "insert: 100%" in shown
    assert shown_in_a_terminal(PROGRAM, **{VARIABLE: "off"}) == ""


def test_a_pipe_shows_nothing():
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    run = subprocess.run(command, check=True, capture_output=True, text=True)

    assert (run.stdout, run.stderr) == ("", "")
