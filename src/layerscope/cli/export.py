"""layerscope export."""

from __future__ import annotations

import argparse
from typing import Any

ABOUT = "write a trained model for ONNX, Keras or PyTorch, and compare the file with it"
EPILOG = """examples:
  layerscope export runs/a -o model.onnx
  layerscope export model.npz -o model.keras
  layerscope export runs/a -o model.pt2

The suffix chooses the format. ONNX and Keras files take images channels last, as the model does; .pt2, PyTorch's
exported program, channels first. The file is compared with the model where its runtime is installed."""


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("run_folder", metavar="RUN", help="a folder that layerscope train made, or a saved model")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="the file: .onnx, .keras or .pt2")


def run(asked: Any) -> int:
    """Write and say what was written."""
    import os
    import sys

    from layerscope import studies

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Keras may load TensorFlow, which talks about itself
    if sys.stderr.isatty() and not str(asked.out).lower().endswith(".onnx"):
        print("Writing and comparing takes some seconds ...", file=sys.stderr)
    print(studies.export(asked.run_folder, asked.out))
    return 0
