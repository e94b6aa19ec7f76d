"""What the store costs beside its peers: rows going in, answers coming out, and how soon.

    python tests/benchmarks/store.py [--quick] [--part ingest|query|fresh] [--folder DIR]
                                     [--json FILE]

It prints figures side by side and asserts nothing. Peers that are not installed are named. What
takes long to make (100 million rows: about 4 minutes, 1 to 2 GB) stays in DIR and is used again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Spawned processes import the modules beside this one by name, and `results` from the checkout.
sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import store_data
import store_fresh
import store_ingest
import store_peers
import store_query
from store_data import Size

PARTS = ("ingest", "query", "fresh")
CELLS, MANY = Size("cells", 79, 1000), Size("many", 10_000, 20)
LONG, LARGE = Size("long", 20, 25_000), Size("large", 1000, 25_000)
QUICK_CELLS, QUICK_MANY = Size("cells", 24, 100), Size("many", 200, 20)
QUICK_LARGE = Size("large", 20, 2500)
SIZES = {
    False: {CELLS: ("mlflow", "optuna"), MANY: ("mlflow", "optuna"), LONG: ("mlflow",), LARGE: ()},
    True: {QUICK_CELLS: ("mlflow", "optuna"), QUICK_MANY: (), QUICK_LARGE: ()},
}
"""Whether it has to be quick -> size -> the peers that bear it."""


def ingest(*, quick: bool) -> dict[str, Any]:
    """Part (a): each peer in a process of its own."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for peer in store_ingest.PEERS:
            own = Path(folder) / peer
            own.mkdir()
            there = store_ingest.is_there(peer)
            seconds = 0.3 if quick else 10.0
            values = {"peer": peer, "folder": str(own), "seconds": seconds}
            found[peer] = store_query.inner("ingest", **values) if there else None
    store_ingest.report(found)
    return found


def query(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Part (b): every size, loose and compacted, beside the peers that bear it.

    The largest is compacted only: as loose files it would take another gigabyte.
    """
    times = 1 if quick else 3
    found: dict[str, Any] = {}
    for size, names in SIZES[quick].items():
        beside = peers(folder, size, names, quick=quick, times=times)
        roots = {}
        if size.name != "large":
            roots["loose"] = store_data.build(folder, size)
        roots["compacted"] = store_data.build_compacted(folder, size, keep=size.name != "large")
        for state, root in roots.items():
            title = f"{size.title}, {state}"
            if root is None:
                print(f"\nQueries: {title}: nothing here can compact")
                continue
            processes = not quick or (size is QUICK_CELLS and state == "compacted")
            ours = store_query.measure_ours(root, size, times=times, processes=processes)
            found[title] = {"cliffsweep": ours, **beside}
            store_query.report(title, found[title])
    return found


def peers(
    folder: Path, size: Size, names: tuple[str, ...], *, quick: bool, times: int
) -> dict[str, Any]:
    """What the peers answer at this size."""
    found = {}
    for peer in names:
        if find_spec(peer) is None:
            print(f"\n{peer}: not installed (pip install 'cliffsweep[bench]')")
            continue
        what = {"peer": peer, "size": [size.name, size.trials, size.steps]}
        budget = 1.0 if quick else 120.0
        made = store_query.inner("build", **what, folder=str(folder), seconds=budget)
        label = peer if made["trials"] == size.trials else f"{peer}, {made['trials']} trials"
        file = Path(made["file"])
        found[label] = store_query.measure_peer(store_query.inner, peer, file, times=times)
    return found


def build_peer(peer: str, size: Size, folder: Path, *, seconds: float) -> dict[str, Any]:
    """Makes a peer's database and says how many trials are in it."""
    if peer == "mlflow":
        return {"file": str(store_peers.build_mlflow(folder, size)), "trials": size.trials}
    file, trials = store_peers.build_optuna(folder, size, seconds=seconds)
    return {"file": str(file), "trials": trials}


def inner(values: dict[str, Any]) -> dict[str, Any] | None:
    """One part in this process, for `store_query.inner`."""
    do = values.pop("do")
    if do == "write":
        store_fresh.write(Path(values["root"]), rows=values["rows"])
        return None
    # What peers print is not the answer.
    with redirect_stdout(sys.stderr):
        if do == "ingest":
            return store_ingest.measure(
                values["peer"], Path(values["folder"]), seconds=values["seconds"]
            )
        if do == "build":
            size, folder = Size(*values["size"]), Path(values["folder"])
            return build_peer(values["peer"], size, folder, seconds=values["seconds"])
        return store_peers.ask_peer(
            values["peer"],
            Path(values["file"]),
            question=values.get("question"),
            times=values["times"],
        )


def main() -> None:
    """Runs the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, within a minute")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    parser.add_argument("--part", choices=PARTS, action="append", help="may be repeated")
    parser.add_argument("--folder", type=Path, help="keeps what was made, to be used again")
    parser.add_argument("--inner", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inner:
        found = inner(json.loads(given.inner))
        if found is not None:
            print(json.dumps(found))
        return
    os.environ["CLIFFSWEEP_STORAGE"] = ""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        for part in given.part or PARTS:
            if part == "ingest":
                figures[part] = ingest(quick=given.quick)
            elif part == "query":
                figures[part] = query(folder, quick=given.quick)
            else:
                with tempfile.TemporaryDirectory() as own:
                    figures[part] = store_fresh.measure(Path(own), rows=8 if given.quick else 40)
                store_fresh.report(figures[part])
    if given.json:
        Path(given.json).write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
