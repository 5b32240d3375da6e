"""A graph as JSON, and back. Schema version 1.

{"layerscope": 1, "name": ..., "inputs": [node names], "outputs": [[node name, output number]],
 "parameters": {id: {"shape": [...], "dtype": ..., "trainable": ...}},
 "nodes": [{"name", "kind", "settings", "inputs": [[node name, number]], "weights": {role: id}, "scope": []}]}

Two nodes with the same weight ids share one layer, or tied weights. Only settings that differ from
their defaults are written. The kind is a layer's, or "operators." and that of a described operator. A layer inside
another one's settings (Bidirectional, RNN, ...) is {"kind", "settings"}, and "name" where it has one. There is no
code in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from layerscope import operators
from layerscope.core import sizes, sketch
from layerscope.core.contract import Layer, changed_settings
from layerscope.core.dataclasses import fields, replace
from layerscope.core.errors import LayerscopeError, ShapeError, SourceError
from layerscope.core.graph import Call, Graph, Symbolic, trace_calls, types_of
from layerscope.core.types import TensorType
from layerscope.layers import layer_class
from layerscope.sources import _files

SUMMARY = "a graph saved as JSON"
VERSION = 1
MOST_BYTES = 32 << 20
MOST_VALUES = 1_000_000
"""Of a file: a network of 10,000 layers has half as many."""
MOST_NESTED = 16
"""Layers within layers' settings, at most."""
OPERATORS = "operators."
DATA = ("vocabulary",)
"""Settings whose lists are nothing but data: ["max", "min"] is no size there."""


def handles(what: object) -> bool:
    """Whether this is a file with a JSON object in it, which is no model of Keras's."""
    return _files.kind(what) == "graph"


def read(path: str | os.PathLike[str]) -> Graph:
    """The graph in a JSON file; SourceError says what is wrong with it."""
    try:
        with open(path, "rb") as file:
            data = parsed(file.read(MOST_BYTES + 1))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{os.fspath(path)}: not readable as JSON: {error}") from None
    try:
        return load(data)
    except LayerscopeError as error:
        raise SourceError(f"{os.fspath(path)}: {error}").of(error.sketch, error.whole) from None


def sketched(data: Any) -> Graph:
    """The graph that `dump` wrote, whether its sizes fit or not; no weights."""
    with sketch.sketching():
        return load(data)


def parsed(data: bytes) -> Any:
    """JSON as plain data; ValueError where it is none, or more than any network needs."""
    if len(data) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES >> 20} MiB")
    if data.count(b",") + data.count(b"[") + data.count(b"{") > MOST_VALUES:
        raise ValueError(f"it has more than {MOST_VALUES:,} values")
    return json.loads(data.decode("utf-8"))


def dump(graph: Graph) -> dict[str, Any]:
    """The graph as plain data, for json.dump."""
    labels = [node.label for node in graph.nodes]
    return {
        "layerscope": VERSION,
        "name": graph.name,
        "inputs": [labels[i] for i in graph.inputs],
        "outputs": [[labels[i], number] for i, number in graph.outputs],
        "parameters": {
            row.id: {"shape": list(row.shape), "dtype": row.dtype, "trainable": row.trainable}
            for row in graph.parameters.values()
        },
        "nodes": [
            {
                "name": node.name,
                **_form(node.layer),
                "inputs": [[labels[i], number] for i, number in node.inputs],
                "weights": dict(node.weights),
                "scope": list(node.scope),
            }
            for node in graph.nodes
        ],
    }


def _form(layer: Layer) -> dict[str, Any]:
    return {
        "kind": _kind(type(layer)),
        "settings": {key: _plain(value) for key, value in changed_settings(layer).items()},
    }


def _kind(cls: type[Layer]) -> str:
    return OPERATORS + cls.__name__ if cls.__module__.startswith(operators.__name__ + ".") else cls.__name__


def _plain(value: Any) -> Any:
    if isinstance(value, Layer):
        return _form(value) | ({"name": value.name} if value.name else {})
    if isinstance(value, sizes.Expression):
        return sizes.to_json(value)
    if isinstance(value, TensorType):
        return value.to_json()
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if hasattr(value, "to_json"):
        return value.to_json()
    return value


def _need(condition: object, message: str) -> None:
    if not condition:
        raise SourceError(message)


