"""Bad input ends in one or two sentences."""

import pytest
import torch
from volumes.operators.settings import EVEN, draw, voxels

from scidiff.store.errors import UserError
from scidiff.volumes.operators.coils import estimate_maps, ring_maps
from scidiff.volumes.operators.footprint import Fan
from scidiff.volumes.operators.kspace import KSpace
from scidiff.volumes.operators.mask import Mask, slices
from scidiff.volumes.operators.radon import Radon, views
from scidiff.volumes.operators.resample import Resample
from scidiff.volumes.operators.sampling import sampling

X, KEPT, NONE = draw(EVEN), voxels(EVEN), torch.zeros(EVEN, dtype=torch.bool)
COILS = torch.ones(1, 3, *EVEN, dtype=torch.complex64)

CASES = {
    "mask of another shape": (lambda: Mask(voxels((8, 6, 5)))(X), "does not fit"),
    "mask of more samples": (lambda: Mask(KEPT.expand(3, 1, *EVEN))(X), "does not fit"),
    "mask of numbers": (lambda: Mask(KEPT.float()), "true and false"),
    "all masked": (lambda: Mask(NONE), "keeps nothing"),
    "no such slice": (lambda: slices(EVEN, [4]), "slices 0 to 3"),
    "factor below 1": (lambda: Resample(EVEN, (1, 1, 0.5)), "between 1 and the 4"),
    "factor above the size": (lambda: Resample(EVEN, (1, 1, 5)), "between 1 and the 4"),
    "no thickness": (lambda: Resample(EVEN, (1, 1, 2), thickness=(1, 1, 0)), "thicker than 0"),
    "unknown profile": (lambda: Resample(EVEN, (1, 1, 2), "sinc"), "box, gaussian"),
    "volume of another shape": (lambda: Resample((8, 6, 6), (1, 1, 2))(X), "expected"),
    "coarse volume of another shape": (lambda: Resample(EVEN, (1, 1, 2)).adjoint(X), "expected"),
    "k-space without its mask": (lambda: KSpace(None), "needs its sampling mask"),
    "nothing sampled": (lambda: KSpace(NONE), "keeps nothing"),
    "sampling of another shape": (lambda: KSpace(voxels((8, 6, 5)))(X), "does not fit"),
    "axes out of range": (lambda: KSpace(KEPT, (1, 3)), "axes 0, 1 and 2"),
    "real maps": (lambda: KSpace(KEPT, maps=torch.ones(2, *EVEN)), "complex"),
    "maps of another shape": (lambda: KSpace(KEPT, maps=ring_maps((8, 6, 5), 3))(X), "coil maps"),
    "more coils than maps": (lambda: KSpace(KEPT, maps=ring_maps(EVEN, 2)).adjoint(COILS), "B x 2 x X"),
    "acceleration below 1": (lambda: sampling(EVEN, 0.5), "1 or more"),
    "acceleration of nothing": (lambda: sampling(EVEN, float("nan")), "1 or more"),
    "acceleration above the centre's": (lambda: sampling((8, 100, 4), 10, centre=0.3), "calibrated centre"),
    "unknown pattern": (lambda: sampling(EVEN, 2, pattern="spiral"), "random, equispaced"),
    "three encodings": (lambda: sampling(EVEN, 2, (0, 1, 2)), "one axis, or two"),
    "no centre for maps": (lambda: estimate_maps(COILS, ~KEPT.new_ones(EVEN)), "not fully sampled"),
    "real coil data": (lambda: estimate_maps(X, KEPT), "complex"),
    "no angles": (lambda: Radon(EVEN[:2], ()), "at least one angle"),
    "no views": (lambda: views(0), "at least one view"),
    "angles that do not match": (lambda: Radon(EVEN[:2], views(5)).adjoint(torch.ones(1, 1, 4, 11, 2)), "5 angles"),
    "slice of another shape": (lambda: Radon((8, 8), views(5))(X), "expected"),
    "source inside": (lambda: Radon(EVEN[:2], views(5), fan=Fan(3.0, 9.0)), "outside the slice"),
    "no detectors": (lambda: Radon(EVEN[:2], views(5), detectors=0), "above 0"),
}


@pytest.mark.parametrize("case", CASES)
def test_refused(case):
    act, words = CASES[case]
    with pytest.raises(UserError, match=words) as error:
        act()
    assert len(str(error.value)) < 200 and str(error.value).endswith(".")
