"""Batches side by side: their order, their errors, and an end when nobody waits for them."""

import threading
import time

import pytest
import torch

from scidiff.molecules.lanes import side_by_side

CPU = torch.device("cpu")


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    assert torch.get_num_threads() == 2, "the caller's threads are its own"
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_two_at_a_time_each_of_one_thread_in_order():
    meeting = threading.Barrier(2, timeout=20)  # breaks if they come one after the other

    def make(item, beat):
        meeting.wait()
        return item, torch.get_num_threads()

    assert list(side_by_side(make, range(6), CPU)) == [(k, 1) for k in range(6)]


def test_one_thread_needs_no_other():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    found = list(side_by_side(lambda item, beat: threading.current_thread(), range(2), CPU))
    torch.set_num_threads(before)
    assert found == 2 * [threading.current_thread()]


@pytest.mark.usefixtures("two_threads")
def test_an_error_is_the_callers():
    with pytest.raises(ZeroDivisionError):
        list(side_by_side(lambda item, beat: 1 // item, [1, 0, 1], CPU))


@pytest.mark.usefixtures("two_threads")
def test_who_leaves_is_not_kept_waiting():
    """The first is done; the others would work for an hour, and stop at their next beat."""
    begun = []

    def make(item, beat):
        begun.append(item)
        for _ in range(3600 if item else 0):
            beat()
            time.sleep(0.01)

    batches = side_by_side(make, range(50), CPU)
    next(batches)
    batches.close()
    assert len(begun) < 10 and not any("ThreadPool" in thread.name for thread in threading.enumerate())
