"""A head made of formulas: smooth ellipsoids that any grid can sample, so that tests need no one's scan."""

import numpy as np

SKIN, SKULL, FLUID, GREY, WHITE, VENTRICLE, LESION = 0.95, 0.12, 0.2, 0.55, 0.8, 0.18, 0.38
"""Intensities as a T1-weighted scan shows them."""


def head(shape: tuple[int, int, int] = (48, 52, 44), seed: int = 0) -> np.ndarray:
    """A T1-like head in air: skin, skull, fluid, folded grey and white matter, two ventricles, one lesion.

    Args:
        shape: (X, Y, Z) voxels; the head fills about nine tenths of each axis.
        seed: another anatomy: folds, tilts of the axes, place and size of the lesion.

    Returns:
        (X, Y, Z) float32 in [0, 1], edges about one voxel wide, exactly 0 in the air.
    """
    random = np.random.default_rng(seed)
    x, y, z = _grid(shape, random)
    edge = 2.0 / min(shape)  # one voxel, in half-widths of the head
    radius = np.sqrt(x**2 + y**2 + z**2)
    folds = _folds(x, y, z, random)
    image = np.zeros(shape)
    for size, value in ((0.92, SKIN), (0.86, SKULL), (0.78, FLUID)):
        image = _paint(image, size - radius, value, edge)
    image = _paint(image, 0.74 + 0.02 * folds - radius, GREY, edge)
    image = _paint(image, 0.60 + 0.07 * folds - radius, WHITE, edge)
    for side in (-1, 1):
        ventricle = np.sqrt(((x - 0.14 * side) / 0.09) ** 2 + (y / 0.3) ** 2 + ((z - 0.05) / 0.14) ** 2)
        image = _paint(image, 0.1 * (1 - ventricle), VENTRICLE, edge)
    return _paint(image, _lesion(x, y, z, random), LESION, edge).astype(np.float32)


def _grid(shape: tuple[int, int, int], random: np.random.Generator) -> list[np.ndarray]:
    """Coordinates in [-1, 1] at voxel centres, turned a little about the third axis and shifted by under a voxel."""
    axes = [(np.arange(n) + 0.5) / n * 2 - 1 + random.uniform(-0.5, 0.5) / n for n in shape]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    turn = random.uniform(-0.1, 0.1)
    return [np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y, z]


def _folds(x: np.ndarray, y: np.ndarray, z: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Waves in [-1, 1] that wrinkle the cortex."""
    p, q, r = random.uniform(0, 2 * np.pi, 3)
    return (np.sin(11 * x + p) + np.sin(10 * y + q) + np.sin(12 * z + r)) / 3


def _lesion(x: np.ndarray, y: np.ndarray, z: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Positive inside a ball in the white matter."""
    angle, size = random.uniform(0, 2 * np.pi), random.uniform(0.07, 0.11)
    a, b, c = 0.38 * np.cos(angle), 0.38 * np.sin(angle), random.uniform(-0.15, 0.15)
    return size - np.sqrt((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2)


def _paint(image: np.ndarray, inside: np.ndarray, value: float, edge: float) -> np.ndarray:
    """Cover `image` with `value` where `inside` is positive, mixing over one edge width (partial volume)."""
    share = np.clip(0.5 + inside / edge, 0, 1)
    return image + share * (value - image)
