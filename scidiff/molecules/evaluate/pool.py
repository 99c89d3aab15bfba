"""Judging many records in other processes, so that one that hangs or crashes RDKit costs one record, not the run.

Each process is a fresh interpreter fed over pipes (it works alike from a script, a notebook or a program that holds a
GPU, and never runs the caller's main module again). A record that takes longer than `patience` seconds is given up and
its process killed; one whose process dies is tried once more in a new one, then given up. Records given up count as
failed.
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
from dataclasses import replace
from queue import SimpleQueue

from scidiff.molecules.evaluate.judge import judge, unjudged
from scidiff.molecules.evaluate.judgement import Judgement
from scidiff.molecules.molecule import Molecule

PATIENCE = 60.0
_AHEAD = 64  # records in flight for each process


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
        yield from (judge(record, protocols) for record in records)
        return
    workers = [Worker(protocols, patience) for _ in range(processes)]
    idle: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def task(record: object) -> Judgement:
        worker = idle.get()
        try:
            return worker.judge(record)
        finally:
            idle.put(worker)

    threads = ThreadPoolExecutor(processes)
    waiting: deque[Future[Judgement]] = deque()
    try:
        for record in records:
            waiting.append(threads.submit(task, record))
            if len(waiting) >= _AHEAD * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
        for worker in workers:
            worker.close()
        threads.shutdown()


class Died(Exception):
    """The process ended before it answered."""


class Worker:
    """One judging process, replaced when it dies."""

    def __init__(self, protocols: tuple[str, ...], patience: float) -> None:
        """Nothing is started before the first record comes."""
        self._protocols, self._patience = protocols, patience
        self._process: subprocess.Popen | None = None
        self._closed = False

    def judge(self, record: object) -> Judgement:
        """The judgement of the record, or that it hung or killed the process.

        Raises:
            RuntimeError: the process cannot be started.
        """
        if not isinstance(record, Molecule):
            return judge(record, ())
        record = replace(record, properties={})  # of no interest here, and perhaps impossible to send
        for _ in range(2):
            late = threading.Event()
            try:
                return self._ask(record, late)
            except Died:
                self._discard()
            if late.is_set():
                return unjudged(record, f"judging it took longer than {self._patience:g} s")
        return unjudged(record, "judging it crashed")

    def close(self) -> None:
        """End the process, and start no other."""
        self._closed = True
        self._discard()

    def _ask(self, record: object, late: threading.Event) -> Judgement:
        process = self._running()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self._patience, give_up)
        timer.daemon = True
        timer.start()  # after the start of the process, which may take long on a busy machine
        try:
            return _exchange(process, record)
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
                try:
                    pipe.close()
                except OSError:  # what was not yet written to a dead process
                    continue


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
            _exchange(process, protocols)
        except Died:
            process.wait()
            complaints.seek(0)
            last = complaints.read().decode(errors="replace").strip().splitlines()[-1:]
            raise RuntimeError(f"A judging process could not start: {' '.join(last) or 'no reason given'}") from None
    return process


def _exchange(process: subprocess.Popen, message: object) -> object:
    """Send one message and wait for the answer.

    Raises:
        Died: the process ended meanwhile.
    """
    try:
        pickle.dump(message, process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
        process.stdin.flush()
        return pickle.load(process.stdout)
    except (EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        raise Died from error
