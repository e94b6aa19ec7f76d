"""Lets trials take a GPU for there that their node only declares, in every Python that finds this.

Must never touch a device: what a trial trains on is a name here.
"""

import importlib.util
import sys


class Declared:
    """Finds the module that asks torch for a device, and answers in its place."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Passes on all modules but one."""
        if name != "workloads.devices":
            return None
        sys.meta_path.remove(Declared)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            module.gpu_device = lambda: "cuda:0"

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Declared)
