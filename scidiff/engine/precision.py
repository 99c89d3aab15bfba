"""The network's arithmetic: as fast as the machine multiplies without loss that would show."""

import torch


def fast_precision() -> torch.dtype | None:
    """bfloat16 where the machine multiplies in it, else none: float32."""
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else None
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return torch.bfloat16 if native() else None
