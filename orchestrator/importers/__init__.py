"""The formats of sweep definitions that can be imported; each is a file here. None reads a file.

Each holds `read(given, *, stem) -> Draft`: `given` are the keys of another tool's file, `stem` is
that file's name without its ending. It raises InputError where the keys are no such definition.
"""
