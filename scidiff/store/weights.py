"""A network's weights as a model file holds them: in bfloat16, which is what the network multiplies by."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from scidiff.store.errors import UserError
from scidiff.store.model import load_model

if TYPE_CHECKING:
    from torch import Tensor, nn


class _Model(Protocol):
    @property
    def network(self) -> "nn.Module": ...


Model = TypeVar("Model", bound=_Model)

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


def revived(path: str | Path, domain: str, create: Callable[[Mapping[str, Any]], Model]) -> Model:
    """A model from its file, ready to be used.

    Args:
        domain: what it must be a model of.
        create: makes one, its weights as they come, of a header.

    Raises:
        UserError: it is a model of something else, or its tensors do not fit its network.
    """
    tensors, header = load_model(path)
    if header["domain"] != domain:
        raise UserError(f"{path} is a model of {header['domain']}, not of {domain}.")
    refusal = f"The tensors of {path} do not fit the network that its header describes."
    with no_larger(tensors, refusal):
        model = create({"name": Path(path).stem, **header})
    fill(model.network, tensors, refusal)
    model.network.eval()
    return model


def fill(network: "nn.Module", tensors: Mapping[str, "Tensor"], refusal: str) -> None:
    """Give a network the weights of a model file.

    Raises:
        UserError: they are of another network, which `refusal` says.
    """
    try:
        network.load_state_dict({name: value.float() for name, value in tensors.items()})
    except RuntimeError as error:
        raise UserError(refusal) from error
