"""The command line: parse, call, render. Each command imports what it needs when it runs."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from layerscope import __version__
from layerscope.core.errors import LayerscopeError

ABOUT = "See what every layer of a neural network does to the data, and train small networks on a CPU."
WHAT = (
    "one line of text, a JSON graph or saved model, package.module:callable, or example:NAME "
    "(layerscope examples lists those)"
)
TEXT = """the one-line language:
  28x28x1 | conv 16 3 same relu | maxpool 2 same | flatten | dense 10 softmax
  Sizes of one example first, then layers. Bare numbers fill a layer's settings in order (conv: filters,
  kernel_size), words like same or relu stand for themselves, and any setting can be named: "stride 2",
  "strides=2x1", "nobias", "as code" (a name). [ conv 8 3 same relu | maxpool 2 ] x3 repeats.
  unpool undoes the last maxpool that is not undone yet. Branches are for JSON and Python.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when it did what was asked, 2 for a mistake in the asking, 130 after Ctrl-C."""
    _utf8()
    asked = _parser().parse_args(arguments)
    try:
        return asked.run(asked)
    except LayerscopeError as error:
        print(f"layerscope {asked.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nlayerscope: stopped by Ctrl-C", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has gone; what is left to flush goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _utf8() -> None:
    for stream in (sys.stdout, sys.stderr):
        if (stream.encoding or "").lower() not in ("utf-8", "utf8") and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        self.exit(2, f"{self.prog}: {message}\nTry: {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="layerscope", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: layerscope trace "28x28x1 | conv 16 3 same relu | maxpool 2 | flatten | dense 10"',
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"layerscope {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)

    def command(name: str, run: Callable[[Any], int], about: str, epilog: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=about, description=about[0].upper() + about[1:] + ".", epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        added.set_defaults(run=run)
        return added

    _add_demo(command)
    _add_trace(command)
    _add_explain(command)
    _add_train(command)
    _add_reconstruct(command)
    return parser


Command = Callable[[str, Callable[[Any], int], str, str], argparse.ArgumentParser]


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a whole number is needed, not {text!r}") from None
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def _natural(text: str) -> int:
    return 0 if text == "0" else _positive(text)


def _add_demo(command: Command) -> None:
    parser = command(
        "demo",
        _demo,
        "the reference document's autoencoder on real digits: journey, training, reconstructions",
        "example: layerscope demo -o ten.png\nIt takes about a minute on two cores and downloads nothing.",
    )
    parser.add_argument(
        "-o", "--out", default="reconstructions.png", metavar="FILE", help="the picture (default: %(default)s)"
    )
    parser.add_argument("--seed", type=_natural, default=0, help="random seed (default: %(default)s)")


def _demo(asked: Any) -> int:
    from layerscope import studies, tracing
    from layerscope.studies import runs

    runs.writable(asked.out)
    width, colour = tracing.terminal_width(), tracing.colourful()
    print("The network: every layer, and what it does to a 28 × 28 digit.\n")
    print(tracing.trace("example:autoencoder").render(width=width, colour=colour))
    print("\nTraining on 1,437 handwritten digits (scikit-learn's), until a reader of the originals")
    print("(3 nearest neighbours) reads 85 % of the unseen test digits from their reconstructions:\n", flush=True)
    found = studies.demo(asked.out, asked.seed)
    if found.interrupted and not found.epochs:
        print("Stopped before the first epoch was done; no picture was made.", file=sys.stderr)
        return 130
    print(f"\n{found.pictures.terminal(width, colour)}\n")
    print(
        f"Validation loss {found.loss:.4f} after {found.epochs} epochs. The reader reads {found.share:.0%} of the "
        f"360 reconstructions right ({found.originals:.0%} of the originals)."
    )
    print(f"Ten originals over ten reconstructions: {found.path}")
    print("\nNext: layerscope explain transpose    layerscope train example:autoencoder --data mnist --epochs 2")
    return 130 if found.interrupted else 0


def _add_trace(command: Command) -> None:
    parser = command(
        "trace",
        _trace,
        "follow the data through a network, without running it",
        f"{TEXT}\nexamples:\n  layerscope trace example:autoencoder\n"
        '  layerscope trace "28x28x1 | conv 16 3 same relu | maxpool 2 | flatten | dense 10" --batch 64\n'
        "  layerscope trace my_package.networks:make_model --format json",
    )
    parser.add_argument("what", metavar="WHAT", help=WHAT)
    parser.add_argument("--batch", type=_positive, metavar="N", help="totals for N examples (default: for one)")
    parser.add_argument("--save", metavar="FILE", help="also write the network as JSON, which trace reads again")
    parser.add_argument("--format", default="terminal", metavar="FORMAT", help="terminal (default) or json")


def _trace(asked: Any) -> int:
    from layerscope import tracing

    found = tracing.trace(asked.what, asked.batch)
    if asked.save is not None:
        found.save(asked.save)
    print(found.render(asked.format, tracing.terminal_width(), tracing.colourful()))
    return 0


def _add_explain(command: Command) -> None:
    parser = command(
        "explain",
        _explain,
        "what a layer is: definition, shape law, settings, an example, its names elsewhere",
        "example: layerscope explain transpose",
    )
    parser.add_argument("layer", metavar="LAYER", nargs="?", help="conv2d, maxpool, nails, ...; without it, a list")
    command("examples", _examples, "list the networks that example:NAME stands for", "example: layerscope examples")


def _explain(asked: Any) -> int:
    from layerscope import layers

    if asked.layer is None:
        for kind, cls in layers.kinds().items():
            first = (cls.__doc__ or "").strip().splitlines()[0]
            print(f"{kind:<24}{first}")
        return 0
    from layerscope.report.explanation import explain

    print(explain(layers.layer_class(asked.layer)))
    return 0


def _examples(asked: Any) -> int:
    from layerscope.sources.examples import CASES

    for case in CASES:
        print(f"example:{case.name:<24}{case.about}")
    return 0


def _add_train(command: Command) -> None:
    parser = command(
        "train",
        _train,
        "train a network on a data set, into a run folder",
        "examples:\n  layerscope train example:autoencoder --data mnist --epochs 2 --out runs/a\n"
        '  layerscope train "28x28x1 | conv 8 3 relu | maxpool 2 | flatten | dense 10 softmax" --data digits\n\n'
        "An output as large as the input learns the images; another one learns the labels.\n"
        "The folder holds model.npz (after every epoch), history.csv and settings.json. Ctrl-C keeps all so far.",
    )
    parser.add_argument("what", metavar="WHAT", help=WHAT)
    _add_data(parser, "mnist")
    parser.add_argument("--epochs", type=_positive, default=10, help="passes over the data (default: %(default)s)")
    parser.add_argument("--batch-size", type=_positive, default=256, help="examples a step (default: %(default)s)")
    parser.add_argument("--optimizer", metavar="NAME", help="adadelta (default), adam, sgd or rmsprop")
    parser.add_argument("--learning-rate", type=float, metavar="RATE", help="default: the optimizer's")
    parser.add_argument("--loss", metavar="NAME", help="default: what suits the output")
    parser.add_argument("--seed", type=_natural, default=0, help="random seed (default: %(default)s)")
    parser.add_argument("--out", metavar="DIR", help="the run folder (default: runs/NETWORK-DATA)")
    parser.add_argument("--overwrite", action="store_true", help="replace a run that is in the folder")


def _add_data(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument(
        "--data", default=default, metavar="NAME",
        help="mnist, fashion_mnist, kmnist or digits" + (f" (default: {default})" if default else ""),
    )  # fmt: skip
    parser.add_argument(
        "--folder", metavar="DIR", help="where its files lie (else LAYERSCOPE_DATA, the cache, or a download)"
    )


def _train(asked: Any) -> int:
    from layerscope import studies

    run = studies.train(
        asked.what,
        asked.data,
        folder=asked.folder,
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


def _add_reconstruct(command: Command) -> None:
    parser = command(
        "reconstruct",
        _reconstruct,
        "test images over what a trained autoencoder makes of them",
        "example: layerscope reconstruct runs/a --count 10 -o ten.png",
    )
    parser.add_argument("run_folder", metavar="RUN", help="a folder that layerscope train made")
    parser.add_argument("-o", "--out", metavar="FILE", help="the picture: .png, .svg or .pdf")
    parser.add_argument("--count", type=_positive, default=10, help="how many images (default: %(default)s)")
    _add_data(parser, None)


def _reconstruct(asked: Any) -> int:
    from layerscope import studies, tracing
    from layerscope.studies import runs

    path = None if asked.out is None else runs.writable(asked.out)
    found = studies.reconstruct(asked.run_folder, asked.count, asked.data, asked.folder)
    print(found.terminal(tracing.terminal_width(), tracing.colourful()))
    print(f"\nMean squared error: {found.errors.mean():.5f} over {len(found.errors)} images")
    if path is not None:
        found.save(path)
        print(f"The picture: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
