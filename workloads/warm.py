"""Imports torch as training will need it, at a moment of the caller's choice.

Every optimizer imports torch's compiler at its first step, a second in the middle of training.
"""

import torch
import torch._dynamo

__all__ = ["torch"]
