"""PESQ and STOI of enhanced speech, by the packages of those names.

Must never know the model or the data. Neither package is needed unless its measure is asked for.
"""

import importlib
import importlib.util
import warnings
from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor

from workloads.data.files import DataError

__all__ = ["Measure", "measured", "need"]

Measure = Literal["pesq", "stoi"]

_PACKAGES: dict[Measure, str] = {"pesq": "pesq", "stoi": "pystoi"}
_WORST_PESQ = 1.0


def need(measures: Iterable[Measure], *, where: str) -> None:
    """Raises DataError where the package of a measure is not installed.

    Args:
        measures: Asked for.
        where: Key in the workload that asks, for the message.
    """
    for measure in measures:
        package = _PACKAGES[measure]
        if importlib.util.find_spec(package) is None:
            raise DataError(
                f"{where}: {measure} needs the package {package}, got none installed."
                " Install it with: pip install 'cliffsweep[speech]'"
            )


def measured(measure: Measure, estimate_BN: Tensor, clean_BN: Tensor, *, rate: int) -> Tensor:
    """Returns the measure of each signal, (batch,) float32 on the signals' device.

    Wide-band PESQ (ITU-T P.862.2) lies in about [1, 4.64]; where it finds no utterance, as in
    silence, it counts as 1, the worst. STOI lies in [0, 1] and needs 0.4 s of speech.

    Args:
        measure: Which.
        estimate_BN: (batch, samples).
        clean_BN: The same shape.
        rate: Samples a second: 16 000 for PESQ.
    """
    package = importlib.import_module(_PACKAGES[measure])
    values = []
    pairs = zip(clean_BN.detach().cpu().numpy(), estimate_BN.detach().cpu().numpy(), strict=True)
    for clean, estimate in pairs:
        if measure == "pesq":
            settings = {"mode": "wb", "on_error": package.PesqError.RETURN_VALUES}
            value = float(package.pesq(rate, clean, estimate, **settings))
            values.append(value if value >= _WORST_PESQ else _WORST_PESQ)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # too little speech gives 1e-5
                values.append(float(package.stoi(clean, estimate, rate)))
    return torch.tensor(values, dtype=torch.float32, device=estimate_BN.device)
