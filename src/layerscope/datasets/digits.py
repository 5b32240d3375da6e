"""Digits: 1,797 handwritten digits, Alpaydin and Kaynak, 1998, which scikit-learn ships (UCI "optdigits")."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from layerscope.core.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from layerscope.datasets._files import Pairs

SUMMARY = "1,437 + 360 handwritten digits, 8×8 enlarged to 28×28, ten classes; comes with scikit-learn"

TRAIN = 1437
SMALL, LARGE, FRAME = 8, 20, 28
TOP = 16  # grey levels of the 8×8 images: how many of 4×4 black-and-white pixels are ink


def load_data(path: str | os.PathLike[str] | None = None) -> Pairs:
    """Handwritten digits without a download: `(x_train, y_train), (x_test, y_test)`.

    x_train uint8 (1437, 28, 28), x_test uint8 (360, 28, 28): grey levels, 0 background to 255 ink.
    y_train uint8 (1437,), y_test uint8 (360,): the digit, 0 to 9.

    The 8×8 images with values 0 to 16 are brought to MNIST's manner: values times 255/16, enlarged to 20×20
    by bilinear interpolation (half-pixel centres, edges repeated), rounded half up, in a frame of zeros.

    The order is the original one: 13 writers, one form of about 130 digits after the other, as the labels
    show, which repeat with each form. The last 360 are for testing; most come from other writers than the
    training images, which is harder than a random split. (The cut falls within a form: the first 108 of them
    are from the same form as the last 22 for training.)

    There is no folder to read, so any `path` raises DataError. Licence: CC BY 4.0.
    """
    if path is not None:
        raise DataError(
            f"digits come with scikit-learn and are read from no folder, so {os.fspath(path)!r} cannot be."
        )
    import numpy as np
    from sklearn.datasets import load_digits

    small, labels = load_digits(return_X_y=True)
    x = enlarge(np.asarray(small, np.int64).reshape(-1, SMALL, SMALL))
    y = np.asarray(labels, np.uint8)
    return (x[:TRAIN], y[:TRAIN]), (x[TRAIN:], y[TRAIN:])


def enlarge(small: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(N, 8, 8) of 0 to 16 -> (N, 28, 28) of 0 to 255, in integers, so that every machine rounds alike."""
    import numpy as np

    tenths = np.zeros((LARGE, SMALL), np.int64)
    for row in range(LARGE):
        # The centre of pixel `row` lies at (row + 1/2) · 8/20 - 1/2 = (4·row - 3) / 10 of the small image.
        low, fraction = divmod(4 * row - 3, 10)
        tenths[row, max(low, 0)] += 10 - fraction
        tenths[row, min(low + 1, SMALL - 1)] += fraction
    hundredths = tenths @ small @ tenths.T
    unit = 100 * TOP
    large = (2 * 255 * hundredths + unit) // (2 * unit)
    margin = (FRAME - LARGE) // 2
    return np.pad(large.astype(np.uint8), ((0, 0), (margin, margin), (margin, margin)))
