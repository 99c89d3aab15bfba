"""Where the patient is: the largest piece brighter than the background, its holes filled.

Otsu's threshold (1979, doi 10.1109/TSMC.1979.4310076) is taken on the square root of the smoothed intensities above
the least one. On intensities themselves it falls between dark and bright tissue, and loses a third of a head; the root
makes the noise of the background and the texture of tissue alike in size.
"""

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from scidiff.volumes.volume import Volume

_SMOOTHING = 1.0  # voxels
_BRIGHTEST = 99.5  # percentile; metal, vessels and spikes beyond it would draw the threshold to themselves
_STRIPPED = 0.2  # share of voxels at exactly the least value that says someone has masked the scan
_ALIKE = 1.1  # a masked scan's edge is trusted when what it leaves is hardly more than what is bright


def foreground(volume: Volume) -> np.ndarray:
    """(X, Y, Z) bool: head or body, air inside it included, background and table not.

    Where the background was set to one value (a skull-stripped brain) the mask follows that edge exactly.
    """
    codes = volume.orientation
    along = next((axis for axis, code in enumerate(codes) if code in "SI"), 2)
    return foreground_of(volume.data, along)


def foreground_of(data: np.ndarray, along: int = 2) -> np.ndarray:
    """The same for bare intensities (X, Y, Z).

    Args:
        along: the axis from feet to head. Holes are filled slice by slice across it, since lungs that a scan cuts off
            are open at its ends.

    Raises:
        ValueError: all intensities are alike.
    """
    if data.min() == data.max():
        raise ValueError("a constant volume has no foreground")
    smooth = ndimage.gaussian_filter(np.asarray(data, dtype=np.float32), _SMOOTHING)
    root = np.sqrt(np.minimum(smooth, np.percentile(smooth, _BRIGHTEST)) - smooth.min())
    bright = _piece(root > threshold_otsu(root.ravel()), along)  # flat: it takes three slices for colours
    kept = data != data.min()
    if kept.mean() > 1 - _STRIPPED:
        return bright
    kept = _piece(kept, along)
    return kept if kept.sum() <= _ALIKE * bright.sum() else bright


def _piece(mask: np.ndarray, along: int) -> np.ndarray:
    """The largest connected piece, its holes filled."""
    pieces, _ = ndimage.label(mask)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return _filled(pieces == sizes.argmax(), along)


def _filled(mask: np.ndarray, along: int) -> np.ndarray:
    """The mask and all that it encloses within a slice, which is more than all that it encloses in space."""
    in_plane = ndimage.generate_binary_structure(3, 1)
    in_plane[tuple(slice(None, None, 2) if axis == along else slice(None) for axis in range(3))] = False
    outside, count = ndimage.label(~mask, in_plane)
    reached = np.zeros(count + 1, dtype=bool)
    for axis in set(range(3)) - {along}:
        reached[np.take(outside, [0, -1], axis)] = True
    reached[0] = False
    return ~reached[outside]
