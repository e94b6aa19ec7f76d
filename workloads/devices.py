"""Names the device that a trial trains on.

Must never know who gives devices out.
"""

import torch

__all__ = ["gpu_device", "gpus"]


def gpu_device() -> str:
    """Returns torch's name of the first GPU that this process may use.

    Raises:
        RuntimeError: torch sees none.
    """
    if not torch.cuda.is_available():
        raise RuntimeError(
            "gpu: a trial with resources.gpu > 0 needs a device that torch can use, got none."
            " Install torch with CUDA on this worker, or run with --gpu 0."
        )
    return "cuda:0"


def gpus() -> list[str]:
    """Names of the GPUs that torch sees."""
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
