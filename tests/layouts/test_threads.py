"""One pool, one limit: it holds in any nesting, after an error, and after a fork."""

import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numcodecs import blosc

import dj_photon_codecs
from dj_photon_codecs.layouts.threads import (
    VARIABLE,
    WAITING,
    in_background,
    in_threads,
    processors_for,
    set_threads,
    thread_limit,
    usable_processors,
)


@pytest.fixture(autouse=True)
def _no_limit(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    set_threads(None)
    yield
    monkeypatch.delenv(VARIABLE, raising=False)
    set_threads(None)


class Watch:
    """Counts how many calls run at the same time, and in which threads."""

    def __init__(self):
        self.lock, self.running, self.most, self.names = threading.Lock(), 0, 0, set()

    def __call__(self, item):
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
            self.names.add(threading.current_thread().name)
        time.sleep(0.005)
        with self.lock:
            self.running -= 1
        return item


# ---------------------------------------------------------------------------- results


@pytest.mark.parametrize("number", [0, 1, 2, 50])
def test_results_are_in_the_order_of_the_items(number):
    set_threads(4)
    assert in_threads(lambda n: n * n, range(number), most=4) == [n * n for n in range(number)]


def test_as_many_calls_run_at_once_as_were_asked_for():
    watch = Watch()
    in_threads(watch, range(20), most=3)
    assert watch.most == 3


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_no_more_threads_run_than_the_limit_says(limit):
    set_threads(limit)
    watch = Watch()

    def nested(_):
        return in_threads(watch, range(4), most=WAITING)

    in_threads(nested, range(10), most=WAITING)
    assert watch.most <= limit
    assert len(watch.names) <= limit


def test_callers_in_several_threads_share_the_pool():
    set_threads(3)
    watch = Watch()
    callers = [
        threading.Thread(target=in_threads, args=(watch, range(10)), kwargs={"most": 3})
        for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len({name for name in watch.names if name.startswith("photon")}) <= 3


def test_a_call_in_a_call_runs_in_the_same_thread():
    def name(_):
        return threading.current_thread().name

    def nested(item):
        return {name(item), *in_threads(name, range(8), most=8)}

    assert all(len(names) == 1 for names in in_threads(nested, range(8), most=8))


def test_a_thread_of_the_pool_may_wait_for_a_call_in_another_thread():
    # as Zarr's threads do, whose filters may call the pool again
    set_threads(2)
    with ThreadPoolExecutor(4) as others:

        def wait(item):
            return others.submit(in_threads, abs, [-item, -1, -2]).result(timeout=30)

        assert in_threads(wait, range(8)) == [[n, 1, 2] for n in range(8)]


# ---------------------------------------------------------------------------- in the background


def background(function):
    result = in_background(function)
    assert result is not None
    return result


def test_a_call_in_the_background_is_in_another_thread_and_is_forgotten():
    set_threads(2)
    began, call = threading.Event(), Watch()

    def wait():
        began.set()
        return call(7)

    known = weakref.ref(wait)
    result = background(wait)
    assert began.wait(30)
    assert (result(), result()) == (7, 7)
    assert {name.split("_")[0] for name in call.names} == {"photon"}
    del wait
    assert known() is None


def test_a_result_of_the_background_is_gone_with_what_waits_for_it():
    set_threads(2)
    result = background(lambda: np.zeros(3))
    known = weakref.ref(result())

    gc.disable()
    del result
    end = time.monotonic() + 10
    while known() is not None and time.monotonic() < end:  # for the thread to leave its call
        time.sleep(0.001)
    gc.enable()
    assert known() is None


def test_a_call_with_which_no_thread_has_begun_is_made_by_who_waits_for_it():
    set_threads(2)
    go, call = threading.Event(), Watch()
    busy = [background(lambda: go.wait(30)) for _ in range(2)]
    result = background(lambda: call(7))

    assert result() == 7
    assert call.names == {threading.current_thread().name}
    go.set()
    assert [wait() for wait in busy] == [True, True]


def test_an_error_in_the_background_is_raised_where_its_result_is_asked_for():
    set_threads(2)

    def fail():
        raise OSError("disk")

    result = background(fail)
    for _ in range(2):
        with pytest.raises(OSError, match="disk"):
            result()


def test_there_is_no_background_where_there_may_be_no_other_thread():
    set_threads(1)
    assert in_background(int) is None
    set_threads(2)
    assert in_threads(lambda _: in_background(int), range(3)) == [None] * 3


# ---------------------------------------------------------------------------- errors


def test_the_first_error_is_raised_when_all_calls_are_over():
    running, lock = [0], threading.Lock()

    def fail(item):
        with lock:
            running[0] += 1
        time.sleep(0.01 * (item == 1))
        with lock:
            running[0] -= 1
        if item in (1, 2):
            raise ValueError(f"item {item}")
        return item

    with pytest.raises(ValueError, match="item 1"):
        in_threads(fail, range(1, 100), most=2)
    assert running == [0]


def test_no_call_begins_after_an_error():
    calls = []

    def fail(item):
        calls.append(item)
        time.sleep(0.001)
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        in_threads(fail, range(1000), most=4)
    assert len(calls) <= 4


@pytest.mark.slow
def test_an_interrupt_waits_for_the_calls_that_began():
    program = """
import _thread, sys, threading, time
from dj_photon_codecs.layouts.threads import in_threads
begun, over, began = [], [], threading.Event()
def call(item):
    begun.append(item)
    began.set()
    time.sleep(.3)
    over.append(item)
threading.Thread(target=lambda: (began.wait(), _thread.interrupt_main())).start()
try:
    in_threads(call, range(100), most=3)
except KeyboardInterrupt:
    before = sorted(over)
    time.sleep(.5)
    print(before == sorted(over) == sorted(begun), 1 <= len(before) < 100)
"""
    assert run(program) == "True True"


# ---------------------------------------------------------------------------- the limit


def test_the_limit_is_that_of_the_function_then_of_the_variable(monkeypatch):
    assert thread_limit() == max(WAITING, usable_processors())
    monkeypatch.setenv(VARIABLE, "3")
    assert thread_limit() == 3
    set_threads(np.int64(1))
    assert thread_limit() == usable_processors() == processors_for(1 << 30) == 1
    set_threads(None)
    assert thread_limit() == 3


def test_the_function_is_public():
    assert dj_photon_codecs.set_threads is set_threads


@pytest.mark.parametrize("text", ["0", "-2", "two", "1.5", "²"])
def test_a_variable_that_is_no_number_is_an_error(monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ValueError, match=f"DJ_PHOTON_THREADS is '{text}'; it must be a whole"):
        in_threads(abs, [1, 2])


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_variable_is_none(monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)
    assert thread_limit() >= WAITING


@pytest.mark.parametrize("number", [0, -1])
def test_no_threads_are_refused(number):
    with pytest.raises(ValueError, match=f"the number of threads is {number}; it must be 1 or"):
        set_threads(number)


@pytest.mark.parametrize("number", [1.5, "2", True, [2]])
def test_what_is_no_number_is_refused(number):
    with pytest.raises(TypeError, match=r"the number of threads is .*; it must be a whole number"):
        set_threads(number)


def test_blosc_keeps_the_limit_and_gets_its_threads_back():
    before = blosc.get_nthreads()
    blosc.set_nthreads(4)
    set_threads(2)
    assert blosc.get_nthreads() == 2
    set_threads(8)
    assert blosc.get_nthreads() == 4
    set_threads(None)
    assert blosc.get_nthreads() == 4
    blosc.set_nthreads(before)


def test_small_chunks_are_not_worth_threads():
    assert processors_for(1000) == 1
    assert processors_for(1 << 30) == usable_processors()


# ---------------------------------------------------------------------------- processes


def run(program, *options):
    command = [sys.executable, "-W", "error", *options, "-c", program]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return ran.stdout.strip()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_forked_while_threads_run_has_threads_of_its_own():
    program = """
import os, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of the fork beside threads
from dj_photon_codecs.layouts.threads import in_threads, set_threads, thread_limit
set_threads(3)
ended = threading.Event()
def busy():
    while not ended.is_set():
        in_threads(lambda n: time.sleep(.0002), range(30))
others = [threading.Thread(target=busy) for _ in range(3)]
for other in others:
    other.start()
bad = 0
for _ in range(40):
    child = os.fork()
    if child == 0:
        same = in_threads(abs, range(50)) == list(range(50)) and thread_limit() == 3
        grandchild = os.fork()
        if grandchild == 0:
            os._exit(in_threads(abs, [-1, -2]) != [1, 2])
        os._exit(not same or os.waitpid(grandchild, 0)[1])
    bad += os.waitpid(child, 0)[1] != 0
ended.set()
for other in others:
    other.join()
print(bad, in_threads(abs, [-1, -2]))
"""
    assert run(program) == "0 [1, 2]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_an_idle_pool_is_gone_at_a_fork():
    # Python 3.12 and later warn of a fork beside threads, and warnings are errors here
    program = """
import os, threading
from dj_photon_codecs.layouts.threads import in_threads, set_threads
set_threads(4)
in_threads(abs, range(100))
child = os.fork()
if child == 0:
    os._exit(in_threads(abs, [-1, -2]) != [1, 2])
print(os.waitpid(child, 0)[1], threading.active_count(), in_threads(abs, [-1, -2]))
"""
    assert run(program) == "0 1 [1, 2]"


def test_calls_at_the_end_of_the_interpreter_run_in_their_own_thread():
    program = """
import atexit
from dj_photon_codecs.layouts.threads import in_threads
in_threads(abs, [1, 2])
atexit.register(lambda: print(in_threads(abs, [-1, -2, -3])))
"""
    assert run(program) == "[1, 2, 3]"
