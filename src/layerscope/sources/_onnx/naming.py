"""What nodes and sizes are called: from an exporter's names to scopes and names, unique and readable."""

from __future__ import annotations

import ast
import keyword
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache

from layerscope.core import sizes
from layerscope.core.contract import snake_case
from layerscope.core.errors import SizeError
from layerscope.core.sizes import Size
from layerscope.core.types import BATCH
from layerscope.sources._onnx.structures import Dim, Node

BATCHES = re.compile(r"n|b|bs|batch|batch_?size|batch_?dim|unk__\d+|unknown_0|none|dynamic_axes_\d+", re.IGNORECASE)
"""Names that the first size of an input has when it counts examples."""
LONGEST_FORMULA = 200
DEEPEST = 32


class Names:
    """Scope and name of each node, by what the exporter wrote.

    PyTorch writes "/layer1/layer1.0/conv1/Conv" (or the paths as metadata): the path of the modules, each with all
    that stands before it, and the operator. A module with one node lends it its name: layer1/0/conv1. Other writers'
    names are split at "/". A node without a name is called by its operator.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.users = Counter[tuple[str, ...]]()
        for node in nodes:
            if node.op != "Constant":
                path = _path(node)
                self.users.update(path[:depth] for depth in range(1, min(len(path), DEEPEST)))
        self.taken: dict[str, int] = {}
        """Labels in use, with the number that was tried last behind each."""

    def of(self, node: Node, scope: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
        """The scope and the name, unlike all before."""
        path = _path(node)
        plain = bool(node.scopes) or _automatic(node.op).fullmatch(path[-1]) is not None
        if len(path) > 1 and plain and self.users[path[:-1]] == 1:
            path = path[:-1]
        inner, name = path[:-1], path[-1] if path else ""
        return self.unique((*scope, *_shortened(inner)), _shortened((*inner, name))[-1] or snake_case(node.op))

    def unique(self, scope: tuple[str, ...], name: str) -> tuple[tuple[str, ...], str]:
        """The name with a number behind it where it is taken."""
        found, first = name, "/".join((*scope, name))
        number = self.taken.get(first, 0)
        while (label := "/".join((*scope, found))) in self.taken:
            number += 1
            found = f"{name}_{number}"
        self.taken[label] = 0
        if label != first:
            self.taken[first] = number
        return scope, found


@cache
def _automatic(op: str) -> re.Pattern[str]:
    """The names that writers give to nodes that nobody named: Conv, Conv_1."""
    return re.compile(rf"{re.escape(op)}(_\d+)?")


def _path(node: Node) -> tuple[str, ...]:
    if len(node.scopes) > 1:
        return tuple(part for part in node.scopes[:-1] if part) + (node.scopes[-1],)
    return tuple(part for part in node.name.split("/") if part) or ("",)


def _shortened(path: tuple[str, ...]) -> tuple[str, ...]:
    """Each part without the part before it: layer1, layer1.0, layer1.0.conv1 → layer1, 0, conv1."""
    found: list[str] = []
    before = ""
    for part in path:
        found.append(part.removeprefix(before + ".") if before else part)
        before = part
    return tuple(found)


class Sizes:
    """The named sizes of a file. A name that is a formula ("past + 1") is read as one."""

    def __init__(self) -> None:
        self.known: dict[str, Size] = {}
        self.taken: dict[str, int] = {}

    def fresh(self, stem: str) -> Size:
        """A size that nothing else is equal to."""
        return sizes.named(self._free(stem))

    def reserve(self, known: Iterable[Size]) -> None:
        """Leave the names of these sizes to them."""
        for size in known:
            self.taken |= dict.fromkeys(sizes.names(size) - self.taken.keys(), 0)

    def size(self, dim: Dim, stem: str) -> Size:
        """The size that a file states; one without a name is called by the stem."""
        if isinstance(dim, int):
            return dim
        if dim is None:
            return self.fresh(stem)
        if dim not in self.known:
            formula = None if dim.isidentifier() else self._formula(dim)
            self.known[dim] = sizes.named(self._free(dim)) if formula is None else formula
        return self.known[dim]

    def batch(self, dim: Dim) -> Size:
        """The first size of an input: where it is open and not called otherwise, the number of examples."""
        if isinstance(dim, int) or (dim is not None and dim in self.known):
            return self.size(dim, BATCH)
        if dim is None:
            return self._batch()
        if BATCHES.fullmatch(dim) and BATCH not in self.taken:
            self.known[dim] = self._batch()
        return self.size(dim, BATCH)

    def _batch(self) -> Size:
        self.taken.setdefault(BATCH, 0)
        return sizes.named(BATCH)

    def _free(self, stem: str) -> str:
        name = re.sub(r"\W", "_", stem, flags=re.ASCII).strip("_") or "size"
        if name[0].isdigit() or keyword.iskeyword(name):
            name = f"size_{name}"
        found, number = name, self.taken.get(name, 0)
        while found in self.taken:
            number += 1
            found = f"{name}_{number}"
        self.taken[found] = 0
        if found != name:
            self.taken[name] = number
        return found

    def _formula(self, text: str) -> Size | None:
        """Sums, products and quotients of names and numbers; None for anything else."""
        if len(text) > LONGEST_FORMULA:
            return None
        try:
            found = self._read(ast.parse(text.strip(), mode="eval").body)
        except (SyntaxError, ValueError, SizeError, RecursionError, MemoryError):
            return None
        return found if sizes.upper_bound(found) >= 1 else None

    def _read(self, part: ast.expr) -> Size:
        match part:
            case ast.Name(id=name):
                return self.size(name, name)
            case ast.Constant(value=int(number)) if not isinstance(number, bool):
                return number
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._read(left) + self._read(right)
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                return self._read(left) - self._read(right)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return self._read(left) * self._read(right)
            case ast.BinOp(left=left, op=ast.FloorDiv(), right=right):
                return sizes.floor_div(self._read(left), self._read(right))
            case ast.Call(func=ast.Name(id="floor"), args=[ast.BinOp(left=left, op=ast.Div(), right=right)]):
                return sizes.floor_div(self._read(left), self._read(right))
            case _:
                raise ValueError(ast.dump(part))
