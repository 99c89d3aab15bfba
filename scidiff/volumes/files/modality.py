"""What kind of scan a NIfTI file holds, as far as its name and intensities tell: the format has no word for it."""

import re

import numpy as np

_WORDS = {
    "t1w": "T1w", "t1": "T1w", "mprage": "T1w", "t2w": "T2w", "t2": "T2w", "flair": "FLAIR", "pdw": "PDw", "ct": "CT",
}  # fmt: skip
_AIR = (-1100.0, -900.0)  # HU; beyond, scanners write that nothing was measured


def guess_modality(name: str, data: np.ndarray) -> str:
    """T1w, T2w, FLAIR, PDw or CT by a word of the name (as BIDS has them), else CT by air at -1000 HU, else ""."""
    words = [_WORDS[word] for word in re.split(r"[\W_]+", name.lower()) if word in _WORDS]
    if words:
        return words[-1]
    sample = data.reshape(-1)[:: max(1, data.size // 100_000)]
    return "CT" if np.mean((sample > _AIR[0]) & (sample < _AIR[1])) > 0.001 else ""
