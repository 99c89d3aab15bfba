"""Judging many records in other processes, so that one that hangs or crashes RDKit costs one record, not the run.

Each process is a fresh interpreter fed over pipes (it works alike from a script, a notebook or a program that holds a
GPU, and never runs the caller's main module again). Records go out in chunks and come back one by one, so that it is
known which of them a process died on. A record that takes longer than `patience` seconds is given up and its process
killed; one whose process dies is tried once more in a new one, then given up. Records given up count as failed.
"""

import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from queue import SimpleQueue

from scidiff.molecules.evaluate.judge import judge, lean, unjudged
from scidiff.molecules.evaluate.judgement import Judgement

PATIENCE = 60.0
_CHUNK = 16  # records sent at once: one at a time, a busy machine spends longer on switching than on judging
_AHEAD = 4  # chunks in flight for each process


def judge_all(
    records: Iterable[object], protocols: tuple[str, ...], processes: int = 1, patience: float = PATIENCE
) -> Iterator[Judgement]:
    """Judge records in order, reading only a little ahead.

    Args:
        records: Molecules, and whatever stands for records that could not be read.
        protocols: names from `PROTOCOLS`.
        processes: how many processes judge; 0 judges in this one, without any guard.
        patience: seconds a single record may take.

    Raises:
        RuntimeError: a process cannot be started.
    """
    if processes == 0:
        return (judge(record, protocols) for record in records)
    return _in_processes(_chunks(records), [Worker(protocols, patience) for _ in range(processes)])


def _in_processes(chunks: Iterable[list], workers: list["Worker"]) -> Iterator[Judgement]:
    idle: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def task(chunk: list) -> list[Judgement]:
        worker = idle.get()
        try:
            return worker.judge(chunk)
        finally:
            idle.put(worker)

    threads = ThreadPoolExecutor(len(workers))
    waiting: deque[Future[list[Judgement]]] = deque()
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


def _chunks(records: Iterable[object]) -> Iterator[list]:
    records = iter(records)
    while chunk := [lean(record) for record in islice(records, _CHUNK)]:
        yield chunk


class Died(Exception):
    """The process ended before it answered."""


class Worker:
    """One judging process, replaced when it dies."""

    def __init__(self, protocols: tuple[str, ...], patience: float) -> None:
        """Nothing is started before the first record comes."""
        self._protocols, self._patience = protocols, patience
        self._process: subprocess.Popen | None = None
        self._closed = False

    def judge(self, chunk: list) -> list[Judgement]:
        """A judgement of each record: what was found, or that it hung or killed the process.

        Raises:
            RuntimeError: the process cannot be started.
        """
        done: list[Judgement] = []
        suspect = -1
        while len(done) < len(chunk):
            late = threading.Event()
            try:
                for judgement in self._ask(chunk[len(done) :], late):
                    done.append(judgement)
            except Died:
                self._discard()
                if late.is_set():
                    done.append(unjudged(chunk[len(done)], f"judging it took longer than {self._patience:g} s"))
                elif suspect == len(done):
                    done.append(unjudged(chunk[suspect], "judging it crashed"))
                else:
                    suspect = len(done)
        return done

    def close(self) -> None:
        """End the process, and start no other."""
        self._closed = True
        self._discard()

    def _ask(self, chunk: list, late: threading.Event) -> Iterator[Judgement]:
        process = self._running()

        def give_up() -> None:
            late.set()
            process.kill()

        for place in range(len(chunk)):
            timer = threading.Timer(self._patience, give_up)
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
            raise RuntimeError("The judging process was closed.")
        if self._process is None:
            self._process = _start(self._protocols)
        return self._process

    def _discard(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):  # what was not yet written to a dead process
                    pipe.close()


def _start(protocols: tuple[str, ...]) -> subprocess.Popen:
    """A process that has said it is ready."""
    words = "from scidiff.molecules.evaluate.worker import serve; serve()"
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
            _send(process, protocols)
            _receive(process)
        except Died:
            process.wait()
            complaints.seek(0)
            last = complaints.read().decode(errors="replace").strip().splitlines()[-1:]
            raise RuntimeError(f"A judging process could not start: {' '.join(last) or 'no reason given'}") from None
    return process


def _send(process: subprocess.Popen, message: object) -> None:
    """Write one message.

    Raises:
        Died: the process ended.
    """
    try:
        pickle.dump(message, process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
        process.stdin.flush()
    except (OSError, ValueError) as error:  # ValueError: the pipe was closed meanwhile
        raise Died from error


def _receive(process: subprocess.Popen) -> object:
    """Wait for one answer.

    Raises:
        Died: the process ended.
    """
    try:
        return pickle.load(process.stdout)
    except (EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        raise Died from error
