"""A network's weights as a model file holds them: in bfloat16, which is what the network multiplies by."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scidiff.store.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

SPARE = 1_000_000  # numbers of a network that its file need not hold


def packed(network: "nn.Module") -> dict[str, "Tensor"]:
    """The weights by name, to be saved."""
    return {name: value.bfloat16() for name, value in network.state_dict().items()}


@contextmanager
def no_larger(tensors: Mapping[str, "Tensor"], refusal: str) -> Iterator[None]:
    """Build a network whose sizes a stranger's file says, of which these are the weights: it may not be far larger.

    Raises:
        UserError: it is, which `refusal` says; nothing of that size was filled.
    """
    from torch.nn.modules import module

    left = SPARE + 2 * sum(tensor.numel() for tensor in tensors.values())

    def count(owner: "nn.Module", name: str, value: "Tensor | None") -> None:
        nonlocal left
        left -= 0 if value is None else value.numel()
        if left < 0:
            raise UserError(refusal)

    hooks = [module.register_module_parameter_registration_hook(count)]
    hooks.append(module.register_module_buffer_registration_hook(count))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def fill(network: "nn.Module", tensors: Mapping[str, "Tensor"], refusal: str) -> None:
    """Give a network the weights of a model file.

    Raises:
        UserError: they are of another network, which `refusal` says.
    """
    try:
        network.load_state_dict({name: value.float() for name, value in tensors.items()})
    except RuntimeError as error:
        raise UserError(refusal) from error
