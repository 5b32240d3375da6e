"""Data sets by name, under the names of `keras.datasets`.

| name | images for training + for testing | classes | where from |
|---|---|---|---|
| `digits` | 1,437 + 360, handwritten digits, 8×8 enlarged to 28×28 | 10 | comes with scikit-learn |
| `fashion_mnist` | 60,000 + 10,000, articles of clothing, 28×28 | 10 | downloaded, 30.9 MB |
| `kmnist` | 60,000 + 10,000, handwritten Japanese characters, 28×28 | 10 | downloaded, 21.2 MB |
| `mnist` | 60,000 + 10,000, handwritten digits, 28×28 | 10 | downloaded, 11.6 MB |

    from layerscope.datasets import mnist

    (x_train, y_train), (x_test, y_test) = mnist.load_data()

Images are uint8 of shape (N, 28, 28), 0 for the background; labels are uint8 of shape (N,). What can be
downloaded is first sought on this machine: in the folder that the environment variable LAYERSCOPE_DATA
names, then in the user's cache. LAYERSCOPE_OFFLINE=1 forbids downloads; LAYERSCOPE_MIRROR=URL replaces the
public servers by `URL/mnist/` and `URL/`.

A data set is one public module of this folder with a one-line `SUMMARY` and `load_data(path=None)`; the
folder is the list.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

from layerscope.core.errors import UnknownNameError

if TYPE_CHECKING:
    import os

    from layerscope.datasets._files import Pairs


def names() -> list[str]:
    """The names that `load` takes, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def load(name: str, folder: str | os.PathLike[str] | None = None) -> Pairs:
    """The data set of that name: `(x_train, y_train), (x_test, y_test)`.

    Images are uint8 of shape (N, 28, 28), labels uint8 of shape (N,). `folder` holds the data set's files;
    without it they are sought in the usual places and downloaded if they are in none.

    Raises UnknownNameError for a name that no data set has, DatasetMissingError when the files are neither
    here nor reachable, DataError when a file is damaged, OutputError when the cache cannot be written.
    """
    known = names()
    if name not in known:
        raise UnknownNameError("data set", name, known)
    return importlib.import_module(f"{__name__}.{name}").load_data(folder)


def __getattr__(name: str) -> Any:
    if not name.startswith("_") and name in names():
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *names()])
