"""Threads that are started once and wait for work, and what a small prediction is spared."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from tests.models.helpers import environment

from layerscope.engine.native import compiled, driver, sizing, workers
from layerscope.engine.native.engine import SETTINGS, NativeEngine
from layerscope.layers import Conv2D, Dense, Flatten, GlobalAveragePooling2D, Input, MaxPooling2D
from layerscope.models import Sequential

AT_ONCE = 60
"""Seconds after which something hangs."""


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch):
    monkeypatch.setattr(workers, "_idle", [])


@pytest.fixture
def started(monkeypatch):
    """The threads that the engine starts."""
    found = []

    class Thread(threading.Thread):
        def start(self):
            found.append(self)
            super().start()

    monkeypatch.setattr(workers.threading, "Thread", Thread)
    return found


def small(threads=2):
    model = Sequential([Input((6, 6, 2)), Conv2D(3, 3, activation="relu"), Flatten(), Dense(2)])
    model.compile("sgd", "mse", engine="native", threads=threads)
    return model


class Together:
    """Work in which all threads must meet; who came, by number."""

    def __init__(self, threads):
        self.barrier, self.came, self.stopped = threading.Barrier(threads), {}, []

    def __call__(self, address, number):
        assert address == 7
        self.came[number] = threading.get_ident()
        self.barrier.wait(20)
        while not self.stopped and self.stops:
            time.sleep(0.001)

    stops = False


@pytest.mark.parametrize("here", [False, True])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_all_work_together(here, threads, started):
    for _ in range(3):
        work = Together(threads)
        workers.run(work, 7, threads, here, lambda: True, lambda: None)
        assert sorted(work.came) == list(range(threads))
        assert len(set(work.came.values())) == threads
        assert (work.came[0] == threading.get_ident()) is here
    assert len(started) == threads - here  # once


def test_who_waits_may_stop_the_work():
    work, asks = Together(3), []
    work.stops = True

    def watch():
        asks.append(len(work.came))
        return False

    workers.run(work, 7, 3, False, watch, lambda: work.stopped.append(1))
    assert asks
    assert work.stopped


@pytest.mark.parametrize("here", [False, True])
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_ctrl_c_while_threads_are_woken(here, after, times, monkeypatch, started):
    """Some wait for the others already, or none: all end, and nobody is used again, however often it is pressed."""
    woken, begin, work = [], workers._Worker.begin, Together(4)

    def pressed(worker):
        woken.append(worker)
        if after < len(woken) <= after + times:
            raise KeyboardInterrupt
        begin(worker)

    monkeypatch.setattr(workers._Worker, "begin", pressed)
    with pytest.raises(KeyboardInterrupt):
        workers.run(work, 7, 4, here, lambda: True, lambda: work.stopped.append(1))
    assert work.stopped == [1] * (times if after else 1)
    assert sorted(work.came) == ([0, 1, 2, 3] if after else [])
    assert workers._idle == []
    for thread in started:
        thread.join(AT_ONCE)
        assert not thread.is_alive()
    again = Together(4)
    monkeypatch.setattr(workers._Worker, "begin", begin)
    workers.run(again, 7, 4, here, lambda: True, lambda: None)
    assert len(again.came) == 4


def test_ctrl_c_once_more_while_the_calling_thread_works(monkeypatch):
    """Pressed before it works along, and again while it does: the others are waited for."""
    begin, pressed, ended, work = workers._Worker.begin, [], [], Together(3)

    def once(worker):
        begin(worker)
        if not pressed:
            pressed.append(worker)
            raise KeyboardInterrupt

    def slow(address, number):
        work(address, number)
        if number == 0:
            raise KeyboardInterrupt
        time.sleep(0.05)
        ended.append(number)

    monkeypatch.setattr(workers._Worker, "begin", once)
    with pytest.raises(KeyboardInterrupt):
        workers.run(slow, 7, 3, True, lambda: True, lambda: None)
    assert sorted(ended) == [1, 2]


def test_what_is_raised_comes_out_when_all_are_done(started):
    work, ended = Together(2), []
    work.stops = True

    def slow(address, number):
        work(address, number)
        time.sleep(0.05)
        ended.append(number)

    def watch():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        workers.run(slow, 7, 2, False, watch, lambda: work.stopped.append(1))
    assert sorted(ended) == [0, 1]
    for thread in started:  # they do not stay
        thread.join(AT_ONCE)
        assert not thread.is_alive()


def test_calls_at_the_same_time_have_threads_of_their_own(started):
    """Two callers, who wait for each other in their work."""
    both = threading.Barrier(2)

    def work(address, number):
        if number == 0:
            both.wait(20)

    def call():
        workers.run(work, 7, 2, True, lambda: True, lambda: None)

    callers = [threading.Thread(target=call) for _ in range(2)]
    del started[:]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(AT_ONCE)
    assert len({id(worker) for worker in workers._idle}) == 2


def test_a_model_starts_threads_once(started):
    model, x = small(), np.random.default_rng(0).random((64, 6, 6, 2), np.float32)
    first = model.predict(x)
    assert len(started) == 2
    model.fit(x, first, epochs=3, batch_size=32, verbose=0)
    model.predict(x)
    assert len(started) == 2


def test_a_short_call_is_done_by_who_asks(monkeypatch):
    """Once it is known to be short; a long one never, for one looks after it."""
    asked, run = [], workers.run
    monkeypatch.setattr(workers, "run", lambda *given: (asked.append(given[2:4]), run(*given)))
    model, x = small(), np.random.default_rng(0).random((64, 6, 6, 2), np.float32)
    first = model.predict(x)
    assert np.array_equal(model.predict(x), first)
    (code,) = model._job.__dict__["_native"].values()
    assert 0 < code.pace < 1
    code.pace = 1.0
    assert np.array_equal(model.predict(x), first)
    assert np.array_equal(model.predict(x[:1]), first[:1])
    code.pace = 1.0
    model.predict(x[:1])
    assert asked == [(2, False), (2, True), (2, False), (1, True), (1, False)]


def test_the_pace_of_a_part_of_an_epoch():
    """Batches 2 and 3 of 10 examples in fours are 2."""
    job = np.zeros(driver.POINTERS, np.int64)
    for word, value in ((driver.COUNT, 10), (driver.BATCH, 4), (driver.FIRST, 2), (driver.END, 4)):
        job[word] = value
    assert compiled._examples(job) == 2


def test_a_child_process_has_threads_of_its_own():
    script = """
