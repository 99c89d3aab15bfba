"""How much of each axis an operator sees."""

import pytest
import torch

from scidiff.engine.operator import Composed
from scidiff.volumes.operators import Identity, KSpace, Mask, Radon, Resample
from scidiff.volumes.operators.along import along, order
from scidiff.volumes.operators.mask import slices
from scidiff.volumes.operators.sampling import sampling

SHAPE = (16, 20, 24)
HOLES = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)) > 0.4
LINES, POINTS = (sampling(SHAPE, 4, axes, seed=0) for axes in ((1,), (1, 2)))
FOUND = {
    "nothing missing": (Identity(), (1, 1, 1)),
    "thick slices": (Resample(SHAPE, (1.0, 1.0, 4.0)), (1, 1, 1 / 4)),
    "coarse voxels": (Resample(SHAPE, (2.0, 2.0, 2.0)), (1 / 2, 1 / 2, 1 / 2)),
    "every second slice": (slices(SHAPE, list(range(0, 20, 2)), axis=1), (1, 1 / 2, 1)),
    "holes": (Mask(HOLES), [float(HOLES.double().mean()) ** (1 / 3)] * 3),
    "holes of a batch": (Mask(HOLES[None, None]), [float(HOLES.double().mean()) ** (1 / 3)] * 3),
    "a mask of one axis": (Mask(torch.arange(24) < 6), (1, 1, 1 / 4)),
    "lines": (KSpace(LINES, (1, 2)), (1, float(LINES.double().mean()), 1)),
    "points": (KSpace(POINTS, (1, 2)), (1, *[float(POINTS.double().mean()) ** 0.5] * 2)),
    "few views": (Radon(SHAPE[1:], (0.0, 90.0), detectors=20, axis=0), (1, *[(40 / 480) ** 0.5] * 2)),
    "more views than pixels": (Radon((4, 4), tuple(range(20)), axis=2), (1, 1, 1)),
    "some of coarse voxels": (
        Composed(Mask(torch.rand(16, 20, 6) > 0.05), Resample(SHAPE, (1.0, 1.0, 4.0))),
        (1, 1, 1 / 4),
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_is_seen_of_each_axis(name):
    operator, wanted = FOUND[name]
    assert along(operator) == pytest.approx(tuple(wanted), rel=1e-6)


def test_the_least_seen_comes_first_and_equal_ones_as_they_are():
    assert order((1, 0.5, 0.25)) == (2, 1, 0) and order((1, 1, 0.5)) == (2, 0, 1) and order((1, 1, 1)) == (0, 1, 2)
