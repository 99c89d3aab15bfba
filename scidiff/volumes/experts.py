"""Models of single tasks joined in one file."""

from collections.abc import Sequence
from typing import Any

from scidiff.store.errors import UserError
from scidiff.volumes.model import VolumeModel
from scidiff.volumes.networks.experts import Experts

SHARED = ("process", "parameterization", "sampler")


def join(models: Sequence[VolumeModel], name: str) -> VolumeModel:
    """One model of all that these do.

    Args:
        models: each of tasks that no other has, of the same process and intensities, trained on the same scans.

    Raises:
        UserError: they do not go together.
    """
    headers = [model.header for model in models]
    tasks = [task for header in headers for task in header["tasks"]]
    if len(set(tasks)) < len(tasks):
        raise UserError(f"Each task needs one model, but these are for {', '.join(tasks)}.")
    first = headers[0]
    alike = all(h["config"][key] == first["config"][key] for h in headers for key in SHARED)
    if not alike or any(h["intensity"] != first["intensity"] or h["data"] != first["data"] for h in headers):
        raise UserError("Only models of the same process, intensities and training scans can be joined.")
    networks = {task: header["config"]["network"] for header in headers for task in header["tasks"]}
    target = f"{Experts.__module__}.{Experts.__qualname__}"
    default = "denoise" if "denoise" in tasks else tasks[0]
    config = {**first["config"], "network": {"_target_": target, "networks": networks, "default": default}}
    facts = {"name": name, "tasks": tasks, "config": config, "training": _training(headers)}
    facts["difficulty"] = {task: row for header in headers for task, row in header["difficulty"].items()}
    facts["spread"] = next(header["spread"] for header in headers if default in header["tasks"])
    joined = VolumeModel.create({**first, **facts})
    for model in models:
        for task in model.header["tasks"]:
            joined.network_of(task).load_state_dict(model.network.state_dict())
    joined.network.eval()
    return joined


def _training(headers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How each was trained, by task."""
    return {
        f"{', '.join(header['tasks'])}: {key}": value
        for header in headers
        for key, value in header.get("training", {}).items()
    }
