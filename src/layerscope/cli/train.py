"""layerscope train."""

from __future__ import annotations

import argparse
from typing import Any

from layerscope.cli._arguments import WHAT, add_data, natural, positive

ABOUT = "train a network on a data set, into a run folder"
EPILOG = """examples:
  layerscope train example:autoencoder --data mnist --epochs 2 --out runs/a
  layerscope train "28x28x1 | conv 8 3 relu | maxpool 2 | flatten | dense 10 softmax" --data digits
  layerscope train "64x64x3 | conv 16 3 same relu | maxpool 4 | conv 3 3 same sigmoid | upsample 4" --data photos/

An output as large as the input learns the images; another one learns the labels.
The folder holds model.npz (after every epoch), history.csv and settings.json. Ctrl-C keeps all so far."""


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("what", metavar="WHAT", help=WHAT)
    add_data(parser, "mnist")
    parser.add_argument("--epochs", type=positive, default=10, help="passes over the data (default: %(default)s)")
    parser.add_argument("--batch-size", type=positive, default=256, help="examples a step (default: %(default)s)")
    parser.add_argument("--optimizer", metavar="NAME", help="adadelta (default), adam, sgd or rmsprop")
    parser.add_argument("--learning-rate", type=float, metavar="RATE", help="default: the optimizer's")
    parser.add_argument("--loss", metavar="NAME", help="default: what suits the output")
    parser.add_argument("--seed", type=natural, default=0, help="random seed (default: %(default)s)")
    parser.add_argument("--out", metavar="DIR", help="the run folder (default: runs/NETWORK-DATA)")
    parser.add_argument("--overwrite", action="store_true", help="replace a run that is in the folder")


def run(asked: Any) -> int:
    """Train and say where the run is."""
    from layerscope import studies

    run = studies.train(
        asked.what,
        asked.data,
        folder=asked.folder,
        size=asked.size,
        fit=asked.fit or "crop",
        colour=asked.colour or "auto",
        epochs=asked.epochs,
        batch_size=asked.batch_size,
        optimizer=asked.optimizer,
        learning_rate=asked.learning_rate,
        loss=asked.loss,
        seed=asked.seed,
        out=asked.out,
        overwrite=asked.overwrite,
    )
    print(f"The run is in {run.folder}: model.npz, history.csv, settings.json")
    if run.recipe.target == "images":
        print(f"Next: layerscope reconstruct {run.folder} -o ten.png")
    return 130 if run.history.interrupted else 0
