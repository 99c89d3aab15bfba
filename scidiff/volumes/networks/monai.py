"""MONAI's DiffusionModelUNet called as our networks are. Every name of MONAI's networks that we use is in this file.

The network (Pinaya et al. 2023, arxiv.org/abs/2307.15208, after Rombach et al. 2022, arxiv.org/abs/2112.10752) works on
the full grid and, in its middle, always attends: we ask for the streamed form, MONAI's default is the full matrix.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from scidiff.engine.estimate import Estimate
from scidiff.engine.state import State
from scidiff.store.errors import UserError
from scidiff.volumes.networks.frame import channels, crop, pad

TIMES = 1000.0  # MONAI counts steps from 0 to 1000


class MonaiUNet(nn.Module):
    """Raw output for the part image (B, 1, X, Y, Z), of any size.

    Its group norms and its attention see the whole input: windows do not agree with the whole.

    Args:
        given: what the state's context holds for the network, name -> channels; as `frame.channels` takes it.
        widths: channels of each level, multiples of `groups`; every level halves the grid of the one before.
        blocks: residual blocks a level.
        attention: whether each level attends; nowhere if none is given (the middle always does).
        groups: of the group norms. One channel a group, which MONAI's own 32 makes of 32 channels, would take the mean
            of every channel away, and with it a noise level.
        head: channels of an attention head.
        streamed: attention without its full matrix, which holds the square of the cells.

    Raises:
        UserError: MONAI or its optional package einops is not installed.
        ValueError: widths that are no multiples of `groups`, or one `attention` too many or few.
    """

    def __init__(
        self,
        given: Mapping[str, int] | None = None,
        widths: Sequence[int] = (32, 64, 64),
        blocks: int = 1,
        attention: Sequence[bool] | None = None,
        groups: int = 8,
        head: int = 32,
        streamed: bool = True,
    ) -> None:
        super().__init__()
        self.given, self.multiple = dict(given or {}), 2 ** (len(widths) - 1)
        self.inner = _unet(
            spatial_dims=3,
            in_channels=1 + sum(self.given.values()),
            out_channels=1,
            channels=tuple(widths),
            num_res_blocks=blocks,
            attention_levels=tuple(attention or [False] * len(widths)),
            norm_num_groups=groups,
            num_head_channels=head,
            use_flash_attention=streamed,
        )

    def forward(self, state: State, t: Tensor, last: Estimate | None = None) -> dict[str, Tensor]:
        """As `UNet.forward`."""
        x = pad(channels(state, self.given), self.multiple).contiguous(memory_format=torch.channels_last_3d)
        return {"image": crop(self.inner(x, TIMES * t), state["image"].shape[2:])}


def _unet(**arguments: Any) -> nn.Module:
    try:
        from monai.networks.nets import DiffusionModelUNet

        return DiffusionModelUNet(**arguments)
    except ImportError as error:  # MONAI's own OptionalImportError is one
        missing = "einops" if "einops" in str(error) else "monai"
        raise UserError(
            f"network=monai needs the package '{missing}', which is not installed: pip install {missing}."
        ) from error
