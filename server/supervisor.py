"""Several worker processes under one supervisor, which starts them, replaces dead ones and stops them.

Workers are forks: a replacement is the same program with the same settings, whatever has happened to the files
since, and it is there in a fraction of the time that a new interpreter takes. A fork copies only the thread that
makes it, so the supervisor is one plain loop without an event loop, threads or connections.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, Protocol

import structlog

from server.parent_death import dies_with

log = structlog.get_logger(__name__)

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SIGNALS = (*_STOP_SIGNALS, signal.SIGCHLD)
_LOOK_SECONDS = 1.0
_MAX_DELAY_SECONDS = 4.0
"""New connections that the kernel dealt to a dead worker wait for the next one: not longer than clients do."""
_STEADY_SECONDS = 60.0
"""Whoever served for so long did not die of its start: the next one starts at once."""
_THREADS_END_SECONDS = 5.0


class Job(Protocol):
    """What the workers do, and what is done for them."""

    def work(self, number: int, is_ready: Callable[[], None]) -> int:
        """In the worker: work until SIGTERM, calling `is_ready` once it does; returns the exit status."""

    def all_ready(self) -> None:
        """In the supervisor, once: all workers are at work for the first time."""

    def look_after(self) -> None:
        """In the supervisor, every second."""

    def died(self, number: int) -> None:
        """In the supervisor: that worker is no more, and the next one has not been started."""

    def stopping(self) -> None:
        """In the supervisor, once: the workers are about to be told to stop."""


@dataclass(slots=True)
class _Worker:
    number: int
    pid: int = 0
    """0: it does not run."""
    ready_fd: int = -1
    """Where it says that it is ready."""
    is_ready: bool = False
    began: float = 0.0
    deaths: int = 0
    """In a row, none of them after a steady while."""
    due: float = 0.0
    """When the next one may start."""


class Supervisor:
    """Use it in the main thread: the kernel kills the workers with the thread that made them."""

    def __init__(self, job: Job, processes: int) -> None:
        self._job = job
        self._workers = [_Worker(number) for number in range(processes)]
        self._woken, self._wake = socket.socketpair()
        self._told_to_stop = False
        self._is_announced = False
        self._is_stopping = False
        self._status = 0
        self._looked = 0.0

    def run(self) -> int:
        """Keep the workers running until SIGTERM or SIGINT, then let them finish; a second signal ends all at once.

        One is started first, then the others. Returns the exit status: 0 after an orderly end, or that of a worker
        that could not start the first time.
        """
        self._listen_for_signals()
        gc.freeze()  # what is there now stays: collections in the workers then leave the pages shared
        try:
            self._start(self._workers[0])
            while not self._is_stopping or self._running():
                self._wait()
                self._hear_workers()
                self._reap()
                if self._told_to_stop:
                    self._stop()
                if not self._is_stopping:
                    self._start_those_due()
                self._look_after()
        finally:
            for worker in self._running():
                os.kill(worker.pid, signal.SIGKILL)
            self._listen_no_more()
        return self._status

    def _running(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.pid]

    def _listen_for_signals(self) -> None:
        for end in (self._woken, self._wake):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in _STOP_SIGNALS:
            signal.signal(number, self._hear_signal)

    def _listen_no_more(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        self._woken.close()
        self._wake.close()

    def _hear_signal(self, *_: object) -> None:
        self._told_to_stop = True
        for number in _STOP_SIGNALS:  # the second one ends us, and with us the kernel ends the workers
            signal.signal(number, signal.SIG_DFL)

    def _wait(self) -> None:
        """Until there may be something to do."""
        next_due = min((worker.due for worker in self._workers if not worker.pid), default=0.0)
        seconds = min(_LOOK_SECONDS, max(0.0, next_due - time.monotonic()) or _LOOK_SECONDS)
        pending = [worker.ready_fd for worker in self._workers if worker.ready_fd >= 0]
        select.select([self._woken.fileno(), *pending], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass

    def _hear_workers(self) -> None:
        pending = [worker for worker in self._workers if worker.ready_fd >= 0]
        readable = select.select([worker.ready_fd for worker in pending], [], [], 0)[0]
        for worker in pending:
            if worker.ready_fd in readable:
                worker.is_ready = bool(os.read(worker.ready_fd, 1))  # nothing: it died
                _close_ready(worker)
                if worker.is_ready:
                    log.info("worker serves", worker=worker.number, pid=worker.pid)

    def _reap(self) -> None:
        for worker in self._running():
            pid, wait_status = os.waitpid(worker.pid, os.WNOHANG)
            if pid:
                self._ended(worker, os.waitstatus_to_exitcode(wait_status))

    def _ended(self, worker: _Worker, exit_code: int) -> None:
        """`exit_code`: negative, the signal that killed it."""
        pid, worker.pid, worker.is_ready = worker.pid, 0, False
        _close_ready(worker)
        self._job.died(worker.number)
        if self._is_stopping or self._told_to_stop:
            if exit_code not in {0, -signal.SIGTERM}:  # SIGTERM: it had not begun to listen for it
                log.error("worker died while it stopped", worker=worker.number, pid=pid, exit_code=exit_code)
                self._status = self._status or 1
        elif not self._is_announced:
            if exit_code <= 0:  # else it said why
                log.error("worker died while it started", worker=worker.number, pid=pid, exit_code=exit_code)
            self._status = exit_code if exit_code > 0 else 1
            self._stop()
        else:
            delay = _put_off(worker)
            log.error(
                "worker died, starting another",
                worker=worker.number,
                pid=pid,
                exit_code=exit_code,
                delay_seconds=delay,
            )

    def _stop(self) -> None:
        if self._is_stopping:
            return
        self._is_stopping = True
        self._job.stopping()
        for worker in self._running():
            os.kill(worker.pid, signal.SIGTERM)

    def _start_those_due(self) -> None:
        if not self._is_announced and not self._workers[0].is_ready:
            return  # what is wrong with the configuration or with MongoDB is told once, by the first
        for worker in self._workers:
            if not worker.pid and worker.due <= time.monotonic():
                self._try_to_start(worker)
        if not self._is_announced and all(worker.is_ready for worker in self._workers):
            self._is_announced = True
            self._job.all_ready()

    def _look_after(self) -> None:
        if time.monotonic() - self._looked >= _LOOK_SECONDS:
            self._job.look_after()
            self._looked = time.monotonic()

    def _try_to_start(self, worker: _Worker) -> None:
        """A machine that has no room for another process just now must not cost those that run."""
        try:
            self._start(worker)
        except OSError as error:
            if not self._is_announced:
                raise
            delay = _put_off(worker)
            cause = str(error)
            log.error("worker cannot be started", worker=worker.number, cause=cause, delay_seconds=delay)

    def _start(self, worker: _Worker) -> None:
        _be_alone()
        worker.ready_fd, ready_end = os.pipe()
        worker.began = time.monotonic()
        arrange = dies_with(os.getpid(), signal.SIGKILL)
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal that came before the worker has forgotten our handlers would be lost in it.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            worker.pid = os.fork()
            if worker.pid == 0:
                if arrange is not None:
                    arrange()
                self._become_worker(worker.number, ready_end)
        except OSError:
            _close_ready(worker)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            os.close(ready_end)

    def _become_worker(self, number: int, ready_end: int) -> NoReturn:
        """Whatever happens in the worker, nothing of the supervisor's own ending is done by it."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            # Ctrl-C is for everyone in the terminal's group; the supervisor passes it on.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            for end in (self._woken, self._wake):
                end.close()
            for worker in self._workers:
                _close_ready(worker)
            status = self._job.work(number, lambda: _say_ready(ready_end))
        except BaseException:
            log.exception("worker failed", worker=number)
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)


