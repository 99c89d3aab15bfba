"""Models of single tasks in one file: each task is answered as its own model answered it."""

from dataclasses import replace

import pytest
import torch

from scidiff.engine.noise import Noise
from scidiff.store.errors import UserError
from scidiff.volumes.experts import join
from scidiff.volumes.learning.degrade import Degradation
from scidiff.volumes.model import VolumeModel
from scidiff.volumes.operators.identity import Identity
from scidiff.volumes.power_law import PowerLaw
from scidiff.volumes.problem import PRIOR
from scidiff.volumes.restore.run import How
from tests.volumes.tiny import TRUTH, tiny_model

DATA = {"name": "heads", "n": 3, "sha256": "0", "licence": "none", "note": ""}


def expert(task: str, bias: float) -> VolumeModel:
    model = tiny_model(bias, data=DATA, training={"steps": 5})
    facts = {"tasks": [task], "difficulty": {task: [bias - 2, 0.0, 0.0, 0.0]}, "spread": bias + 0.1}
    return replace(model, header={**model.header, **facts}, difficulty=PowerLaw(facts["difficulty"]))


def test_each_task_keeps_its_own_network_through_the_file(tmp_path):
    alone = {"denoise": expert("denoise", 0.1), "mri": expert("mri", 0.4)}
    join(list(alone.values()), "both").save(tmp_path / "both.safetensors")
    both = VolumeModel.load(tmp_path / "both.safetensors")
    assert both.header["tasks"] == ["denoise", "mri"] and both.name == "both"
    for task, model in alone.items():
        weights = both.network_of(task).state_dict()
        for name, value in model.network.state_dict().items():
            assert torch.equal(weights[name], value.to(torch.bfloat16).float())
        assert both.difficulty.tasks[task] == model.header["difficulty"][task]
    assert both.network_of(PRIOR) is both.network_of("denoise") and both.spread == pytest.approx(0.2)


def test_joined_they_answer_as_they_did_alone():
    noise = Noise.of(0, torch.zeros(1, dtype=torch.int64))
    observation = Degradation(Identity(), 0.1).observe(TRUTH, noise)
    model = expert("denoise", 0.3)
    both = join([model, expert("ct", 0.9)], "both")
    how = How(samples=2, check=False)
    ours, theirs = (m.restore(observation, "denoise", how) for m in (both, model))
    assert torch.equal(ours.x, theirs.x) and torch.equal(ours.samples, theirs.samples)


def test_what_does_not_go_together_is_refused():
    with pytest.raises(UserError, match="one model"):
        join([expert("mri", 0.1), expert("mri", 0.2)], "both")
    other = expert("ct", 0.1)
    other = replace(other, header={**other.header, "data": {**DATA, "sha256": "1"}})
    with pytest.raises(UserError, match="same"):
        join([expert("mri", 0.1), other], "both")
