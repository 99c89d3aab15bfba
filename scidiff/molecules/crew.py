"""Work on many records in other processes, so that one that hangs or crashes RDKit costs one record, not the run.

Each process is a fresh interpreter fed over pipes (it works alike from a script, a notebook or a program that holds a
GPU, and never runs the caller's main module again). Records go out in chunks and answers come back one by one, so that
it is known which of them a process died on. A record that takes longer than `patience` seconds is given up and its
process killed; one whose process dies is tried once more in a new one, then given up.
"""

import importlib
import logging
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from queue import SimpleQueue
from typing import Any

_CHUNK = 16  # records sent at once: one at a time, a busy machine spends longer on switching than on working
_AHEAD = 4  # chunks in flight for each process


@dataclass(frozen=True)
class Job:
    """What is done with each record.

    Attributes:
        name: of a function `(record, setup) -> answer`, as "package.module:function".
        setup: its second argument.
        failed: `(record, what) -> answer` for a record that was given up; `what` is as "took longer than 5 s".
        patience: seconds a single record may take.
    """

    name: str
    setup: Any
    failed: Callable[[Any, str], Any]
    patience: float = 60.0

    @property
    def function(self) -> Callable[[Any, Any], Any]:
        """The function itself."""
        return _function(self.name)


def work(job: Job, records: Iterable[Any], processes: int = 1) -> Iterator[Any]:
    """The answers to the records in order, reading only a little ahead.

    Args:
        processes: how many work; 0 works in this one, without any guard.

    Raises:
        RuntimeError: a process cannot be started.
    """
    if processes == 0:
        return (job.function(record, job.setup) for record in records)
    return _in_processes(_chunks(records), [Worker(job) for _ in range(processes)])


def _in_processes(chunks: Iterable[list], workers: list["Worker"]) -> Iterator[Any]:
    idle: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def task(chunk: list) -> list:
        worker = idle.get()
        try:
            return worker.work(chunk)
        finally:
            idle.put(worker)

    threads = ThreadPoolExecutor(len(workers))
    waiting: deque[Future[list]] = deque()
    try:
        for chunk in chunks:
            waiting.append(threads.submit(task, chunk))
            if len(waiting) >= _AHEAD * len(workers):
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
        for worker in workers:
            worker.close()
        threads.shutdown()


def _chunks(records: Iterable[Any]) -> Iterator[list]:
    records = iter(records)
    while chunk := list(islice(records, _CHUNK)):
        yield chunk


class Died(Exception):
    """The process ended before it answered."""


class Worker:
    """One process, replaced when it dies."""

    def __init__(self, job: Job) -> None:
        """Nothing is started before the first record comes."""
        self._job = job
        self._process: subprocess.Popen | None = None
        self._closed = False

    def work(self, chunk: list) -> list:
        """The answer to each record, or what the job says of one that hung or killed the process.

        Raises:
            RuntimeError: the process cannot be started.
        """
        done: list = []
        suspect = -1
        while len(done) < len(chunk):
            late = threading.Event()
            try:
                for answer in self._ask(chunk[len(done) :], late):
                    done.append(answer)
            except Died:
                self._discard()
                if late.is_set():
                    done.append(self._job.failed(chunk[len(done)], f"took longer than {self._job.patience:g} s"))
                elif suspect == len(done):
                    done.append(self._job.failed(chunk[suspect], "crashed"))
                else:
                    suspect = len(done)
        return done

    def close(self) -> None:
        """End the process, and start no other."""
        self._closed = True
        self._discard()

    def _ask(self, chunk: list, late: threading.Event) -> Iterator[Any]:
        process = self._running()

        def give_up() -> None:
            late.set()
            process.kill()

        for place in range(len(chunk)):
            timer = threading.Timer(self._job.patience, give_up)
            timer.daemon = True
            timer.start()
            try:
                if place == 0:
                    _send(process, chunk)
                yield _receive(process)
            finally:
                timer.cancel()

    def _running(self) -> subprocess.Popen:
        if self._closed:
            raise RuntimeError("The working process was closed.")
        if self._process is None:
            self._process = _start(self._job)
        return self._process

    def _discard(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):  # what was not yet written to a dead process
                    pipe.close()


def _start(job: Job) -> subprocess.Popen:
    """A process that has said it is ready."""
    words = f"from {__name__} import serve; serve()"
    path = os.pathsep.join(entry for entry in sys.path if entry)  # it must find what this process has found
    one_core = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [sys.executable, "-c", words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=os.environ | one_core | {"PYTHONPATH": path},
        )
        try:
            _send(process, (job.name, job.setup))
            _receive(process)
        except Died:
            process.wait()
            complaints.seek(0)
            last = complaints.read().decode(errors="replace").strip().splitlines()[-1:]
            raise RuntimeError(f"A working process could not start: {' '.join(last) or 'no reason given'}") from None
    return process


def serve() -> None:
    """The other end: read a job from standard input, then lists of records; write an answer to each record."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not garble the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    logging.disable(logging.CRITICAL)
    name, setup = pickle.load(sys.stdin.buffer)
    function = _function(name)
    _write(answers, "ready")
    while True:
        try:
            chunk = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        for record in chunk:
            _write(answers, function(record, setup))


def _function(name: str) -> Callable[[Any, Any], Any]:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _send(process: subprocess.Popen, message: object) -> None:
    """Write one message.

    Raises:
        Died: the process ended.
    """
    try:
        _write(process.stdin, message)
    except (OSError, ValueError) as error:  # ValueError: the pipe was closed meanwhile
        raise Died from error


def _receive(process: subprocess.Popen) -> Any:
    """Wait for one answer.

    Raises:
        Died: the process ended.
    """
    try:
        return pickle.load(process.stdout)
    except (EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        raise Died from error


def _write(file: Any, message: object) -> None:
    pickle.dump(message, file, protocol=pickle.HIGHEST_PROTOCOL)
    file.flush()