def restart_delay(deaths: int) -> float:
    """Seconds to wait after so many deaths in a row: none at first, then more and more."""
    return 0.0 if deaths <= 1 else min(_MAX_DELAY_SECONDS, 0.25 * 2.0 ** min(deaths - 2, 10))


def _put_off(worker: _Worker) -> float:
    """Note a death; returns in how many seconds the next one may start."""
    steady = time.monotonic() - worker.began > _STEADY_SECONDS
    worker.deaths = 1 if steady else worker.deaths + 1
    delay = restart_delay(worker.deaths)
    worker.due = time.monotonic() + delay
    return delay


def _say_ready(ready_end: int) -> None:
    os.write(ready_end, b"1")
    os.close(ready_end)


def _close_ready(worker: _Worker) -> None:
    if worker.ready_fd >= 0:
        os.close(worker.ready_fd)
        worker.ready_fd = -1


def _be_alone() -> None:
    """Wait for threads that are about to end: MongoDB's driver, closed, leaves some for half a second. A fork would
    copy what they hold, and nobody would ever let go of it. Raises RuntimeError if there are others."""
    deadline = time.monotonic() + _THREADS_END_SECONDS
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
    if threading.active_count() > 1:
        raise RuntimeError(f"a supervisor has no threads: {threading.enumerate()}")