def load(data: Any) -> Graph:
    """The graph that `dump` wrote; SourceError or another LayerscopeError for anything that is not one."""
    try:
        return _graph(data)
    except (TypeError, LookupError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        if isinstance(error, ShapeError):
            raise error.of(lambda: sketched(data)) from None
        if isinstance(error, LayerscopeError):
            raise
        # Files come from anywhere; whatever the checks below do not foresee is refused all the same.
        raise SourceError(f"not a graph of Layerscope: {type(error).__name__}: {error}") from None


def _graph(data: Any) -> Graph:
    _need(
        isinstance(data, dict) and "layerscope" in data,
        'no graph of Layerscope: the key "layerscope" is missing',
    )
    _need(
        data["layerscope"] == VERSION,
        f"schema version {data['layerscope']!r} is not known here; this program reads version {VERSION}",
    )
    nodes: Any = data.get("nodes")
    _need(isinstance(nodes, list) and nodes, '"nodes" must be a list with at least one node')
    shared: dict[tuple[Any, ...], Layer] = {}
    calls: dict[str, Call] = {}
    for number, row in enumerate(nodes):
        _need(isinstance(row, dict), f"node {number} is not an object")
        label = _label(row, number)
        _need(label not in calls, f"two nodes are called {label!r}")
        calls[label] = _call(row, label, calls, shared)
    made = [_tensor([name, 0], calls, "inputs") for name in _list(data, "inputs")]
    outputs = [_tensor(edge, calls, "outputs") for edge in _list(data, "outputs")]
    graph = trace_calls(made, outputs, str(data.get("name", "model")))
    if sketch.on():
        return graph
    return _with_parameters(graph, data.get("parameters", {}))


def _label(row: dict[str, Any], number: int) -> str:
    scope = row.get("scope", [])
    _need(isinstance(row.get("name"), str) and row["name"], f"node {number} has no name")
    _need(isinstance(scope, list) and all(isinstance(s, str) for s in scope), f"node {number}: bad scope")
    return "/".join((*scope, row["name"]))


def _list(data: dict[str, Any], key: str) -> list[Any]:
    _need(isinstance(data.get(key), list) and data[key], f'"{key}" must be a list that is not empty')
    return data[key]


def _tensor(edge: Any, calls: Mapping[str, Call], where: str) -> Symbolic:
    _need(
        isinstance(edge, list) and len(edge) == 2 and isinstance(edge[0], str) and isinstance(edge[1], int),
        f"{where}: {edge!r} is not [node name, output number]",
    )
    _need(edge[0] in calls, f"{where}: no node before it is called {edge[0]!r}")
    call = calls[edge[0]]
    _need(
        0 <= edge[1] < len(call.types),
        f"{where}: {edge[0]!r} has {len(call.types)} output(s), not {edge[1] + 1}",
    )
    return Symbolic(call, edge[1])


def _call(row: dict[str, Any], label: str, calls: Mapping[str, Call], shared: dict[tuple[Any, ...], Layer]) -> Call:
    edges = row.get("inputs", [])
    _need(isinstance(edges, list), f"{label}: inputs must be a list")
    inputs = tuple(_tensor(edge, calls, label) for edge in edges)
    weights, settings = row.get("weights") or {}, row.get("settings") or {}
    _need(
        isinstance(weights, dict) and isinstance(settings, dict),
        f"{label}: weights and settings must be objects",
    )
    _need(all(isinstance(id, str) for id in weights.values()), f"{label}: ids of weights must be strings")
    cls = _class(row.get("kind"), label)
    key = (cls, json.dumps(settings, sort_keys=True), json.dumps(weights, sort_keys=True))
    layer = shared.get(key) if weights else None
    if layer is None:
        layer = _make(cls, settings, label)
        shared[key] = layer
    types = types_of(layer, inputs, f"{label} ({layer.kind})")
    if sketch.on():
        return Call(layer, inputs, types, tuple(row.get("scope", [])), row["name"])
    roles = set(layer.weight_types(*(value.type for value in inputs)))
    _need(
        not weights or set(weights) == roles,
        f"{label}: weights must name {', '.join(sorted(roles)) or 'nothing'}",
    )
    return Call(layer, inputs, types, tuple(row.get("scope", [])), row["name"], weights or None)


def _class(kind: Any, label: str) -> type[Layer]:
    _need(isinstance(kind, str), f"{label}: the kind is missing")
    if kind.startswith(OPERATORS):
        found = operators.kinds()
        _need(kind[len(OPERATORS) :] in found, f"{label}: no operator is called {kind!r}")
        return found[kind[len(OPERATORS) :]]
    return layer_class(kind)


def _make(cls: type[Layer], settings: dict[str, Any], label: str, depth: int = 0, name: str | None = None) -> Layer:
    allowed = {f.name for f in fields(cls)}
    unknown = sorted(set(settings) - allowed)
    _need(not unknown, f"{label}: {cls.__name__} has no setting {', '.join(unknown)}")
    try:
        told: dict[str, Any] = {
            key: tuple(value) if key in DATA and isinstance(value, list) else _setting(value, label, depth)
            for key, value in settings.items()
        }
        whole: dict[str, Any] = told if name is None else told | {"name": name}
        return cls(**whole)
    except TypeError as error:
        raise SourceError(f"{label}: {cls.__name__}: {error}") from None
    except SourceError:
        raise
    except LayerscopeError as error:
        raise SourceError(f"{label}: {error}") from None


def _setting(value: Any, label: str, depth: int) -> Any:
    """A setting as layers take it: lists as tuples, sizes, layers inside."""
    if isinstance(value, list):
        if value and value[0] in ("+", "*", "//", "max"):
            return sizes.from_json(value)
        return tuple(_setting(part, label, depth) for part in value)
    if isinstance(value, dict) and isinstance(value.get("kind"), str) and set(value) <= {"kind", "settings", "name"}:
        _need(depth < MOST_NESTED, f"{label}: more than {MOST_NESTED} layers stand within each other's settings")
        settings, name = value.get("settings", {}), value.get("name")
        _need(isinstance(settings, dict), f"{label}: settings of the inner {value['kind']} must be an object")
        _need(name is None or isinstance(name, str), f"{label}: the name of the inner {value['kind']} must be text")
        return _make(_class(value["kind"], label), settings, label, depth + 1, name)
    return value


def _with_parameters(graph: Graph, table: Any) -> Graph:
    """The graph, whose parameters must be those of the table; those that are frozen there are frozen."""
    _need(isinstance(table, dict), '"parameters" must be an object')
    rows = dict(graph.parameters)
    for id, row in table.items():
        mine = graph.parameters.get(id)
        _need(mine is not None, f"parameter {id!r} belongs to no node")
        assert mine is not None
        shape = row.get("shape") if isinstance(row, dict) else None
        _need(
            shape == list(mine.shape),
            f"parameter {id!r} has the shape {shape}, but its layer needs {list(mine.shape)}",
        )
        if row.get("trainable") is False:
            rows[id] = replace(mine, trainable=False)
    return replace(graph, parameters=rows)
