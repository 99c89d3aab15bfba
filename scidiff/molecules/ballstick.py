"""Balls and sticks: a molecule in three dimensions as an image, drawn with a depth buffer in numpy.

Every ball and every stick is intersected exactly with one viewing ray a pixel (orthographic, after a perspective
scaling of places and radii). Two passes over the depth then make it readable: a point behind its surroundings is
darkened, the unsharp mask of the depth buffer (Luft, Colditz, Deussen 2006, doi 10.1145/1141911.1142016), and far atoms
fade towards the paper.
"""

from dataclasses import dataclass

import numpy as np

from scidiff.molecules.molecule import Molecule

PAPER = np.array([252, 252, 250]) / 255
BALL = {1: 0.25, 6: 0.36, 7: 0.36, 8: 0.36, 9: 0.33}  # Angstrom, by atomic number
OTHER_BALL = 0.44
STICKS = {1: (0.0,), 2: (-0.115, 0.115), 3: (-0.17, 0.0, 0.17)}  # Angstrom off the bond's axis, by bond order
STICK_RADIUS = {1: 0.105, 2: 0.07, 3: 0.055}
EYE = 15.0  # Angstrom from the molecule's centre, and further from a deep one
KEY_LIGHT = np.array([-0.45, 0.55, 0.70]) / np.linalg.norm([-0.45, 0.55, 0.70])
FILL_LIGHT = np.array([0.70, -0.20, 0.68]) / np.linalg.norm([0.70, -0.20, 0.68])
COLOURS = {
    1: "#eef0f2",
    5: "#f0a58f",
    6: "#68707c",
    7: "#3d6bd8",
    8: "#dc3a34",
    9: "#5dbf7a",
    14: "#d9b48a",
    15: "#ee8a26",
    16: "#e8c22e",
    17: "#35b44a",
    34: "#e8a13a",
    35: "#9c4a2c",
    53: "#8a3fb0",
}
OTHER_COLOUR = "#c65c9e"


def colour(number: int) -> np.ndarray:
    """Red, green and blue in [0, 1] for an atomic number, after the usual convention (Corey, Pauling, Koltun)."""
    code = COLOURS.get(int(number), OTHER_COLOUR)
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def draw(molecule: Molecule, width: int, height: int, closest: float = 46.0, sharpness: int = 3) -> np.ndarray:
    """Draw a molecule along its principal axes.

    Args:
        molecule: with bonds, or the atoms alone are drawn.
        width, height: of the image, in pixels.
        closest: the most pixels an Angstrom may take, so that small molecules stay small.
        sharpness: rays per pixel and direction.

    Returns:
        (height, width, 3) uint8; blank paper where a coordinate is not a finite number.
    """
    canvas = _Canvas.blank(width * sharpness, height * sharpness)
    if not np.isfinite(molecule.positions).all():
        return canvas.develop(1.0, sharpness)
    places = _facing(molecule)
    eye = max(EYE, 3 * places[:, 2].max())
    nearness = eye / (eye - places[:, 2])
    centres = places * np.column_stack([nearness, nearness, np.ones_like(nearness)])
    radii = np.array([BALL.get(int(number), OTHER_BALL) for number in molecule.numbers]) * nearness
    scale = _fit(centres, radii, width, height, closest) * sharpness
    shift = np.array([canvas.depth.shape[1], canvas.depth.shape[0], 0]) / 2
    points = centres * scale + shift
    colours = np.array([colour(number) for number in molecule.numbers])
    for point, radius, shade in zip(points, radii * scale, colours, strict=True):
        canvas.ball(point, radius, shade)
    for i, j, order in molecule.bonds if molecule.bonds is not None else ():
        pair = [i, j]
        _sticks(canvas, points[pair], colours[pair], int(order), scale * nearness[pair].mean())
    return canvas.develop(scale, sharpness)


def _facing(molecule: Molecule) -> np.ndarray:
    """(n, 3) positions with the longest axis across, the thinnest towards the eye, then tilted a little for depth."""
    positions = np.asarray(molecule.positions, dtype=float)
    positions = positions - positions.mean(0)
    weights = np.where(np.asarray(molecule.numbers) > 1, 3.0, 1.0)[:, None]
    axes = np.linalg.svd((positions - (weights * positions).sum(0) / weights.sum()) * np.sqrt(weights))[2]
    axes[2] *= np.sign(np.linalg.det(axes))  # a rotation: a mirror image would be another molecule
    turned = positions @ axes.T @ _rotation(1, 0.28).T @ _rotation(0, 0.38).T
    return turned - (turned.max(0) + turned.min(0)) / 2


def _rotation(axis: int, angle: float) -> np.ndarray:
    first, second = [k for k in range(3) if k != axis]
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def _fit(centres: np.ndarray, radii: np.ndarray, width: int, height: int, closest: float) -> float:
    reach = (np.abs(centres[:, :2]) + radii[:, None]).max(0)
    return min(0.46 * width / reach[0], 0.46 * height / reach[1], closest)


def _sticks(canvas: "_Canvas", ends: np.ndarray, colours: np.ndarray, order: int, scale: float) -> None:
    """One stick for each line of the bond, side by side as the eye sees them."""
    along = ends[1] - ends[0]
    across = np.array([-along[1], along[0], 0.0])
    across = across / max(np.linalg.norm(across), 1e-6)
    for offset in STICKS.get(order, STICKS[1]):
        canvas.stick(ends + across * offset * scale, STICK_RADIUS.get(order, STICK_RADIUS[1]) * scale, colours)


