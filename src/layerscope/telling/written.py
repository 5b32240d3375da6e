"""A network written down: as one line of text, and as Python under Keras's names."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from layerscope.core import named, propagate
from layerscope.core.contract import Layer, changed_settings, describe_settings, normal
from layerscope.core.dataclasses import MISSING, fields, replace
from layerscope.core.errors import GraphError
from layerscope.core.graph import Edge, Graph, Node
from layerscope.core.sizes import numbers
from layerscope.layers._activation import KNOWN as ACTIVATIONS
from layerscope.layers._upsampling import INTERPOLATIONS
from layerscope.sources import text

SHORT = {long: short for short, long in text.SHORT.items()}
NAME = re.compile(r"[A-Za-z_][\w./-]*")
INSTEAD = "write it as JSON (--save) or as Python (--python)"


def one_line(graph: Graph, begin: int = 0) -> str:
    """The network as a line of text that `layerscope trace` reads back to the same layers.

    With `begin`, only the layers from this node on, to stand behind the text of those before.
    Errors: GraphError where it has branches, layers that share weights, or what the text has no words for.
    """
    stages: list[str] = []
    for number, node in enumerate(graph.nodes):
        stages.append(_stage(graph, number, node))
    whole = " | ".join(stages)
    _check(graph, text.read(whole))
    return " | ".join(stages[begin:])


def _stage(graph: Graph, number: int, node: Node) -> str:
    layer, called = node.layer, node.layer.name
    as_name = f" as {called}" if called and NAME.fullmatch(called) else ""
    if not number:
        if graph.inputs != (0,) or len(graph.outputs) != 1:
            raise GraphError(f"one line has one input and one output, this network more; {INSTEAD}")
        shape = propagate.types(graph)[0][0].shape[1:]
        return "x".join(map(str, shape)) + as_name
    if node.inputs[:1] != ((number - 1, 0),) or (len(node.inputs) > 1 and layer.kind != "MaxUnpooling2D"):
        raise GraphError(f"one line is a chain, but {node.label} ({layer.kind}) stands in branches; {INSTEAD}")
    if any(other.layer is layer for other in graph.nodes[:number]):
        raise GraphError(f"{node.label} is used twice with the same weights, which one line cannot say; {INSTEAD}")
    if layer.words is None:
        raise GraphError(f"{node.label} ({layer.kind}) has no word in one line of text; {INSTEAD}")
    return " ".join([layer.words.names[0], *_words(node.label, layer)]) + as_name


def layer_words(node: Node) -> str:
    """One layer as it stands in a line of text: conv 16 3 same relu; its kind where the text has no words for it.

    That channels stand last is what everybody takes for granted, and not told.
    """
    layer = node.layer
    if layer.words is None:
        return layer.kind
    try:
        words = [word for word in _words(node.label, layer) if word != "data_format=channels_last"]
        return " ".join([layer.words.names[0], *words])
    except GraphError:
        return layer.kind


def _words(label: str, layer: Layer) -> Iterator[str]:
    """The settings of a layer, those that stand as bare words first."""
    told = {k: v for k, v in changed_settings(layer).items() if k != "return_switches"}
    if layer.kind == "MaxUnpooling2D":
        told = {}  # the pool that it undoes says them
    assert layer.words is not None
    first, *_ = (*layer.words.places, "")
    if first and layer.kind != "MaxUnpooling2D" and getattr(layer, first) is not None:
        told.setdefault(first, normal(getattr(layer, first)))  # "maxpool 2" says more than "maxpool"
    for place in layer.words.places:  # bare words fill these in order, so the first that is not told ends them
        if place not in told:
            break
        yield _value(label, place, told.pop(place))
    for key, value in told.items():
        if key == "use_bias":
            yield "nobias" if value is False else "bias=yes"
        elif (
            (key == "activation" and value in ACTIVATIONS)
            or (key == "interpolation" and value in INTERPOLATIONS)
            or (key == "padding" and isinstance(value, str))
        ):
            yield value
        elif key in SHORT:
            yield f"{SHORT[key]} {_value(label, key, value)}"
        else:
            yield f"{key}={_value(label, key, value)}"


def _value(label: str, key: str, value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int | float) or (isinstance(value, str) and NAME.fullmatch(value)):
        return str(value)
    if (data := _data(key, value)) is not None:
        return named.to_text(data)
    parts: Sequence[Any] = cast(Sequence[Any], value) if isinstance(value, list | tuple) else ()
    if parts and all(isinstance(part, int) for part in parts):
        whole = key == "target_shape" or len(set(parts)) > 1
        return (",".join(map(str, parts)) + ("," if len(parts) == 1 else "")) if whole else str(parts[0])
    if parts and all(isinstance(part, list | tuple) for part in parts):
        return "x".join(",".join(map(str, part)) for part in cast(Sequence[Sequence[int]], parts))
    raise GraphError(f"{key} of {label} is {value!r}, which one line cannot say; {INSTEAD}")


def _check(graph: Graph, read: Graph) -> None:
    """That a line of text was read back to the same network; else it would be another one in silence."""
    for one, other in zip(graph.nodes, read.nodes, strict=True):
        if _told(one.layer) != _told(other.layer) or one.inputs != other.inputs:
            raise GraphError(
                f"one line would make {describe_settings(other.layer)} of {one.label}, "
                f"which is {describe_settings(one.layer)}; {INSTEAD}"
            )


def _data(key: str, value: Any) -> Mapping[str, Any] | None:
    """An object of training as data, as which it may stand already; None for what is none."""
    data = value.to_json() if hasattr(value, "to_json") else value
    return cast(Mapping[str, Any], data) if isinstance(data, Mapping) and named.kind_of(key) in data else None


def _told(layer: Layer) -> str:
    """What a layer is, with objects of training as data, which can be compared."""
    told = changed_settings(layer)
    data = {key: value.to_json() for key, value in told.items() if named.kind_of(key) and hasattr(value, "to_json")}
    return describe_settings(replace(layer, **data) if data else layer)


# --- Python ---


def python(graph: Graph, name: str = "model") -> str:
    """The network as Python, in Keras's functional style; also with keras for layerscope, where it has the layers.

    Errors: GraphError for a setting that is an object without a spelling in Python.
    """
    called = _variables(graph)
    kinds = sorted({node.layer.kind for node in graph.nodes if node.inputs})
    body = list(_lines(graph, called))
    ends = [called[edge] for edge in graph.outputs]
    starts = [called[(number, 0)] for number in graph.inputs]
    homes = sorted(f"{what}s" for what in named.NAMES if any(f"{what}s." in line for line in body))
    lines = [
        *([f"from layerscope import {', '.join(homes)}"] if homes else []),
        f"from layerscope.layers import {', '.join(['Input', *kinds])}",
        "from layerscope.models import Model",
        "",
        *body,
        f"{name} = Model({_listed(starts)}, {_listed(ends)})",
    ]
    return "\n".join(lines)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def _variables(graph: Graph) -> dict[Edge, str]:
    """A name for each tensor: x along a chain, else its layer's own."""
    chain = all(
        [edge for edge in node.inputs if edge[1] == 0] == [(number - 1, 0)]
        for number, node in enumerate(graph.nodes)
        if number
    )
    called: dict[Edge, str] = {}
    for number, node in enumerate(graph.nodes):
        stem = re.sub(r"\W", "_", node.label)
        stem = (
            f"_{stem}"
            if not stem or stem[0].isdigit() or keyword.iskeyword(stem) or stem in ("Input", "Model")
            else stem
        )
        called[(number, 0)] = ("x" if chain else stem) if node.inputs else "image" if chain else stem
        called[(number, 1)] = f"switches_{number}"
    return called


