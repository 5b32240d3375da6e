"""PyTorch: a module, function or exported program, traced as it is (`read`); a module with weights (`convert`).

To be traced (`_torch/live`), what is given is copied with tensors that have sizes and no numbers, and called once;
each function of PyTorch that it calls becomes a described operator with PyTorch's own order of axes.

To be taken over, the forward runs once under PyTorch's fake tensors, which have sizes and no numbers, while a mode
writes down each function of torch that it calls, in or outside of modules. So any Python in it is followed, nothing
is computed, and no compiler is needed. Each function that is called becomes layers (`_torch/functions.py`); what no
layer does becomes an `Opaque` and a line in the error of whoever wanted to compute with it.

Images are channels first there and channels last here. A value carries how its axes lie (`Value.axes`) and whether it
is an image's numbers in PyTorch's order (`Value.order`); the weights of the next Linear are put into ours.
"""

from __future__ import annotations

import functools
import os
import sys
import types
from importlib import import_module
from typing import Any

from layerscope.core import sizes
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.errors import SourceError
from layerscope.core.graph import Graph, Symbolic, trace_calls
from layerscope.sources import _files

SUMMARY = "a PyTorch module, function or exported program (.pt2), with input=(1, 3, 224, 224)"
TAKES_INPUT = True
TAKES_BATCH = True


def handles(what: object) -> bool:
    """Whether this is something of PyTorch: a module, a program, a function where PyTorch is loaded, or a .pt2 file.

    PyTorch is not imported to find out.
    """
    if isinstance(what, str | os.PathLike):
        return _files.kind(what) == "pt2"
    return is_module(what) or ("torch" in sys.modules and isinstance(what, FUNCTIONS))


def is_module(what: object) -> bool:
    """Whether this is a module or a program of the PyTorch that is loaded."""
    torch: Any = sys.modules.get("torch")
    if torch is None or isinstance(what, type):
        return False
    return isinstance(what, torch.nn.Module) or type(what).__name__ == "ExportedProgram"


FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial)


def read(what: Any, input: Any = None, batch: int | None = None) -> Graph:
    """What it does to inputs of these sizes, as a graph; it is neither run nor changed, and nothing is allocated.

    `input` says the sizes of what forward takes, batch and all: (1, 3, 224, 224), or ((1, 128), "int64") with a
    dtype, or a tensor; several in a list, or by name in a dictionary, whose other values are handed in as they are.
    A first
    size of None leaves the batch open. `batch` stands for the first size of each. A program knows its own sizes.
    Errors: SourceError where it cannot be followed, with the line that stops it.
    """
    try:
        torch: Any = import_module("torch")
    except ImportError:
        raise SourceError(
            f"{what}: a program of torch.export, which PyTorch is needed to follow: pip install torch "
            "(pytorch.org/get-started)"
        ) from None
    from layerscope.sources import _asked as asked
    from layerscope.sources import _opening as opening
    from layerscope.sources._torch.live import following, programs

    name = getattr(what, "__name__", type(what).__name__)
    if isinstance(what, str | os.PathLike):
        what = programs.load(what)
    elif type(what).__name__ == "ExportedProgram":
        what = programs.of_exported(torch, what)
    if isinstance(what, programs.Program):
        name = what.name.replace("this program", "program")
        given = what.asked(None if input is None else asked.asked(input), batch)
    else:
        given = asked.asked(input)
        given = given if batch is None else given.batched(batch)
    what = getattr(what, "_orig_mod", what)  # of one that torch.compile wraps
    if given.open:
        return opening.followed(lambda filled: following.follow(torch, what, filled, name.lower()), given)
    return following.follow(torch, what, given, name.lower())


def given_shapes(input: Any, volumes: bool = False) -> list[tuple[int, ...]]:
    """The sizes of one example of each input. Four sizes have the batch in front, which is dropped; with `volumes`
    they are those of a volume, and five have the batch.
    """
    listed: Any = input
    if not isinstance(listed, tuple | list) or not listed:
        raise SourceError(
            f"input must be the sizes of one example, channels first, such as (1, 28, 28), or a list of these, "
            f"not {input!r}"
        )
    parts = listed if all(isinstance(part, tuple | list) for part in listed) else [listed]
    shapes = [tuple(sizes.checked(n, f"input: a size of {tuple(part)}") for n in part) for part in parts]
    whole = 5 if volumes else 4
    return [shape[1:] if len(shape) == whole else shape for shape in shapes]


@dataclass
class Imported:
    """A module as a graph; arrays of its weights by the layer that has them; what no layer does, one line each."""

    graph: Graph
    weights: list[tuple[Any, dict[str, Any]]]
    problems: list[str]


def convert(module: Any, input: Any, name: str | None = None) -> Imported:
    """The module as layers with its weights. What no layer does is an Opaque in the graph, and a problem.

    `input`: sizes of one example, channels first, or a list of them.
    Errors: SourceError when the forward fails, or leads to nothing.
    """
    from layerscope.sources._torch import functions, reader, tape

    module = getattr(module, "_orig_mod", module)  # of one that torch.compile wraps
    volumes = any(type(part).__name__.endswith("3d") for part in module.modules())
    played, held = tape.record(module, given_shapes(input, volumes))
    reading = reader.Reader(played, held, functions.plan(played), functions.FUNCTIONS)
    inputs, outputs = reading.run()
    for value in outputs:
        if not isinstance(value, Symbolic):
            raise SourceError(f"{type(module).__name__}: an output does not depend on the input")
    graph = _frozen(trace_calls(inputs, outputs, name or type(module).__name__.lower()), reading.frozen)
    return Imported(graph, list(reading.arrays.values()), reading.problems)


def _frozen(graph: Graph, roles: set[tuple[int, str]]) -> Graph:
    """The graph in which the weights of these layers and roles are not trained."""
    ids = {id_ for node in graph.nodes for role, id_ in node.weights.items() if (id(node.layer), role) in roles}
    rows = {id_: replace(row, trainable=row.trainable and id_ not in ids) for id_, row in graph.parameters.items()}
    return replace(graph, parameters=rows)


def imported(module: Any, input: Any, name: str | None = None) -> Imported:
    """As `convert`; SourceError listing everything that no layer does."""
    found = convert(module, input, name)
    if found.problems:
        lines = "\n  ".join(found.problems)
        raise SourceError(f"this PyTorch module ({type(module).__name__}) cannot be taken over:\n  {lines}")
    return found
