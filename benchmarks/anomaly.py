"""Anomalies: an autoencoder that has seen nine digits is asked for the tenth, beside PCA and trivial scores.

For each digit of MNIST: train on the training images of the other nine, score all 10,000 test images by their
reconstruction error, and print the AUROC of the digit's images against the others: the probability that one of
them has a larger score than one of the others (ties count half). 0.5 is chance; below it the ranking is upside down.

Run: python benchmarks/anomaly.py [--write] [--epochs 8] [--seeds 3] [--code 8] [--sizes 4 8 16 32] [--digits 1 7]
`--write` puts the tables into docs/anomaly.md.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pages
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

import layerscope as ls
from layerscope.datasets import mnist
from layerscope.models import Model
from layerscope.studies import measures

Array = NDArray[np.float32]
PAGE = Path(__file__).parent.parent / "docs" / "anomaly.md"
MARKS = ("<!-- results of benchmarks/anomaly.py -->", "<!-- end of results -->")
NETWORK = "784 | dense 128 relu | dense {code} | dense 128 relu | dense 784 sigmoid"
BATCH, RATE, LOSS = 256, 0.002, "binary_crossentropy"
SCORES = ("squared", "relative")


class Images:
    """MNIST in 0 … 1, and what a digit leaves to train on."""

    def __init__(self) -> None:
        (train, labels), (test, self.labels) = mnist.load_data()
        self.train, self.test = (x.reshape(len(x), 784).astype(np.float32) / 255 for x in (train, test))
        self.train_labels = labels

    def without(self, digit: int) -> Array:
        """The training images of the nine other digits."""
        return self.train[self.train_labels != digit]

    def ranked(self, digit: int, scores: Array) -> float:
        """AUROC of a digit's test images against the others."""
        return float(roc_auc_score(self.labels == digit, scores))

    def both(self, digit: int, restored: Array) -> dict[str, float]:
        """AUROC of each score of these reconstructions of the test images."""
        square = (-1, 28, 28, 1)
        originals = self.test.reshape(square)
        errors = measures.maps(originals, restored.reshape(square))
        return {name: self.ranked(digit, measures.SCORES[name](originals, errors)) for name in SCORES}


def autoencoder(images: Images, digit: int, code: int, epochs: int, seed: int) -> tuple[dict[str, float], float]:
    """AUROC of each score, and seconds of training."""
    ls.utils.set_random_seed(seed)
    model = Model.from_graph(ls.trace(NETWORK.format(code=code)).graph)
    model.compile(ls.optimizers.Adam(learning_rate=RATE), LOSS)
    x, started = images.without(digit), time.perf_counter()
    model.fit(x, x, BATCH, epochs, verbose=0)
    return images.both(digit, model.predict(images.test)), time.perf_counter() - started


def components(images: Images, digit: int, code: int) -> tuple[dict[str, float], float]:
    """The same of principal components, as many as the code has numbers."""
    started = time.perf_counter()
    found = PCA(code, svd_solver="covariance_eigh").fit(images.without(digit))
    restored = found.inverse_transform(found.transform(images.test))
    return images.both(digit, restored), time.perf_counter() - started


def trivial(images: Images, digit: int) -> dict[str, float]:
    """Scores that reconstruct nothing: distance to the mean training image, and how much ink there is."""
    mean = images.without(digit).mean(axis=0)
    distance = ((images.test - mean) ** 2).mean(axis=1)
    return {"distance to mean": images.ranked(digit, distance), "ink": images.ranked(digit, images.test.mean(axis=1))}


def by_digit(images: Images, asked: argparse.Namespace) -> tuple[str, list[dict[str, float]]]:
    """A row for each digit: the autoencoder (mean over seeds), PCA of the same size, trivial scores.

    Also the AUROC of seed 0, digit by digit.
    """
    firsts: list[dict[str, float]] = []
    rows: list[list[float]] = []
    spent: list[float] = []
    for digit in asked.digits:
        runs = [autoencoder(images, digit, asked.code, asked.epochs, seed) for seed in range(asked.seeds)]
        linear, simple = components(images, digit, asked.code)[0], trivial(images, digit)
        told = [[found[name] for found, _ in runs] for name in SCORES]
        rows.append([
            *(float(np.mean(values)) for values in told), float(np.ptp(told[1])),
            *(linear[name] for name in SCORES), *simple.values(),
        ])  # fmt: skip
        spent += [seconds for _, seconds in runs]
        firsts.append(runs[0][0])
        print(digit, " ".join(f"{value:.3f}" for value in rows[-1]), f"{np.mean(spent):.1f} s", flush=True)
    head = [
        "digit", "autoencoder, squared", "**autoencoder, relative**", "its range over seeds", "PCA, squared",
        "PCA, relative", "distance to mean", "ink",
    ]  # fmt: skip
    names = [*(str(digit) for digit in asked.digits), "mean", "least"]
    whole = np.array([*rows, np.mean(rows, axis=0), np.min(rows, axis=0)])
    cells = [[name, *(f"{value:.3f}" for value in row)] for name, row in zip(names, whole, strict=True)]
    cells[-2][3] = cells[-1][3] = ""  # a mean or least of ranges says nothing
    table = _table(head, cells)
    return (
        f"Code of {asked.code} numbers; {np.mean(spent):.1f} s of training for each autoencoder.\n\n{table}",
        firsts,
    )


def by_size(images: Images, asked: argparse.Namespace, firsts: list[dict[str, float]]) -> str:
    """A row for each code size: means over digits and the least, of autoencoders of one seed and of PCA."""
    rows: list[list[str]] = []
    for code in asked.sizes:
        nets = firsts
        if code != asked.code:
            nets = [autoencoder(images, digit, code, asked.epochs, 0)[0] for digit in asked.digits]
        linear = [components(images, digit, code)[0] for digit in asked.digits]
        cells: list[str] = []
        for found in (nets, linear):
            for name in SCORES:
                values = [one[name] for one in found]
                cells.append(f"{np.mean(values):.3f} ({min(values):.3f})")
        rows.append([str(code), *cells])
        print(*rows[-1], flush=True)
    return _table(["numbers", "autoencoder, squared", "autoencoder, relative", "PCA, squared", "PCA, relative"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def main() -> None:
    """Measure, print, and write where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/anomaly.md")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--code", type=int, default=8)
    parser.add_argument("--sizes", type=int, nargs="*", default=[4, 8, 16, 32])
    parser.add_argument("--digits", type=int, nargs="*", default=list(range(10)))
    asked = parser.parse_args()
    images = Images()
    digits, firsts = by_digit(images, asked)
    print(digits, flush=True)
    parts = [digits, by_size(images, asked, firsts)]
    settings = (
        f"`{NETWORK.format(code='CODE')}`, {LOSS}, Adam with learning rate {RATE},\nbatch {BATCH}, {asked.epochs} "
        f"epochs; mean over seeds 0 to {asked.seeds - 1}; PCA of scikit-learn on the same images."
    )
    sizes = "By code size: the mean over the digits, and the least in brackets; seed 0."
    text = "\n\n".join([settings, parts[0], sizes, parts[1]])
    print(f"\n{text}")
    if asked.write:
        pages.put(PAGE, *MARKS, text)


if __name__ == "__main__":
    main()
