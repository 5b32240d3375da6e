"""Threads that wait for work: once started they serve every later call, as starting one takes as long as a small
network does.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence

WATCH_SECONDS = 0.05
"""How often the thread that waits for others looks after them."""

Work = Callable[[int, int], object]
"""A compiled function of an address and a thread's number."""


class _Worker:
    """A thread that sleeps until it is given something to do, and ends when it is woken without."""

    def __init__(self) -> None:
        self.task: tuple[Work, int, int] | None = None
        self.begun = self.ended = False
        self._asked, self._done = threading.Lock(), threading.Lock()
        self._asked.acquire()
        self._done.acquire()
        threading.Thread(target=self._serve, name="native engine", daemon=True).start()

    def _serve(self) -> None:
        while self._asked.acquire() and self.task:
            work, address, number = self.task
            work(address, number)
            del work  # code that nobody else holds is unloaded
            self.task = None
            self._done.release()

    def begin(self) -> None:
        """Do the task, if it is not begun."""
        if not self.begun:
            self.begun = True
            self._asked.release()

    def end(self) -> None:
        """End, if it sleeps."""
        self.task = None
        if not self.ended:
            self.ended = True
            self._asked.release()

    def ends(self) -> bool:
        """Whether the task ends soon."""
        return self._done.acquire(timeout=WATCH_SECONDS)


_idle: list[_Worker] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # a child process has the list, not the threads


def run(
    work: Work, address: int, threads: int, here: bool, watch: Callable[[], bool], stop: Callable[[], None]
) -> None:
    """Call `work(address, number)` for the numbers 0 to `threads` - 1, which wait for each other, until all are done.

    With `here` number 0 is this thread, which suits what is done before one could look. Otherwise `watch` is called
    now and then, and `stop` when that is False. Whatever is raised meanwhile, as by Ctrl-C, stops the work, too, and
    leaves this function when all threads are done.
    """
    team, entered = list[_Worker](), not here

    def enter() -> None:
        nonlocal entered
        if not entered:
            entered = True
            work(address, 0)

    try:
        for number in range(int(here), threads):
            team.append(_taken())
            team[-1].task, team[-1].begun = (work, address, number), False
        for worker in team:
            worker.begin()
        enter()
        for worker in team:
            ended = False
            while not ended:
                ended = worker.ends()
                if not ((ended and here) or watch()):
                    stop()
    except BaseException:
        while not _finished(team, stop, enter):
            pass
        raise
    _idle.extend(team)


def _taken() -> _Worker:
    with contextlib.suppress(IndexError):
        return _idle.pop()
    return _Worker()


def _finished(team: Sequence[_Worker], stop: Callable[[], None], enter: Callable[[], None]) -> bool:
    """Where some have begun, all must, for they wait for each other; their memory is not to be freed before all are
    done. None is used again: nobody knows where waiting for it was cut off. False where this is cut off, too, as by
    Ctrl-C pressed once more; what is done already is not done again.
    """
    with contextlib.suppress(BaseException):  # the first one is raised in the end
        stop()
        if any(worker.begun for worker in team):
            for worker in team:
                worker.begin()
            enter()
            while any(worker.task for worker in team):
                time.sleep(0.001)
        for worker in team:
            worker.end()
        return True
    return False
