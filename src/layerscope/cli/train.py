"""layerscope train."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from layerscope.cli._arguments import WHAT, add_data, natural, positive
from layerscope.cli._printing import wrote
from layerscope.core.errors import SettingError

ABOUT = "train a network on a data set, into a run folder"
EPILOG = """examples:
  layerscope train example:autoencoder --data mnist --epochs 2 --out runs/a
  layerscope train "28x28x1 | conv 8 3 relu | maxpool 2 | flatten | dense 10 softmax" --data digits
  layerscope train "64x64x3 | conv 16 3 same relu | maxpool 4 | conv 3 3 same sigmoid | upsample 4" --data photos/
  layerscope train --resume runs/a --epochs 4

losses: binary_crossentropy (bce), binary_focal_crossentropy, cosine_similarity, dice, huber, log_cosh,
  mean_absolute_error (mae), mean_absolute_percentage_error (mape), mean_squared_error (mse),
  mean_squared_logarithmic_error (msle), poisson, ssim, tversky; of labels sparse_categorical_crossentropy,
  categorical_generalized_cross_entropy; docs/training.md says what they are, and has all others

An output as large as the input learns the images; another one learns the labels.
The folder explains itself (README.md in it): model.npz after every epoch, history.csv, settings.json, network.json,
pictures. Ctrl-C keeps all so far; --resume goes on after that, or after a kill, to the same result as without it."""
DEFAULTS = {"data": "mnist", "epochs": 10, "batch_size": 256, "seed": 0}


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments. None stands for what was not given, which --resume takes from the run."""
    parser.add_argument("what", metavar="WHAT", nargs="?", help=WHAT)
    add_data(parser, str(DEFAULTS["data"]))
    parser.add_argument("--epochs", type=positive, metavar="N", help=f"passes over the data ({DEFAULTS['epochs']})")
    parser.add_argument(
        "--batch-size", type=positive, metavar="N", help=f"examples a step ({DEFAULTS['batch_size']})"
    )
    parser.add_argument("--optimizer", metavar="NAME", help="adadelta (default), adam, sgd or rmsprop")
    parser.add_argument("--learning-rate", type=float, metavar="RATE", help="default: the optimizer's")
    parser.add_argument("--loss", metavar="NAME", help="default: what suits the output; names below")
    parser.add_argument("--seed", type=natural, metavar="N", help=f"random seed ({DEFAULTS['seed']})")
    parser.add_argument("--out", metavar="DIR", help="the run folder (default: runs/NETWORK-DATA)")
    parser.add_argument(
        "-o", "--report", metavar="FILE",
        help="also write the report there, as the name ends: .html, .md, .tex, .csv, .json or .txt (the run folder "
        "has report.html)",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace a run that is in the folder")
    parser.add_argument(
        "--resume", metavar="RUN", help="go on with the run in this folder; only --epochs may be given"
    )


def run(asked: Any) -> int:
    """Train, or go on, and say where the run is."""
    from layerscope import studies

    given = {
        name: value
        for name, value in vars(asked).items()
        if name not in ("command", "run", "resume", "report") and value is not None and value is not False
    }
    report = None if asked.report is None else _reported(asked.report)
    if asked.resume is not None:
        return _told(_resumed(asked.resume, given), report)
    if asked.what is None:
        raise SettingError("give a network: one line of text, a file, or example:autoencoder; or --resume RUN")
    done = studies.train(given.pop("what"), **{**DEFAULTS, **given})
    return _told(done, report)


def _reported(path: str) -> Any:
    """The report's path, shown to be writable before anything is trained."""
    from layerscope.studies import reporting

    return reporting.reported(path)


def _resumed(folder: str, given: dict[str, Any]) -> Any:
    from layerscope import studies

    epochs = given.pop("epochs", None)
    if given:
        names = ", ".join("WHAT" if name == "what" else f"--{name.replace('_', '-')}" for name in given)
        raise SettingError(f"--resume takes everything but --epochs from the run; leave out {names}")
    return studies.resume(folder, epochs)


def _told(done: Any, report: Any) -> int:
    if report is not None and done.history.epoch:
        done.report(report)
        wrote(report, "the report")
    count, wanted = len(done.history.epoch), done.recipe.epochs
    if done.history.interrupted:
        print(f"Go on with: layerscope train --resume {shlex.quote(str(done.folder))}")
        return 130
    print(f"The run is in {done.folder}, {count} of {wanted} epochs; its README.md says what is what")
    if done.recipe.target == "images":
        print(f"Next: layerscope reconstruct {shlex.quote(str(done.folder))} -o ten.png")
    return 0
