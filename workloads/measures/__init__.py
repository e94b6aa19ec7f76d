"""Measures a model: its weights against their first values, its activations, its gradients.

Must never know what the measures are for, nor when they are due.
"""

from workloads.measures.activity import Activity
from workloads.measures.evaluation import GROUPS, Group, Groups, cheap, evaluate
from workloads.measures.weights import Weights

__all__ = ["GROUPS", "Activity", "Group", "Groups", "Weights", "cheap", "evaluate"]
