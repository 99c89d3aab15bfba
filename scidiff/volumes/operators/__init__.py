"""What scanners do to volumes: linear operators with exact adjoints, one list of names for all of them."""

from scidiff.engine.operator import Operator
from scidiff.volumes.operators.identity import Identity
from scidiff.volumes.operators.kspace import KSpace
from scidiff.volumes.operators.mask import Mask
from scidiff.volumes.operators.radon import Radon
from scidiff.volumes.operators.resample import Resample

OPERATORS: dict[str, type[Operator]] = {
    "identity": Identity,
    "mask": Mask,
    "resample": Resample,
    "kspace": KSpace,
    "radon": Radon,
}
