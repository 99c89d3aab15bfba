"""Every operator's name with volumes and settings that the laws are tried on."""

import torch

from scidiff.engine.operator import Composed, Operator
from scidiff.volumes.operators.coils import phase_map, ring_maps
from scidiff.volumes.operators.footprint import Fan
from scidiff.volumes.operators.identity import Identity
from scidiff.volumes.operators.kspace import KSpace
from scidiff.volumes.operators.mask import Mask, slices
from scidiff.volumes.operators.radon import Radon, views
from scidiff.volumes.operators.resample import Resample
from scidiff.volumes.operators.sampling import sampling

Shape = tuple[int, int, int]
ODD, FLAT, EVEN = (9, 7, 5), (12, 10, 1), (8, 6, 4)


def voxels(shape: Shape, share: float = 0.5) -> torch.Tensor:
    """Random voxels, for masks."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) < share


def single_coil(shape: Shape) -> torch.Tensor:
    """A single coil's map: the image's own phase."""
    return torch.polar(torch.ones(shape), phase_map(shape, seed=3))[None]


FAN = Fan(source=30.0, detector=50.0)

SETTINGS: dict[str, list[tuple[Shape, Operator]]] = {
    "identity": [(ODD, Identity())],
    "mask": [(ODD, Mask(voxels(ODD))), (EVEN, slices(EVEN, [0, 2])), (EVEN, Mask(voxels(EVEN)[None, None]))],
    "resample": [
        (EVEN, Resample(EVEN, (2, 2, 2))),
        (ODD, Resample(ODD, (1, 1, 4))),
        (ODD, Resample(ODD, (2.5, 1, 1.3), "gaussian")),
        (EVEN, Resample(EVEN, (1, 3, 2), "gaussian", (1, 2, 3))),
        (EVEN, Resample(EVEN, (2, 1, 2), "box", (1, 1, 3))),
    ],
    "kspace": [
        (ODD, KSpace(voxels(ODD))),
        (EVEN, KSpace(sampling(EVEN, 2, (0,)), (0, 1), single_coil(EVEN))),
        (ODD, KSpace(sampling(ODD, 3, (0, 1)), (0, 1, 2), ring_maps(ODD, 3))),
        (ODD, KSpace(sampling(ODD, 2, (1,)).expand(ODD), (0, 1, 2), single_coil(ODD))),
        (FLAT, KSpace(sampling(FLAT, 2, (1,), "equispaced"), (0, 1), ring_maps(FLAT, 4)[None])),
    ],
    "radon": [
        (ODD, Radon(ODD[:2], views(5))),
        (EVEN, Radon((8, 4), (0.0, 33.0, 90.0), detectors=7, pitch=1.5, spacing=(1.0, 2.0), axis=1)),
        (EVEN, Radon(EVEN[1:], views(6, 360), spacing=(0.8, 1.2), fan=FAN, axis=0)),
    ],
    "composed": [
        (EVEN, Composed(Mask(voxels((4, 3, 2))), Resample(EVEN, (2, 2, 2)))),
        (EVEN, Composed(KSpace(sampling(EVEN, 2, (0,))), Mask(voxels(EVEN)))),
        (ODD, Composed(Mask(torch.tensor([True, False, True, True, False])[:, None, None]), Radon((9, 7), views(5)))),
    ],
}

TINY = (4, 4, 2)
SMALL: dict[str, Operator] = {
    "identity": Identity(),
    "mask": Mask(voxels(TINY)),
    "resample": Resample(TINY, (1, 2, 2), "gaussian"),
    "kspace": KSpace(sampling(TINY, 2, (0,)), (0, 1), single_coil(TINY)),
    "coils": KSpace(sampling(TINY, 4, (0, 1)), (0, 1, 2), ring_maps(TINY, 3)),
    "radon": Radon(TINY[:2], views(3)),
    "fan": Radon(TINY[:2], views(3, 360), fan=FAN),
}
"""For dense algebra: 32 voxels."""


def draw(shape: Shape, seed: int = 0, count: int = 2) -> torch.Tensor:
    """Random volumes (count, 1, X, Y, Z)."""
    return torch.randn(count, 1, *shape, generator=torch.Generator().manual_seed(seed))
