"""One symbolic call of a Keras model, from which the layers that it calls are read; all is undone after it.

Keras notes on each symbolic tensor the call that it came from, so the calls behind the outputs are a graph.
"""

from __future__ import annotations

import inspect
import linecache
import sys
from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from layerscope.core.errors import SourceError
from layerscope.core.types import show
from layerscope.sources._keras.inputs import Shapes

DEEPEST = 32
"""Layers of somebody else's classes within each other."""
FRAMEWORKS = ("keras", "jax", "jaxlib", "tensorflow", "torch", "numpy", "optree", "tree", "layerscope")


def arguments(keras: Any, model: Any, shapes: Shapes | None) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
    """Symbolic arguments for one call of the model: by place, by name, and all their tensors by name.

    SourceError where nobody says the shapes of its inputs.
    """
    taken = inspect.signature(model.call).parameters.values()
    known = [
        p for p in taken if p.name not in ("training", "mask") and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    needed = [p.name for p in known if p.default is p.empty]
    names = [p.name for p in known]
    tensors: dict[str, Any] = {}

    def made(shape: Any, name: str) -> Any:
        if isinstance(shape, Mapping):
            return {key: made(part, key) for key, part in shape.items()}
        if isinstance(shape, list | tuple) and any(isinstance(part, list | tuple | Mapping) for part in shape):
            return [made(part, f"{name}_{number}") for number, part in enumerate(shape)]
        tensors[name] = keras.KerasTensor((None, *shape[1:]), dtype=model.compute_dtype, name=name)
        return tensors[name]

    told = _told(model, shapes, names, needed)
    by_name = {name: made(shape, name) for name, shape in told.items()}
    missing = [name for name in needed if name not in by_name]
    if missing:
        told_all = ", ".join(f"{name!r}: ..." for name in needed)
        raise SourceError(
            f"{_title(model)}: the shape of {' and '.join(missing)} is unknown; say the sizes of one example of "
            f"each: layerscope.trace(model, input={{{told_all}}})"
        )
    return [], by_name, tensors


def _told(model: Any, shapes: Shapes | None, names: Sequence[str], needed: Sequence[str]) -> dict[str, Any]:
    """The shapes, the batch in front, by the names of the arguments of call."""
    first = names[0] if names else "inputs"
    if shapes is None:
        built = getattr(model, "_build_shapes_dict", None)
        if not built:
            raise SourceError(
                f"{_title(model)} is not built: the shapes of its inputs are unknown. Say the sizes of one example: "
                "layerscope.trace(model, input=(28, 28, 1))"
            )
        if len(built) == 1:
            return {first: next(iter(built.values()))}
        return {key.removesuffix("_shape"): shape for key, shape in built.items()}
    if isinstance(shapes, list):
        full: list[Any] = [(None, *shape) for shape in shapes]
        if len(full) == 1 or len(needed) == 1:
            return {first: full[0] if len(full) == 1 else full}
        if len(full) > len(names):
            raise SourceError(f"{_title(model)}: its call takes {', '.join(names)}, but input has {len(full)} shapes")
        return dict(zip(names, full, strict=False))
    named = {key: (None, *shape) for key, shape in shapes.items()}
    return named if set(named) <= set(names) else {first: named}


def call(keras: Any, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """The symbolic tensors that the layer's `call` returns; SourceError says which line stops it."""
    try:
        outputs = layer.call(*args, **kwargs)
    except Exception as error:
        raise SourceError(f"{_title(layer)} cannot be followed: {_where(error)}") from None
    found = [value for value in keras.tree.flatten(outputs) if isinstance(value, keras.KerasTensor)]
    if not found:
        raise SourceError(f"{_title(layer)} cannot be followed: its call returns no tensor")
    return found


def copied(keras: Any, value: Any, fresh: dict[int, Any]) -> Any:
    """Arguments with tensors of the same types that come from nowhere; `fresh` gets these by the old ones' ids."""

    def new(part: Any) -> Any:
        if not isinstance(part, keras.KerasTensor):
            return part
        if id(part) not in fresh:
            fresh[id(part)] = keras.KerasTensor(part.shape, dtype=part.dtype)
        return fresh[id(part)]

    return keras.tree.map_structure(new, value)


def nodes_behind(starts: Iterable[Any], outputs: Sequence[Any]) -> list[Any]:
    """The calls between these tensors, each behind those that it depends on."""
    known = {id(tensor) for tensor in starts}
    order: list[Any] = []
    done: dict[int, bool] = {}
    stack = [_node(tensor) for tensor in reversed(outputs) if id(tensor) not in known]
    while stack:
        node = stack.pop()
        if done.get(id(node)):
            continue
        waits = [_node(t) for t in node.input_tensors if id(t) not in known]
        waits = [one for one in waits if not done.get(id(one))]
        if waits and id(node) not in done:
            done[id(node)] = False
            stack += [node, *reversed(waits)]
            continue
        done[id(node)] = True
        order.append(node)
    return order


def _node(tensor: Any) -> Any:
    operation, number, _ = getattr(tensor, "_keras_history", (None, 0, 0))
    if operation is None or operation._inbound_nodes[number].is_input:
        raise SourceError(f"an output depends on a tensor {show(tuple(tensor.shape))} that is none of the inputs")
    return operation._inbound_nodes[number]


def _title(layer: Any) -> str:
    return f"{type(layer).__name__} ({layer.name})"


def _where(error: BaseException) -> str:
    """The last line of the user's own code, and what it ran into."""
    trace, place = error.__traceback__, None
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        if module not in FRAMEWORKS:
            place = (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        trace = trace.tb_next
    text = str(error).strip().partition("\n")[0]
    why = f"{type(error).__name__}: {text[:300]}"
    if place is None:
        return why
    line = linecache.getline(*place).strip()
    return f"{place[0]}, line {place[1]}: {line}\n  {why}"


# --- nothing stays ---


@contextmanager
def undone(keras: Any, model: Any) -> Generator[None]:
    """Calls in this block leave the model's layers as they were: nodes, weights, what is built, and Keras's counters.

    Weights that are made in it have no memory: Keras's StatelessScope makes no values.
    """
    held = [_Held(layer) for layer in _layers(model)]
    state = sys.modules.get("keras.src.backend.common.global_state")
    names = state.get_global_attribute("object_name_uids") if state is not None else None
    counters = dict(names) if names is not None else None
    waiting = state.get_global_attribute("uninitialized_variables") if state is not None else None
    uninitialized = list(waiting or ())
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        for one in held:
            one.restore()
        if state is not None:
            state.set_global_attribute("uninitialized_variables", uninitialized)
            if names is not None:
                names.clear()
                names.update(counters or {})
            else:
                state.set_global_attribute("object_name_uids", defaultdict(int))


def _layers(model: Any) -> list[Any]:
    found: dict[int, Any] = {}
    for layer in model._flatten_layers():
        found[id(layer)] = layer
        for operation in getattr(layer, "_operations", None) or ():
            found[id(operation)] = operation
    return list(found.values())


class _Held:
    """A layer's attributes and what its lists, dictionaries and sets hold."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.attributes = dict(vars(layer))
        tracker = vars(layer).get("_tracker")
        self.tracker = None if tracker is None else (tracker, dict(vars(tracker)))
        self.holders: list[tuple[Any, Any]] = []
        seen: list[Any] = [*self.attributes.values(), *(self.tracker[1].values() if self.tracker else ())]
        seen += list(getattr(tracker, "stored_ids", {}).values())
        for value in seen:
            if isinstance(value, list):
                self.holders.append((value, list(value)))
            elif isinstance(value, dict):
                self.holders.append((value, dict(value)))
            elif isinstance(value, set):
                self.holders.append((value, set(value)))

    def restore(self) -> None:
        """Everything as it was."""
        for holder, content in self.holders:
            if isinstance(holder, list):
                if len(holder) != len(content) or any(a is not b for a, b in zip(holder, content, strict=True)):
                    list.__setitem__(holder, slice(None), content)
            elif isinstance(holder, dict):
                if list(map(id, holder.values())) != list(map(id, content.values())):
                    dict.clear(holder)
                    dict.update(holder, content)
            elif holder != content:
                set.clear(holder)
                set.update(holder, content)
        if self.tracker is not None:
            vars(self.tracker[0]).update(self.tracker[1])
        now = vars(self.layer)
        for name in [name for name in now if name not in self.attributes]:
            del now[name]
        now.update(self.attributes)
