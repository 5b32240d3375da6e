"""Where an equation of a jaxpr comes from: the modules whose calls were marked, and the functions of libraries."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from layerscope.core.dataclasses import dataclass
from layerscope.sources._jax.values import Call, Place

MARK = "layerscope:"
LIBRARIES = ("jax", "jaxlib", "flax", "equinox", "haiku", "optax")
FUNCTIONS = re.compile(
    r"(jax/_src/(numpy|nn|lax|scipy|image|ops)/|jax/_src/random\.py|flax/(linen|nnx/nn)/|equinox/nn/|haiku/_src/|optax/)"
)
"""Files whose functions give rows their names."""
PLUMBING = re.compile(
    r"^(_.*|<.*|wrapper|wrapped|op|fn|f|fun|func|body|meth|call|promote_dtype|dot|bind|inner|maybe_.*|"
    r"deferring_binary_op|reduction|associative_scan|apply|checkpoint_name|canonicalize_.*|\w*_fn)$"
)
WORDS = {"rewriting_take": "getitem", "_operator_truediv": "div", "_operator_rtruediv": "div"} | {
    f"_operator_r{word}": word for word in ("add", "sub", "mul", "pow", "matmul", "and", "or", "xor", "mod")
}
"""Names of functions as users know them; of _operator_add and the like the last word."""
"""Functions within these whose names say nothing."""
UNITS = {
    "softmax", "log_softmax", "relu", "relu6", "gelu", "silu", "swish", "elu", "selu", "celu", "leaky_relu",
    "softplus", "soft_sign", "sigmoid", "log_sigmoid", "hard_tanh", "hard_sigmoid", "hard_silu", "hard_swish", "mish",
    "squareplus", "sparse_plus", "logaddexp", "clip", "mean", "standardize",
}  # fmt: skip
"""Functions that are one wherever they are called, also within others."""


@dataclass(frozen=True)
class Entry:
    """A scope: its name, or path; the class of the module, if it is one's; and what tells its calls apart."""

    name: str
    kind: str = ""
    own: bool = False
    token: Any = ""
    module: bool = False


def mark(name: str, kind: str, own: bool, token: int) -> str:
    """The name of a scope in which a module is called."""
    return f"{MARK}{name}|{kind}|{int(own)}|{token}"


def entries(stack: Any) -> list[Entry]:
    """The scopes of a name stack, from outside; those that libraries name after modules are left out."""
    names = [str(part.name) for part in getattr(stack, "stack", ()) if type(part).__name__ == "Scope"]
    found: list[Entry] = []
    for place, name in enumerate(names):
        if name.startswith(MARK):
            path, kind, own, token = name.removeprefix(MARK).rsplit("|", 3)
            found.append(Entry(path, kind, own == "1", token, module=True))
        elif not _named_after(name, names[place - 1 : place] + names[place + 1 : place + 2]):
            found.append(Entry(name.replace("/", "_")))
    return found


def _named_after(name: str, beside: Sequence[str]) -> bool:
    if "->" in name or "." in name:
        return True  # an equation of einsum; a class of Equinox, a method of Flax's
    for other in beside:
        if other.startswith(MARK):
            path, kind, *_ = other.removeprefix(MARK).rsplit("|", 3)
            if name in (path.rpartition("/")[2], kind):
                return True
    return False


class Places:
    """Scopes of equations; a scope that is entered again has the number of the call."""

    def __init__(self) -> None:
        self._seen: dict[tuple[tuple[str, ...], str], dict[Any, int]] = {}
        self._known: dict[tuple[Entry, ...], Place] = {}

    def of(self, stack: tuple[Entry, ...]) -> Place:
        """The place that these scopes lead to."""
        if stack not in self._known:
            scope: tuple[str, ...] = ()
            module, kind, own = scope, "", False
            for entry in stack:
                if entry.name:
                    turns = self._seen.setdefault((scope, entry.name), {})
                    turn = turns.setdefault(entry.token, len(turns) + 1)
                    parts = entry.name.split("/")
                    parts[-1] += f"#{turn}" if turn > 1 else ""
                    scope = (*scope, *parts)
                if entry.module:
                    module, kind, own = scope, entry.kind, entry.own
            self._known[stack] = Place(scope, module, kind, own)
        return self._known[stack]


class Calls:
    """Which function of a library an equation belongs to, told from where it was traced."""

    def __init__(self) -> None:
        self._folders = tuple(
            os.path.dirname(path) + os.sep
            for name in LIBRARIES
            for path in [getattr(_loaded(name), "__file__", None)]
            if path
        )
        self._ours = os.path.dirname(os.path.dirname(os.path.dirname(__file__))) + os.sep
        self._last: dict[str, tuple[Any, Any, Call]] = {}
        self._number = 0

    def library(self, file: str) -> bool:
        """Whether a file is one of a library."""
        return file.startswith((*self._folders, self._ours, "<frozen")) or file == "<string>"

    def new(self, name: str) -> Call:
        """A call of its own."""
        self._number += 1
        return Call(self._number, name)

    def of(self, traceback: Any, primitive: str) -> tuple[Call | None, Call | None]:
        """The call of a library's function that an equation of this primitive belongs to, and the unit.

        Where the first primitive of a call comes again from the same place, another call begins.
        """
        frames = list(traceback.frames) if traceback is not None else []
        edge = next((n for n, one in enumerate(frames) if self._outside(one)), len(frames))
        outer = tuple((one.file_name, one.line_num) for one in frames[edge : edge + 12])
        inner = (*((one.function_name, one.line_num) for one in frames[:edge]), primitive)
        told = [_plain(one) for one in reversed(frames[:edge])]
        name = next((word for word in told if word and not PLUMBING.match(word)), "")
        unit = next((word for word in told if word in UNITS), "")
        depth = len(told) - told.index(unit) if unit else 0
        first = self._same("call", (outer, name), inner, name) if name else None
        return first, self._same("unit", (outer, inner[depth:-1], unit), inner, unit) if unit else None

    def _outside(self, frame: Any) -> bool:
        """The user's code, or the call of a library's module: what is within is one function of a library."""
        file, function = frame.file_name, frame.function_name
        return not self.library(file) or (function.endswith("__call__") and bool(re.search(r"flax|equinox", file)))

    def _same(self, what: str, key: Any, inner: Any, name: str) -> Call:
        last = self._last.get(what)
        if last is not None and last[0] == key and last[1] != inner:
            return last[2]
        call = self.new(name)
        self._last[what] = (key, inner, call)
        return call


def _loaded(name: str) -> Any:
    import sys

    return sys.modules.get(name) or (import_module(name) if name in ("jax", "jaxlib") else None)


def _plain(frame: Any) -> str:
    if not FUNCTIONS.search(frame.file_name.replace(os.sep, "/")):
        return ""
    word: str = frame.function_name.rpartition(".")[2]
    return str(WORDS.get(word, word.removeprefix("_operator_")))
