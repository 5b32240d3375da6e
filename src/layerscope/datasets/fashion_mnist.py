"""Fashion-MNIST: 70,000 articles of clothing, Xiao, Rasul and Vollgraf, 2017, arXiv:1708.07747."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from layerscope.datasets import _files
from layerscope.datasets._download import File, Source

if TYPE_CHECKING:
    from layerscope.datasets._files import Pairs

SUMMARY = "60,000 + 10,000 articles of clothing, 28×28, ten classes; downloaded (30.9 MB)"

# Sizes, SHA-256 of the .gz and second server: tensorflow/datasets at commit 333639b37a,
# tensorflow_datasets/url_checksums/fashion_mnist.txt. First server: keras-team/keras,
# keras/src/datasets/fashion_mnist.py, with the same SHA-256. Third: zalandoresearch/fashion-mnist, the
# publisher's repository. The last column, SHA-256 of the decompressed file: as pinned by several public
# projects that agree, not computed here.
SOURCE = Source(
    "fashion_mnist",
    (
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
    ),
    (
        File(
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        File(
            "train-labels-idx1-ubyte.gz",
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        File(
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        File(
            "t10k-labels-idx1-ubyte.gz",
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
)


def load_data(path: str | os.PathLike[str] | None = None) -> Pairs:
    """Articles of clothing: `(x_train, y_train), (x_test, y_test)`.

    x_train uint8 (60000, 28, 28), x_test uint8 (10000, 28, 28): grey levels, 0 background to 255.
    y_train uint8 (60000,), y_test uint8 (10000,): 0 T-shirt or top, 1 trouser, 2 pullover, 3 dress, 4 coat,
    5 sandal, 6 shirt, 7 sneaker, 8 bag, 9 ankle boot.

    `path` is the folder that holds the four IDX files, and then the only place searched (Keras's function
    takes none). Any number of images does in it, so a subset can be used. Without it the files are sought in
    `$LAYERSCOPE_DATA/fashion_mnist`, `$LAYERSCOPE_DATA` and the user's cache, and else downloaded.

    Raises DatasetMissingError when the files are neither here nor reachable, DataError when one is damaged,
    OutputError when the cache cannot be written. Licence: MIT.
    """
    return _files.load(SOURCE, path)