def _lines(graph: Graph, called: dict[Edge, str]) -> Iterator[str]:
    shared = {id(n.layer) for i, n in enumerate(graph.nodes) if any(o.layer is n.layer for o in graph.nodes[:i])}
    written: dict[int, str] = {}
    types = propagate.types(graph)
    for number, node in enumerate(graph.nodes):
        if not node.inputs:
            named = f', name="{node.layer.name}"' if node.layer.name else ""
            yield f"{called[(number, 0)]} = Input({numbers(types[number][0].shape[1:])}{named})"
            continue
        call = _call(node)
        if id(node.layer) in shared:
            if id(node.layer) not in written:
                written[id(node.layer)] = f"layer_{number}"
                yield f"layer_{number} = {call}"
            call = written[id(node.layer)]
        made = called[(number, 0)]
        if len(types[number]) > 1:
            made += f", {called[(number, 1)]}"
        yield f"{made} = {call}({_listed([called[edge] for edge in node.inputs])})"


def _call(node: Node) -> str:
    """The layer as a call: what it must be told by place, all else by name."""
    told, layer = changed_settings(node.layer), node.layer
    parts: list[str] = []
    ordered = sorted((f for f in fields(layer) if f.name not in ("name", "trainable")), key=lambda f: f.kw_only)
    for number, field in enumerate(ordered):
        placed = len(parts) == number and not field.kw_only and (field.default is MISSING or not number)
        if (placed or field.name in told) and getattr(layer, field.name) is not None:
            value = _python_value(node, field.name, getattr(layer, field.name))
            parts.append(value if placed else f"{field.name}={value}")
    if not layer.trainable:
        parts.append("trainable=False")
    if layer.name:
        parts.append(f'name="{layer.name}"')
    return f"{layer.kind}({', '.join(parts)})"


def _python_value(node: Node, key: str, value: Any) -> str:
    if isinstance(value, str):
        return '"' + repr(value)[1:-1].replace('"', '\\"') + '"'
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if (data := _data(key, value)) is not None:
        what = named.kind_of(key)
        told = ", ".join(f"{name}={number!r}" for name, number in data.get("settings", {}).items())
        return f"{what}s.{data[what]}({told})"
    parts: Sequence[Any] = cast(Sequence[Any], value) if isinstance(value, list | tuple) else ()
    if not parts:
        raise GraphError(
            f"{key} of {node.label} is {value!r}, which has no spelling in Python here; write it as JSON (--save)"
        )
    if key not in ("shape", "target_shape") and len(set(parts)) == 1 and isinstance(parts[0], int):
        return repr(parts[0])
    if key in ("padding", "cropping") and len(parts) == 1:
        return _python_value(node, "shape", parts[0])  # of one axis, Keras takes its two ends
    listed = ", ".join(_python_value(node, "shape", part) for part in parts)
    return f"({listed}{',' if len(parts) == 1 else ''})"