import os
import numpy as np
from layerscope.layers import Dense, Input
from layerscope.models import Sequential
model = Sequential([Input((3,)), Dense(2)])
model.compile("sgd", "mse", engine="native", threads=2)
x = np.ones((99, 3))
first = model.predict(x)
child = os.fork()
if not child:
    os._exit(0 if np.array_equal(model.predict(x), first) else 1)
assert os.waitpid(child, 0)[1] == 0
assert np.array_equal(model.predict(x), first)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=AT_ONCE, env=environment())


def test_what_the_last_call_found_serves_the_next(monkeypatch):
    """Unless something is different: types, number of examples, threads, target, settings, twins."""
    asked, coded = [], NativeEngine._coded
    monkeypatch.setattr(
        NativeEngine, "_coded", lambda self, *given: (asked.append(given[2:]), coded(self, *given))[1]
    )
    model, x = small(), np.random.default_rng(0).random((9, 6, 6, 2), np.float32)
    y = np.zeros((9, 2), np.float32)

    def calls(work):
        del asked[:]
        work()
        work()
        return len(asked)

    wanted = model.predict(x)
    assert calls(lambda: model.predict(x.copy())) == 0
    assert calls(lambda: model.predict(x[:8])) == 1
    assert calls(lambda: model.predict(x.astype(np.float64))) == 1
    assert calls(lambda: model.fit(x, y, verbose=0)) == 1
    assert calls(lambda: model.predict(x)) == 1
    assert calls(lambda: model.fit(x, y, verbose=0)) == 0  # each program has its own
    monkeypatch.setenv("LAYERSCOPE_TARGET", "plain")
    assert calls(lambda: model.predict(x)) == 1
    monkeypatch.setitem(SETTINGS, "sums", 4)
    assert calls(lambda: model.predict(x)) == 1
    assert wanted.shape == (9, 2)


def test_batches_of_a_few_small_images():
    """16 strips an image take longer than 4: the last pool, and all behind it, is whole in every lane."""
    stack = [Input((32, 32, 3))]
    for filters in (32, 64):
        stack += [Conv2D(filters, 3, padding="same", activation="relu"), MaxPooling2D(2)]
    model = Sequential([*stack, GlobalAveragePooling2D(), Dense(10, activation="softmax")])
    model.compile("sgd", "mse", engine="reference")
    found = {}
    for batch in (1, 3, 256):
        choice = sizing.Choice(model._job.inference, 64)
        choice.made.update({16} if batch == 256 else ())
        found[batch] = choice.best((1, 4, 16), batch, 16, 2)
    assert found == {1: 16, 3: 4, 256: 1}
