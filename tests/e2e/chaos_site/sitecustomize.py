"""Puts the shim of `chaos_shim` under every store of this process, driver and workers alike.

Python imports this file at its start wherever the folder stands on PYTHONPATH, so the product needs
no door for it. Does nothing unless CHAOS_PLAN names the file that says what to do.
"""

import importlib.machinery
import os
import sys


class _Finder:
    """Finds `results.store` where everybody does, and puts the shim under it once it is loaded."""

    def find_spec(self, name, path=None, target=None):
        if name != "results.store":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def exec_module(module):
            import chaos_shim

            load(module)
            chaos_shim.install(module.Store, plan=os.environ["CHAOS_PLAN"])

        spec.loader.exec_module = exec_module
        return spec


if os.environ.get("CHAOS_PLAN"):
    sys.meta_path.insert(0, _Finder())
