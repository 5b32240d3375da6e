"""A trained model in the form of another framework: one module for each, named after it.

Each says of a layer that it cannot express why not, and what to do instead (ExportError). Frameworks are imported
inside functions, so that nothing is loaded before it is wanted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from layerscope.core import propagate
from layerscope.core.contract import Layer
from layerscope.core.errors import ExportError
from layerscope.core.graph import Graph, Node
from layerscope.core.types import TensorType

FORMATS = {".keras": "keras", ".onnx": "onnx", ".pt2": "torch"}
"""The module that writes files of each suffix."""
Reason = Callable[[Node, Sequence[TensorType]], str | None]
"""Why a node cannot be expressed, and what to do; None where it can."""


def target(path: str | os.PathLike[str]) -> Any:
    """The module that writes such a file, by its suffix; ExportError naming those that there are."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        what = f"{suffix} is" if suffix else "without a suffix it is"
        raise ExportError(
            f"{os.fspath(path)}: {what} none of the formats that can be written; name it .onnx (ONNX), .keras "
            "(Keras) or .pt2 (PyTorch)"
        )
    return import_module(f"{__name__}.{FORMATS[suffix]}")


def write(model: Any, path: str | os.PathLike[str]) -> None:
    """Write the model in the format of the file's suffix. Errors: ExportError; OutputError."""
    target(path).write(model, path)


def output_names(graph: Graph) -> list[str]:
    """The layers' names; numbered where a layer has several outputs, is an output twice, or is an input too."""
    used = {graph.nodes[number].label for number in graph.inputs}
    names: list[str] = []
    for node, number in graph.outputs:
        name = stem = graph.nodes[node].label + (f":{number}" if number else "")
        again = 2
        while name in used:
            name, again = f"{stem}#{again}", again + 1
        used.add(name)
        names.append(name)
    return names


def framework(name: str, form: str, install: str) -> Any:
    """The framework's module; ExportError saying how to install it where it is missing."""
    try:
        return import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise ExportError(f"writing {form} needs the package {package}: {install}") from None


def refuse(graph: Graph, form: str, known: Mapping[str, object], reason: Reason = lambda *_: None) -> None:
    """ExportError listing every layer of the graph that the form cannot express, each with its reason."""
    types = propagate.types(graph)
    fed = propagate.fed_types(graph, types)
    found: list[str] = []
    for number, node in enumerate(graph.nodes):
        if number not in graph.inputs:
            why = _unknown(node.layer, form, known) or _uneven(node, fed[number]) or reason(node, fed[number])
            if why:
                found.append(f"{node.label} ({node.layer.kind}): {why}")
    if found:
        raise ExportError(f"this model cannot become {form}:\n  " + "\n  ".join(found))


def _uneven(node: Node, types: Sequence[TensorType]) -> str | None:
    """Only Keras puts in axes behind the batch by itself."""
    ranks = [type.rank for type in types]
    if node.layer.kind == "Add" and len(set(ranks)) > 1:
        listed = " and ".join(map(str, ranks))
        return f"its inputs have {listed} axes; bring them to the same number by Reshape"
    return None


def _unknown(layer: Layer, form: str, known: Mapping[str, object]) -> str | None:
    if "executable" in vars(layer):
        return layer.obstacle
    if not layer.executable:
        return "is described only, so there is nothing to compute; take it out, or replace it by layers that compute"
    if type(layer).__name__ not in known:
        return f"has no form in {form} here; replace it by other layers"
    return None
