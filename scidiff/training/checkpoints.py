"""Checkpoints written whole or not at all: until a new one is on the disk to its last byte, the old one is there."""

import io
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from scidiff.store.atomic import whole


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's own way moves them from another disk, perhaps, and a move between disks can be cut short."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write it.

        Raises:
            UserError: the disk is full, or refuses.
        """
        buffer = io.BytesIO()  # torch's writer tells a full disk in other words than the system
        torch.save(checkpoint, buffer)
        with whole(path, overwrite=True) as temporary:
            temporary.write_bytes(buffer.getbuffer())
