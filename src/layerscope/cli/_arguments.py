"""What several commands' arguments have in common."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

WHAT = (
    "one line of text, a model's file (.keras, .h5, .onnx, .pt2, JSON, or one of ours), "
    "package.module:callable, or example:NAME "
    "(layerscope examples lists those)"
)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    return _whole(text, 1)


def _whole(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a whole number is needed, not {text!r}") from None
    if number < least:
        raise argparse.ArgumentTypeError(f"must be at least {least}, not {number}")
    return number


def size(text: str) -> tuple[str, int]:
    """A named size: height=224."""
    name, equals, number = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(f"a name and a whole number are needed, such as height=224, not {text!r}")
    return name.strip(), positive(number)


INPUT = re.compile(r"^(?:([A-Za-z_]\w*)=)?((?:\d+|\?)(?:[x×](?:\d+|\?))*)?(?::([A-Za-z]\w*))?$")


def input_sizes(text: str) -> tuple[str, Any]:
    """One input as its name ("" for none) and sizes, with a dtype where it is named: 1x3x224x224, ids=1x128:int64."""
    match = INPUT.match(text)
    if match is None or not (match[2] or match[3]):
        raise argparse.ArgumentTypeError(
            f"sizes are needed, such as 1x3x224x224, ?x3x224x224 (any batch), 1x128:int64 or ids=1x128:int64, "
            f"not {text!r}"
        )
    told = re.split("[x×]", match[2]) if match[2] else []
    sizes = tuple(None if part == "?" else positive(part) for part in told)
    return match[1] or "", (sizes, match[3]) if match[3] else sizes


def inputs(given: Sequence[tuple[str, Any]]) -> Any:
    """What `input` of a trace is by these; SettingError where only some have a name."""
    names = [name for name, _ in given if name]
    if len(set(names)) < len(names) or (names and len(names) < len(given)):
        from layerscope.core.errors import SettingError

        raise SettingError(
            "--input: name each input once, or none of them: --input ids=1x128:int64 --input mask=1x128"
        )
    if names:
        return dict(given)
    return [sizes for _, sizes in given] or None


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Whether the legend is left out."""
    parser.add_argument("-q", "--quiet", action="store_true", help="without the lines that say what words mean")


def natural(text: str) -> int:
    """A whole number of at least 0."""
    return _whole(text, 0)


def add_data(parser: argparse.ArgumentParser, default: str) -> None:
    """The arguments that say which images; `default` is what no --data means."""
    parser.add_argument(
        "--data", metavar="WHAT",
        help=f"mnist, fashion_mnist, kmnist or digits; a folder of images; a .npz or .npy file (default: {default})",
    )  # fmt: skip
    add_own(parser)
    parser.add_argument("--size", metavar="HxW", help="bring images to 64x48 (height x width), or 64 for a square")
    parser.add_argument(
        "--colour", choices=("auto", "grey", "rgb"), help="auto: as the network or the images have it"
    )


def add_own(parser: argparse.ArgumentParser) -> None:
    """Where a known data set lies, and how images are brought to a size."""
    parser.add_argument(
        "--folder", metavar="DIR", help="where a known set's files lie (else LAYERSCOPE_DATA, the cache, a download)"
    )
    parser.add_argument(
        "--fit", choices=("crop", "fit", "stretch"), help="how: cut about the centre (crop), keep all, or stretch"
    )


def add_run(parser: argparse.ArgumentParser, images: str) -> None:
    """The run, and images of the user's own: "*" any number, "+" at least one."""
    parser.add_argument("run_folder", metavar="RUN", help="a folder that layerscope train made")
    parser.add_argument(
        "images", metavar="IMAGES", nargs=images,
        help="folders or picture files, a .npz or .npy file, or a known data set such as mnist:test",
    )  # fmt: skip


def add_picture(parser: argparse.ArgumentParser) -> None:
    """Where a picture of what is found goes."""
    parser.add_argument("-o", "--out", metavar="FILE", help="draw it as well: .png, .svg or .pdf")


def check_picture(path: str | None) -> None:
    """OutputError for a picture that cannot be written there, before there is any work for it."""
    if path is not None:
        from layerscope.studies import runs

        runs.writable(path, runs.PICTURES, "a picture")
