"""How much memory training takes, known before it begins.

    preparing = 0.4 GB + the largest of 1000 x voxels of a slab, 300 x voxels of a cube, 40 x voxels of a scan
    held = 2 bytes x 3 arrays x voxels of all examples, and their masks
    step = voxels of a batch x (1.7 a + 100) + 20 parameters + 0.2 GB

a: bytes a voxel that autograd keeps of the network, found by showing it two small patches, and one. 1.7 and 100 come
from the peaks of whole steps on a CPU, batches of 1 to 8 patches of 48^3; in bytes a voxel, 1.7 a + 100 in brackets:

    network              a      peak
    unet3d, bfloat16    246   387 to 446    (518)
    unet3d, float32     488   655 to 678    (930)
    unet3d of width 16  132      305        (324)
    blocks 3, 2, 2      350      559        (695)
    monai              2581     4157       (4488)

20 bytes a parameter are weight, gradient, average and AdamW's two; 0.2 GB are for what single convolutions work on.
A process took 0.23 GB for its libraries, and for a piece of 24 x 96 x 96 at most, a voxel: 890 bytes for MRI of six
coils, 812 for CT of 90 views, which then keeps some of its matrices, 297 for superres, 129 for denoise.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn

from scidiff.engine.precision import fast_precision
from scidiff.engine.state import State
from scidiff.volumes.learning.bank import CUBE, SLAB
from scidiff.volumes.learning.degrade import PLANAR, Shape
from scidiff.volumes.problem import context, nothing

PEAK, BATCH, PARAMETER, WORK = 1.7, 100, 20, 2e8
LIBRARIES, IN_SLAB, IN_CUBE, IN_SCAN = 4e8, 1000, 300, 40


def preparing(shapes: Sequence[Shape], tasks: Sequence[str]) -> float:
    """Bytes that a process takes which makes examples of scans of these shapes, one after the other."""
    pieces = [(IN_SLAB if task in PLANAR else IN_CUBE) * _voxels(shape, task) for shape in shapes for task in tasks]
    return LIBRARIES + max(*pieces, *(IN_SCAN * math.prod(shape) for shape in shapes))


def held(shapes: Sequence[Shape], tasks: Sequence[str], draws: int) -> float:
    """Bytes of all examples of scans of these shapes, at most."""
    return draws * sum(_voxels(shape, task) * (7 if task == "inpaint" else 6) for shape in shapes for task in tasks)


def _voxels(shape: Shape, task: str) -> int:
    """Of a piece, at most: the axis across the slices of a slab is a random one."""
    if task in PLANAR:
        return max(math.prod(shape) // n * min(n, SLAB) for n in shape)
    return math.prod(min(n, CUBE) for n in shape)


def step(network: nn.Module, voxels: float) -> float:
    """Bytes that a training step on so many voxels takes."""
    parameters = sum(p.numel() for p in network.parameters())
    return voxels * (PEAK * kept(network) + BATCH) + PARAMETER * parameters + WORK


def kept(network: nn.Module) -> float:
    """a: bytes a voxel that autograd keeps for the way back, in the arithmetic that is trained in."""
    side = max(16, getattr(network, "multiple", 1))
    return (_kept(network, 2, side) - _kept(network, 1, side)) / side**3


def _kept(network: nn.Module, count: int, side: int) -> int:
    found: dict[int, torch.UntypedStorage] = {}  # kept alive until all are counted, so that no address comes twice

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = storage
        return tensor

    image, precision = torch.zeros(count, 1, side, side, side), fast_precision()
    state = State({"image": image}, context=context(nothing(image), 1.0))
    with (
        torch.enable_grad(),
        torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
        torch.autocast("cpu", dtype=precision, enabled=precision is not None),
    ):
        network(state, torch.ones(count), None)
    return sum(storage.nbytes() for storage in found.values())
