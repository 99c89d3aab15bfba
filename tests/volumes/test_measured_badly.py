"""Bad files of a scanner's numbers: each ends in a sentence that says what is wrong with it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from scidiff.store.errors import UserError
from scidiff.volumes.measured import read_kspace, read_sinogram
from scidiff.volumes.operators.coils import ring_maps
from scidiff.volumes.operators.radon import Radon, views
from tests.volumes.test_measured import save, scan, truth

Y, MASK, _ = scan(3, (12, 16, 14), acceleration=2.0)
GOOD = {"kspace": Y, "mask": MASK}
BROKEN = Y.clone()
BROKEN[0, 0, 0, 0] = float("nan")
IMAGES = torch.complex(*(truth((24, 24, 24)) * torch.ones(2, 1, 1, 1)))

BAD_KSPACE = {
    "no mask": ({"kspace": Y}, {}, "k-space without its mask.*mask=nonzero"),
    "no k-space": ({"mask": MASK, "volume": Y}, {}, "no array 'kspace'.*holds mask, volume"),
    "real": ({**GOOD, "kspace": Y.real}, {}, "is real.*expected complex"),
    "pairs": ({**GOOD, "kspace": torch.view_as_real(Y)}, {}, "Join its two parts"),
    "one axis": ({**GOOD, "kspace": Y[0, 0, 0]}, {}, "expected coils x X"),
    "five axes": ({**GOOD, "kspace": Y[None]}, {}, "expected coils x X"),
    "NaN": ({**GOOD, "kspace": BROKEN}, {}, "1 of 8,064 numbers that are NaN"),
    "zero": ({**GOOD, "kspace": 0 * Y}, {}, "zero everywhere"),
    "zero where sampled": ({"kspace": Y * ~MASK + 0 * Y + (~MASK), "mask": MASK}, {}, "zero wherever the mask"),
    "mask of another shape": ({**GOOD, "mask": MASK[:, :5]}, {}, "12 x 5 x 14, which does not fit"),
    "mask of nothing": ({**GOOD, "mask": ~MASK & MASK}, {}, "keeps nothing"),
    "mask of weights": ({**GOOD, "mask": 0.5 * MASK}, {}, "other numbers than 0 and 1"),
    "mask of another scan": ({**GOOD, "mask": MASK.roll(4, 1)}, {}, "calls sampled what is exactly zero"),
    "mask by coil": ({**GOOD, "mask": torch.stack([MASK, MASK, MASK.roll(4, 1)])}, {}, "differs between coils"),
    "mask file missing": (GOOD, {"mask": "none.npy"}, "There is no file none.npy"),
    "coils zero apart": ({"kspace": torch.stack([Y[0] * MASK, Y[1] * 0 + (MASK.cumsum(1) < 3) * Y[1]])},
                         {"mask": "nonzero"}, "zero at different places"),
    "maps of another shape": ({**GOOD, "maps": ring_maps((12, 16, 13), 3)}, {}, "maps .* expected complex"),
    "real maps": ({**GOOD, "maps": torch.ones(Y.shape)}, {}, "maps .* expected complex"),
    "axes out of range": (GOOD, {"axes": (1, 3)}, "must be some of 0, 1 and 2"),
    "images": ({"kspace": IMAGES, "mask": torch.ones(24, 24, 24)}, {"coils": False}, "not k-space along any axis"),
    "no centre": ({"kspace": Y.roll(4, 2), "mask": MASK.roll(4, 1)}, {}, "neither in the middle nor at 0"),
    "sigma of 0": (GOOD, {"sigma": 0}, "sigma .* above 0"),
    "too much noise": (GOOD, {"sigma": 1e9}, "stands out from noise"),
    "singular affine": ({**GOOD, "affine": np.zeros((4, 4))}, {}, "affine"),
    "affine of 3 x 3": ({**GOOD, "affine": np.eye(3)}, {}, "must be 4 x 4"),
    "affine against spacing": ({**GOOD, "affine": np.eye(4)}, {"spacing": (1, 1, 2)}, "disagree"),
    "spacing below 0": (GOOD, {"spacing": (1, -1, 1)}, "spacing .* above 0"),
    "neither true nor false": ({**GOOD, "centred": 2}, {}, "true or false"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_KSPACE)
def test_bad_kspace_ends_in_a_sentence(case, tmp_path):
    arrays, how, words = BAD_KSPACE[case]
    with pytest.raises(UserError, match=words):
        read_kspace(save(tmp_path, **arrays), **how)


SINOGRAM = Radon((12, 12), views(10), detectors=17)(truth((12, 12, 5))[None, None])[0, 0]
GOOD_CT = {"sinogram": SINOGRAM, "angles": views(10)}
BAD_SINOGRAMS = {
    "no sinogram": ({"angles": views(10)}, {}, "no array 'sinogram'.*holds angles"),
    "no angles": ({"sinogram": SINOGRAM}, {}, "no array 'angles'"),
    "angles that do not match": ({**GOOD_CT, "angles": views(9)}, {}, "do not match the sinogram: 9 of them, 10 views"),
    "swapped": ({**GOOD_CT, "angles": views(17)}, {}, "axes swapped"),
    "radians": ({**GOOD_CT, "angles": np.deg2rad(views(10))}, {}, "multiply radians"),
    "complex": ({**GOOD_CT, "sinogram": SINOGRAM + 0j}, {}, "expected real numbers"),
    "one axis": ({**GOOD_CT, "sinogram": SINOGRAM[:, 0, 0]}, {}, "expected real numbers"),
    "zero": ({**GOOD_CT, "sinogram": 0 * SINOGRAM}, {}, "zero everywhere"),
    "NaN": ({**GOOD_CT, "sinogram": SINOGRAM / 0}, {}, "NaN or infinite"),
    "intensities": ({**GOOD_CT, "sinogram": torch.exp(-SINOGRAM / 5000)}, {}, "look like intensities"),
    "words": ({**GOOD_CT, "pitch": "wide"}, {}, "'pitch' .* not numbers"),
    "negative pitch": ({**GOOD_CT, "pitch": -1}, {}, "pitch .* above 0"),
    "fan of one": ({**GOOD_CT, "fan": [500]}, {}, "2 numbers"),
    "fan the other way": ({**GOOD_CT, "fan": [500, 400]}, {}, "the larger one"),
    "source inside": ({**GOOD_CT, "fan": [5, 400], "spacing": 1, "shape": (12, 12)}, {}, "outside the slice"),
    "half a pixel": ({**GOOD_CT, "shape": (12.5, 12)}, {}, "whole numbers"),
    "fourth axis": (GOOD_CT, {"axis": 3}, "0, 1 or 2"),
    "water in 1/cm": (GOOD_CT, {"mu_water": 1e5}, "in the same unit"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_SINOGRAMS)
def test_bad_sinograms_end_in_a_sentence(case, tmp_path):
    arrays, how, words = BAD_SINOGRAMS[case]
    with pytest.raises(UserError, match=words):
        read_sinogram(save(tmp_path, **arrays), **how)


def damaged(folder: Path) -> Path:
    path = save(folder, **GOOD)
    content = bytearray(path.read_bytes())
    content[2000:2100] = bytes(100)
    path.write_bytes(bytes(content))
    return path


def cut(folder: Path) -> Path:
    path = save(folder, **GOOD)
    path.write_bytes(path.read_bytes()[:-2000])
    return path


def single(folder: Path) -> Path:
    np.save(folder / "one.npy", Y)
    return folder / "one.npy"


BAD_FILES = {
    "missing": (lambda folder: folder / "none.npz", "There is no file"),
    "folder": (lambda folder: folder, "There is no file"),
    "cut": (cut, "not an .npz file"),
    "damaged": (damaged, "damaged"),
    "one array": (single, "not an .npz file"),
    "objects": (lambda folder: save(folder, kspace=np.array([{}, []], dtype=object), mask=MASK), "Python objects"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_end_in_a_sentence(case, tmp_path):
    make, words = BAD_FILES[case]
    path = make(tmp_path)
    for read in (read_kspace, read_sinogram) if case in ("missing", "cut") else (read_kspace,):
        with pytest.raises(UserError, match=words):
            read(path)
