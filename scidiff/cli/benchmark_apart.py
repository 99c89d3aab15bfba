"""Contestants of a benchmark, each in a process of its own: what memory one keeps neither helps nor hinders another."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import Connection
from typing import Any

from omegaconf import DictConfig

from scidiff.cli.benchmark_networks import Contestant, own_way
from scidiff.cli.benchmark_turns import here, turn
from scidiff.store.errors import UserError
from scidiff.store.memory import LARGE_PAGES, keep_freed

CONTEXT: Any = multiprocessing.get_context("spawn")


class Apart:
    """A contestant by its label, as `Contestant.called` has it.

    Attributes:
        domain, count, arithmetic: the contestant's.

    Raises:
        UserError, ImportError: it cannot be built, here or whenever it is asked.
    """

    def __init__(self, label: str, config: DictConfig) -> None:
        self._label = label
        self._pipe, theirs = CONTEXT.Pipe()
        process = CONTEXT.Process(target=_serve, args=(theirs, label, config))
        process.daemon = True  # it ends when we do
        process.start()
        theirs.close()
        self.domain, self.count, self.arithmetic = self._asked()

    def turn(self, what: str) -> float:
        """Seconds of one "forward" or "train"; see `turn`."""
        return self._asked("turn", what)

    def facts(self, speed: float, peak: float) -> dict[str, float]:
        """As `Contestant.facts`."""
        return self._asked("facts", speed, peak)

    def close(self) -> None:
        """End the process."""
        self._pipe.send(None)

    def _asked(self, *words: Any) -> Any:
        """The answer to some words; to none, what it says when it is built."""
        try:
            if words:
                self._pipe.send(words)
            answer = self._pipe.recv()
        except (EOFError, ConnectionError) as error:
            raise UserError(f"{self._label} ended before it answered, perhaps because memory ran out.") from error
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(pipe: Connection, label: str, config: DictConfig) -> None:
    """Build it, then do what is asked for until nothing more is."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    if own_way(label):
        os.environ.pop(LARGE_PAGES, None)
    else:
        keep_freed()  # as the command line does
    device = here()
    try:
        each = Contestant.called(label, config, device)
        pipe.send((each.domain, each.count, each.arithmetic))
        while asked := pipe.recv():
            what, *words = asked
            pipe.send(each.facts(*words) if what == "facts" else turn(getattr(each, words[0]), device))
    except (EOFError, ConnectionError):  # the parent has gone
        return
    except Exception as error:
        pipe.send(error)
