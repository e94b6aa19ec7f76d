"""Names the device that a trial trains on.

Must never know who gives devices out.
"""

import torch

__all__ = ["check_count", "gpu_device", "gpus"]


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


def check_count(wanted: int) -> None:
    """Finds out before anything starts that there are fewer GPUs than one training is to use.

    Raises:
        RuntimeError: there are.
    """
    seen = torch.cuda.device_count()
    if seen < wanted:
        raise RuntimeError(
            f"gpu: a trial with resources.gpu {wanted} needs that many devices that torch can use,"
            f" got {seen}. Run with --gpu {max(seen, 1)}, or look at CUDA_VISIBLE_DEVICES."
        )


def gpus() -> list[str]:
    """Names of the GPUs that torch sees."""
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
