"""The unit of a network's answer, and the width of an interval: power laws of what was measured."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from scidiff.volumes.power_law import PowerLaw


@dataclass(frozen=True)
class Facts:
    task: str = "denoise"
    noise: float = 0.1
    fraction: float = 1.0
    along: tuple[float, float, float] = (1.0, 1.0, 1.0)


def problem(task: str = "denoise", noise: float = 0.1, fraction: float = 1.0, least: float = 1.0) -> Facts:
    return Facts(task, noise, fraction, (1.0, least, 1.0))


LAWS = {"denoise": (-1.0, 0.7, 0.0, 0.0), "mri": (-2.5, 0.1, -0.8, -0.3)}
NUMBERS = 400


def drawn(scatter: float) -> tuple[list[Facts], np.ndarray]:
    """Examples of two tasks whose errors follow their laws, times e^(scatter N(0, 1))."""
    random = np.random.default_rng(0)
    tasks = [task for task in LAWS for _ in range(NUMBERS)]
    noise = np.exp(random.uniform(-4, -1, len(tasks)))
    fraction, least = 2.0 ** random.uniform(-4, 0, (2, len(tasks)))
    rows = np.stack([np.ones(len(tasks)), np.log(noise + 0.01), np.log(fraction), np.log(least)])
    found = (np.array([LAWS[task] for task in tasks]).T * rows).sum(0)
    problems = [problem(*each) for each in zip(tasks, noise, fraction, least, strict=True)]
    return problems, np.exp(found + scatter * random.standard_normal(len(tasks)))


@pytest.mark.parametrize("scatter", [0.0, 0.3])
def test_a_power_law_is_recovered(scatter):
    """The slope of n points of variance v errs by scatter / sqrt(n v), and the ridge takes 0.1 / (n v) of it away."""
    law = PowerLaw.fit(*drawn(scatter))
    for task, wanted in LAWS.items():
        variance = 0.5  # of both features, or more
        error = 4 * scatter / math.sqrt(NUMBERS * variance) + 0.1 / (NUMBERS * variance)
        assert np.allclose(law.tasks[task][1:], wanted[1:], atol=error + 1e-9)
        for noise, fraction, least in [(0.05, 0.5, 0.7), (0.2, 0.1, 0.2)]:
            exact = math.exp(np.dot(wanted, (1, math.log(noise + 0.01), math.log(fraction), math.log(least))))
            assert law(problem(task, noise, fraction, least)) == pytest.approx(exact, rel=3 * error + 1e-9)


def test_few_examples_give_their_level():
    """One example, or several alike, say nothing of slopes."""
    law = PowerLaw.fit([problem("ct", 0.1, 0.2)] * 3, [0.04, 0.04, 0.04])
    assert law.tasks["ct"][1:] == [0, 0, 0] and law(problem("ct", 0.5, 0.01)) == pytest.approx(0.04)


def test_a_task_never_seen_gets_the_mean_of_all():
    law = PowerLaw({"denoise": [math.log(0.1), 0.0, 0.0, 0.0], "ct": [math.log(0.4), 0.0, 0.0, 0.0]})
    assert law(problem("superres")) == pytest.approx(0.2)


def test_an_answer_without_error_has_a_unit_all_the_same():
    law = PowerLaw.fit([problem("inpaint", 0.0, 0.9)], [0.0])
    assert law(problem("inpaint", 0.0, 0.9)) == pytest.approx(1e-4)


def test_a_bounded_law_says_nothing_beyond_what_it_saw():
    seen = [problem("mri", 0.1, share) for share in (1 / 8, 1 / 4)]
    law = PowerLaw.fit(seen, [3.0, 1.5], weight=1e-9, bounded=True)
    assert [law(each) for each in seen] == pytest.approx([3.0, 1.5], rel=1e-6)
    assert law(problem("mri", 0.1, 1 / 64)) == pytest.approx(3.0, rel=1e-6)
    assert law(problem("mri", 0.1, 1.0)) == pytest.approx(1.5, rel=1e-6)
    assert law(problem("mri", 0.1, 2**-2.5)) == pytest.approx(1.5 * 2**0.5, rel=1e-6)


def test_five_numbers_are_no_law():
    with pytest.raises(ValueError, match="four numbers"):
        PowerLaw({"mri": [0.0] * 5})
