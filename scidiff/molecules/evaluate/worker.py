"""The other end of `pool`: a process that judges records as they arrive and dies alone if one kills it."""

import logging
import os
import pickle
import signal
import sys

from scidiff.molecules.evaluate.judge import judge


def serve() -> None:
    """Read the protocols' names, then lists of records, from standard input; write a judgement for each record."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not garble the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    logging.disable(logging.CRITICAL)
    protocols = pickle.load(sys.stdin.buffer)
    _send(answers, "ready")
    while True:
        try:
            chunk = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        for record in chunk:
            _send(answers, judge(record, protocols))


def _send(answers, message: object) -> None:
    pickle.dump(message, answers, protocol=pickle.HIGHEST_PROTOCOL)
    answers.flush()
