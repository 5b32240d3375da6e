"""MNIST: 70,000 handwritten digits, LeCun, Cortes and Burges, 1998, http://yann.lecun.com/exdb/mnist/."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from layerscope.datasets import _files
from layerscope.datasets._download import File, Source

if TYPE_CHECKING:
    from layerscope.datasets._files import Pairs

SUMMARY = "60,000 + 10,000 handwritten digits, 28×28, ten classes; downloaded (11.6 MB)"

# Sizes, SHA-256 of the .gz and first server: tensorflow/datasets at commit 31f1255e57,
# tensorflow_datasets/url_checksums/mnist.txt. Second server: pytorch/vision, torchvision/datasets/mnist.py.
# The last column, SHA-256 of the decompressed file, was taken from copies at hand: these are also the values
# that public projects pin, while .gz files differ with the program that compressed them.
SOURCE = Source(
    "mnist",
    (
        "https://storage.googleapis.com/cvdf-datasets/mnist",
        "https://ossci-datasets.s3.amazonaws.com/mnist",
    ),
    (
        File(
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        File(
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        File(
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        File(
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
)


def load_data(path: str | os.PathLike[str] | None = None) -> Pairs:
    """Handwritten digits: `(x_train, y_train), (x_test, y_test)`.

    x_train uint8 (60000, 28, 28), x_test uint8 (10000, 28, 28): grey levels, 0 background to 255 ink.
    y_train uint8 (60000,), y_test uint8 (10000,): the digit, 0 to 9.

    `path` is the folder that holds the four IDX files, and then the only place searched (Keras's `path` is
    the name of a cache file). Any number of images does in it, so a subset can be used. Without it the files
    are sought in `$LAYERSCOPE_DATA/mnist`, `$LAYERSCOPE_DATA` and the user's cache, and else downloaded.

    Raises DatasetMissingError when the files are neither here nor reachable, DataError when one is damaged,
    OutputError when the cache cannot be written. Licence: CC BY-SA 3.0.
    """
    return _files.load(SOURCE, path)
