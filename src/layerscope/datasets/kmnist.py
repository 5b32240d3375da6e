"""Kuzushiji-MNIST: 70,000 handwritten Japanese characters, Clanuwat et al., 2018, arXiv:1812.01718."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from layerscope.datasets import _files
from layerscope.datasets._download import File, Source

if TYPE_CHECKING:
    from layerscope.datasets._files import Pairs

SUMMARY = "60,000 + 10,000 handwritten Japanese characters, 28×28, ten classes; downloaded (21.2 MB)"

# Sizes, SHA-256 of the .gz and server (there under http): tensorflow/datasets at commit 333639b37a,
# tensorflow_datasets/url_checksums/kmnist.txt. The SHA-256 of the decompressed files is in no public table
# that we found, so files without .gz are known as KMNIST's by their folder's name only.
SOURCE = Source(
    "kmnist",
    (
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist",
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist",
    ),
    (
        File(
            "train-images-idx3-ubyte.gz",
            18_165_135,
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        ),
        File(
            "train-labels-idx1-ubyte.gz",
            29_497,
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        ),
        File(
            "t10k-images-idx3-ubyte.gz",
            3_041_136,
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        ),
        File(
            "t10k-labels-idx1-ubyte.gz",
            5_120,
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        ),
    ),
)


def load_data(path: str | os.PathLike[str] | None = None) -> Pairs:
    """Handwritten hiragana of old books: `(x_train, y_train), (x_test, y_test)`.

    x_train uint8 (60000, 28, 28), x_test uint8 (10000, 28, 28): grey levels, 0 background to 255 ink.
    y_train uint8 (60000,), y_test uint8 (10000,): 0 o, 1 ki, 2 su, 3 tsu, 4 na, 5 ha, 6 ma, 7 ya, 8 re, 9 wo.

    `path` is the folder that holds the four IDX files, and then the only place searched (Keras has no such
    data set). Any number of images does in it, so a subset can be used. Without it the files are sought in
    `$LAYERSCOPE_DATA/kmnist`, `$LAYERSCOPE_DATA` (as published, with .gz) and the user's cache, and else
    downloaded.

    Raises DatasetMissingError when the files are neither here nor reachable, DataError when one is damaged,
    OutputError when the cache cannot be written. Licence: CC BY-SA 4.0.
    """
    return _files.load(SOURCE, path)
