"""A sweep on a cluster, without one: submitit's own stand-in runs each job of the array at once, in this process."""

from pathlib import Path

import pytest
import submitit
from omegaconf import OmegaConf

from scidiff.cli.main import main
from tests.small import words, write_sixty


@pytest.fixture
def sweep(elsewhere, monkeypatch):
    """Two seeds, as two jobs."""
    write_sixty(elsewhere / "sixty.npz")
    executor = submitit.AutoExecutor
    monkeypatch.setattr(submitit, "AutoExecutor", lambda cluster, **more: executor(cluster="debug", **more))

    def run(**changes: object) -> int:
        typed = words(elsewhere / "sixty.npz", **{"out": "run", "steps": 2, **changes})
        return main(["train", "--multirun", "hydra/launcher=slurm", "hydra.launcher.partition=gpu", "seed=4,5", *typed])

    return run


def test_each_setting_is_a_job_and_one_that_is_begun_again_goes_on(sweep, monkeypatch, capsys):
    assert sweep() == 0
    seeds = [OmegaConf.load(f"run-{k}/config.yaml").seed for k in (0, 1)]
    assert seeds == [4, 5] and all(Path(f"run-{k}/model.safetensors").exists() for k in (0, 1))
    assert sweep() == 1 and "run-0 holds a run already" in capsys.readouterr().err
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert sweep() == 1 and "run-0 has done its 2 steps" in capsys.readouterr().err, "it was resumed"
