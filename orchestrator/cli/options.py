"""The options that several verbs share, each defined once.

Knows nothing of what the verbs do with them.
"""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = [
    "Address",
    "AsJson",
    "Cpu",
    "Data",
    "Gpu",
    "Inline",
    "JobAddress",
    "Kinds",
    "Name",
    "Only",
    "Overrides",
    "Quiet",
    "Steal",
    "Storage",
    "SweepFile",
]

SweepFile = Annotated[str, typer.Argument(metavar="SWEEP.yaml", help="The sweep file.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a sweep; `ls` shows them.")]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="DIR",
        help="Where run directories stand, a folder or s3://bucket/prefix; over"
        " CLIFFSWEEP_STORAGE, over the cluster's, over the sweep file's.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kinds", metavar="DIR", help="Folder with kinds of your own; may be repeated."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Inline = Annotated[
    bool, typer.Option("--inline", help="In this process, one after another, without Ray.")
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address", metavar="HOST:PORT", help="A running Ray cluster, or its configured name."
    ),
]
JobAddress = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="URL",
        help="A cluster's job endpoint, http://HOST:8265, or its configured name.",
    ),
]
Gpu = Annotated[
    float | None,
    typer.Option("--gpu", metavar="N", min=0, help="GPUs of a trial; may be a fraction."),
]
Cpu = Annotated[
    float | None, typer.Option("--cpu", metavar="N", min=0.001, help="Cores of a trial.")
]
Data = Annotated[
    str | None, typer.Option("--data", metavar="DIR", help="Folder of the full data sets.")
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="TRIAL", help="Run this trial alone; may be repeated."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "-P",
        "--override",
        metavar="NAME=VALUES",
        help="Make or change an axis: -P activation.share=0.5,0.9; may be repeated.",
    ),
]
Steal = Annotated[
    bool,
    typer.Option(
        "--steal",
        help="Take over from a driver that hangs or cannot be reached; it starts no more.",
    ),
]
