"""A network's weights as a model file holds them: in bfloat16, which is what the network multiplies by."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from scidiff.store.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn


def packed(network: "nn.Module") -> dict[str, "Tensor"]:
    """The weights by name, to be saved."""
    return {name: value.bfloat16() for name, value in network.state_dict().items()}


def fill(network: "nn.Module", tensors: Mapping[str, "Tensor"], refusal: str) -> None:
    """Give a network the weights of a model file.

    Raises:
        UserError: they are of another network, which `refusal` says.
    """
    try:
        network.load_state_dict({name: value.float() for name, value in tensors.items()})
    except RuntimeError as error:
        raise UserError(refusal) from error
