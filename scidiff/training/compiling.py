"""torch.compile in place: weights keep their names, so that files, checkpoints and averages are the same with it.

True compiles the repeated block, once for all blocks and, as sizes change from step to step, for all sizes: to compile
each of QM9's sizes by itself would take longer than a short run. "cudagraphs" compiles the network as a whole and
replays each shape as one graph, which pays where to start a step's kernels takes longer than they do.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from scidiff.engine import noise, objective
from scidiff.store.errors import UserError

CHOICES = (None, True, False, "cudagraphs")
KINDS = 64  # versions of a block that are kept: with and without gradients, of one sample, of one shape, of any


def decided(how: Any, device: torch.device) -> bool | str:
    """What `compile` says; where it says nothing, blocks are compiled on a GPU whose compiler works.

    Raises:
        UserError: it says something else.
    """
    if how not in CHOICES or (how is not None and not isinstance(how, bool | str)):
        raise UserError(f"compile={how}: expected true, false, cudagraphs, or null to leave it to the device.")
    if how is None:
        return device.type == "cuda" and works(device)
    return how


def works(device: torch.device) -> bool:
    """Whether anything can be compiled here: it takes a C compiler beside torch."""
    try:
        torch.compile(lambda x: x + 1)(torch.zeros(2, device=device))
    except Exception:  # whatever a broken tool chain raises
        return False
    return True


def compile_in_place(network: nn.Module, how: bool | str, device: torch.device) -> None:
    """Compile a network, and on a GPU the drawing of noise and times, hundreds of small kernels otherwise."""
    if not how:
        return
    torch._dynamo.config.recompile_limit = KINDS
    if how == "cudagraphs":
        network.compile(mode="reduce-overhead")
    else:
        for block in repeated(network):  # of unknown sizes torch 2.13 writes C++ that does not compile
            block.compile(dynamic=False if device.type == "cpu" else None)
    if device.type == "cuda" and not hasattr(noise.philox, "_torchdynamo_orig_callable"):
        noise.philox = torch.compile(noise.philox, dynamic=True)  # whole numbers: the same to the bit
        objective.time_of = torch.compile(objective.time_of, dynamic=True)


def repeated(network: nn.Module) -> Iterator[nn.Module]:
    """The members of the outermost lists of a network; itself where it has none."""
    found = list(_members(network))
    yield from found or [network]


def _members(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(child, nn.ModuleList):
            yield from child
        else:
            yield from _members(child)