@dataclass
class _Canvas:
    """Pixels while they are drawn; y points up until the end.

    Attributes:
        depth: (height, width) of the nearest surface, larger is nearer, -inf on the paper.
        normal: (height, width, 3) of that surface.
        albedo: (height, width, 3) its colour.
    """

    depth: np.ndarray
    normal: np.ndarray
    albedo: np.ndarray

    @classmethod
    def blank(cls, width: int, height: int) -> "_Canvas":
        return cls(np.full((height, width), -np.inf), np.zeros((height, width, 3)), np.tile(PAPER, (height, width, 1)))

    def ball(self, centre: np.ndarray, radius: float, shade: np.ndarray) -> None:
        """Draw a sphere: centre and radius in pixels."""
        window, x, y = self._window(centre - radius, centre + radius)
        dx, dy = (x - centre[0]) / radius, (y - centre[1]) / radius
        dz = np.sqrt(np.maximum(1 - dx**2 - dy**2, 0))
        normal = np.stack(np.broadcast_arrays(dx, dy, dz), -1)
        self._cover(window, dx**2 + dy**2 < 1, centre[2] + radius * dz, normal, shade)

    def stick(self, ends: np.ndarray, radius: float, colours: np.ndarray) -> None:
        """Draw a cylinder between two (3,) ends, each half in its own colour.

        With the axis d, a point p on the pixel's ray and the ray's direction v = (0, 0, 1), the surface is at the
        larger root u of |p' + u v'|^2 = radius^2, a prime being the part across the axis.
        """
        length = np.linalg.norm(ends[1] - ends[0])
        d = (ends[1] - ends[0]) / length
        across = 1 - d[2] ** 2
        if across < 1e-4:  # seen end on: its ball hides it
            return
        window, x, y = self._window(ends.min(0) - radius, ends.max(0) + radius)
        p = np.stack([*np.broadcast_arrays(x - ends[0, 0], y - ends[0, 1]), np.zeros((len(y), x.shape[1]))], -1)
        p_across = p - (p @ d)[..., None] * d
        v_across = np.array([0, 0, 1]) - d[2] * d
        half = p_across @ v_across
        root = half**2 - across * ((p_across**2).sum(-1) - radius**2)
        u = (np.sqrt(np.maximum(root, 0)) - half) / across
        reach = p @ d + u * d[2]
        hit = (root > 0) & (reach > 0) & (reach < length)
        normal = (p_across + u[..., None] * v_across) / radius
        shade = np.where((reach < length / 2)[..., None], colours[0], colours[1])
        self._cover(window, hit, ends[0, 2] + u, normal, shade)

    def _window(self, low: np.ndarray, high: np.ndarray) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
        height, width = self.depth.shape
        x0, y0 = np.clip(np.floor(low[:2]).astype(int), 0, [width, height])
        x1, y1 = np.clip(np.ceil(high[:2]).astype(int) + 1, 0, [width, height])
        return (slice(y0, y1), slice(x0, x1)), np.arange(x0, x1)[None] + 0.5, np.arange(y0, y1)[:, None] + 0.5

    def _cover(self, window: tuple, hit: np.ndarray, depth: np.ndarray, normal: np.ndarray, shade: np.ndarray) -> None:
        nearer = hit & (depth > self.depth[window])
        self.depth[window][nearer] = depth[nearer]
        self.normal[window][nearer] = normal[nearer]
        self.albedo[window][nearer] = np.broadcast_to(shade, normal.shape)[nearer]

    def develop(self, scale: float, sharpness: int) -> np.ndarray:
        """Light the surfaces and reduce to the final size; `scale` is pixels an Angstrom."""
        solid = np.isfinite(self.depth)
        image = np.where(solid[..., None], self._lit(), PAPER)
        image = image * self._occlusion(solid, scale)[..., None]
        height, width = solid.shape[0] // sharpness, solid.shape[1] // sharpness
        small = image.reshape(height, sharpness, width, sharpness, 3).mean((1, 3))
        return (np.clip(small[::-1], 0, 1) * 255 + 0.5).astype(np.uint8)

    def _lit(self) -> np.ndarray:
        """(height, width, 3) colours under a key light, a weaker fill and a small highlight."""
        key = np.maximum(self.normal @ KEY_LIGHT, 0)
        fill = np.maximum(self.normal @ FILL_LIGHT, 0)
        halfway = KEY_LIGHT + np.array([0, 0, 1])
        gloss = np.maximum(self.normal @ (halfway / np.linalg.norm(halfway)), 0)
        edge = np.clip(self.normal[..., 2] / 0.35, 0, 1)  # turning away: a soft outline
        light = (0.46 + 0.52 * key + 0.14 * fill) * (0.62 + 0.38 * edge)
        return self.albedo * light[..., None] + (0.34 * gloss**38 + 0.07 * gloss**6)[..., None]

    def _occlusion(self, solid: np.ndarray, scale: float) -> np.ndarray:
        """(height, width) factor in (0, 1]: how little of the surroundings stands in front of each pixel."""
        floor = self.depth[solid].min() - 1.2 * scale if solid.any() else 0.0
        depth = np.where(solid, self.depth, floor) / scale
        behind = np.maximum(_blur(depth, round(0.30 * scale)) - depth, 0)
        fade = np.where(solid, 0.30, 0.055) * np.minimum(behind, 1.6)
        return 1 - np.minimum(fade, 0.45)


def _blur(image: np.ndarray, radius: int) -> np.ndarray:
    """Three box means in each direction: nearly a Gaussian."""
    for axis in (0, 1):
        for _ in range(3):
            padded = np.pad(image, [(radius + 1, radius) if k == axis else (0, 0) for k in (0, 1)], mode="edge")
            total = np.cumsum(padded, axis)
            size = 2 * radius + 1
            ahead, back = (total[size:], total[:-size]) if axis == 0 else (total[:, size:], total[:, :-size])
            image = (ahead - back) / size
    return image
