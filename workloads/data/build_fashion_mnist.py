"""Rebuilds the shipped images: `python -m workloads.data.build_fashion_mnist [--source FOLDER]`.

Must never know how the images are normalised or fed.

Source: the four IDX files of Fashion-MNIST, Debian package `dataset-fashion-mnist`. The subset is
the first 1 000 training and the first 200 test images of each of the 10 classes, class by class
(neighbours of one class compress better), again as four IDX files. Without root:
`apt-get download dataset-fashion-mnist && dpkg-deb -x dataset-fashion-mnist_*.deb images`, then
`--source images/usr/share/datasets/fashion-mnist`.
"""

import argparse
from pathlib import Path

import numpy as np

from workloads.data.files import read_idx, verify, write_idx

__all__ = ["FOLDER", "FULL", "NAMES", "REBUILD", "SHIPPED", "build"]

FOLDER = Path(__file__).parent / "fashion_mnist"
REBUILD = "Reinstall, or rebuild it with: python -m workloads.data.build_fashion_mnist"
NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
FULL = {
    "train-images-idx3-ubyte": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
    "train-labels-idx1-ubyte": "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
    "t10k-images-idx3-ubyte": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
    "t10k-labels-idx1-ubyte": "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
}
SHIPPED = {
    "train-images-idx3-ubyte": "c0c6726b84344f71ed5f3f778113ef72d81c3e38038638a076d9f7b48ef3af3c",
    "train-labels-idx1-ubyte": "a054c239a40ee7f2a5745e7e4bc11a51e9cb40c98134b602c1068e6a207487c6",
    "t10k-images-idx3-ubyte": "80f041a1db53aeefce90d32bb6094e616abf55eed82a9c247b6c2a44a773acf7",
    "t10k-labels-idx1-ubyte": "783ded2cd634604d77909249bf721cf46185a8401e95753ab3636fc8edcb816c",
}
_SOURCE = Path("/usr/share/datasets/fashion-mnist")
_CLASSES = 10


def build(source: Path, *, folder: Path = FOLDER) -> None:
    """Writes the four files of the subset, 5 MB of gzip.

    Args:
        source: Folder of the four full files, gzipped.
        folder: Where to write.

    Raises:
        DataError: A source file is missing or is not the published one.
    """
    folder.mkdir(exist_ok=True)
    for part, share in (("train", 1000), ("t10k", 200)):
        names = [name for name in NAMES if name.startswith(part)]
        images, labels = (
            read_idx(source / f"{name}.gz", expected=FULL[name], rebuild="Download it again.")
            for name in names
        )
        chosen = np.concatenate([np.flatnonzero(labels == c)[:share] for c in range(_CLASSES)])
        for name, values in zip(names, (images[chosen], labels[chosen]), strict=True):
            file = folder / f"{name}.gz"
            verify(values, path=file, expected=SHIPPED[name], rebuild="Check this script.")
            write_idx(file, values)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Rebuild the shipped images.")
    parser.add_argument("--source", type=Path, default=_SOURCE, help="folder of the IDX files")
    build(parser.parse_args().source)
