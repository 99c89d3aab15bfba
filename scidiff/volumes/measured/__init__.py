"""Measured data in: k-space and sinograms from .npz files, as problems in units of [0, 1] and back.

A file is what `numpy.savez` writes. Whatever is not marked with * may be left out, and can be given by the caller.

MRI
    kspace*         complex: coils x X x Y x Z, X x Y x Z, coils x Y x Z or Y x Z (2D data have X = 1)
    mask*           0 and 1, what was sampled; any shape that broadcasts to X x Y x Z, or all of kspace's
    maps            complex coil sensitivities, shaped as kspace
    axes            which of the axes 0, 1, 2 are Fourier transformed (found when not given)
    coils           whether the first of three axes is coils (found)
    centred         true: the centre of k-space and of the image is index n // 2; false: index 0 (found)

CT
    sinogram*       views x detectors, or views x detectors x slices: line integrals, -log(I / I_0)
    angles*         degrees, one a view; 0 projects along the slice's second axis
    pitch           width of a detector, 1 when not given
    fan             distances from the source to the centre and to the detector; parallel rays when not given
    shape, axis     voxels of a slice (what the detectors see) and the axis of the slices (2)
    mu_water        attenuation of water; with it the answer is in HU

both
    sigma           noise of one number, E |e|^2 = sigma^2 (estimated)
    affine          (4, 4), or `spacing` in mm (1; for CT what a detector sees at the centre)
"""

from scidiff.volumes.measured.kspace import read_kspace
from scidiff.volumes.measured.record import Measured
from scidiff.volumes.measured.sinogram import read_sinogram

__all__ = ["Measured", "read_kspace", "read_sinogram"]
