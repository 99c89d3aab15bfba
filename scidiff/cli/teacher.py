"""Who teaches a model that is distilled: `objective.teacher`."""

import math
from collections.abc import Mapping
from typing import Any

import scidiff
from scidiff.engine.distilled import Frozen
from scidiff.store.errors import UserError

ALIKE = ("domain", "vocabulary", "scale", "intensity")
"""What the headers of teacher and student have in common, where they have it, besides their noise."""


def taught(config: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Frozen]:
    """The teacher, as a further argument of the objective; nothing for an objective that has none.

    Args:
        config: of the training.
        facts: the header of what is trained.

    Raises:
        UserError: none is named, it is no model, or its noise or its data are others.
    """
    if "teacher" not in config["objective"]:
        return {}
    name = config["objective"]["teacher"]
    if not isinstance(name, str):
        raise UserError("Distilling needs objective.teacher=<model>: whose steps are to become fewer, by name or file.")
    teacher = scidiff.load(name)
    its = teacher.header
    unlike = [key for key in ALIKE if not _same(its.get(key), facts.get(key))]
    unlike += ["process"] if its["config"]["process"] != facts["config"]["process"] else []
    if unlike:
        raise UserError(f"objective.teacher={name}: its {unlike[0]} is not that of the model which is trained.")
    return {"teacher": Frozen(teacher.denoiser)}


def _same(a: Any, b: Any) -> bool:
    return math.isclose(a, b, rel_tol=1e-3) if isinstance(a, float) and isinstance(b, float) else a == b


def origin(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the header of a model file says of that; nothing for a model that was not distilled."""
    if "teacher" not in config["objective"]:
        return {}
    return {"distilled": {"from": config["objective"]["teacher"], "steps": config["sampler"]["steps"]}}
