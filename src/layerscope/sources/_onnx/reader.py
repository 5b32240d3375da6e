"""From the nodes of an ONNX file to a Graph: names, constants, weights, and one layer for each node that computes.

Nodes whose results are known from shapes alone are folded and not shown; Identity and Constant vanish, as do nodes on
which no output depends. A node that no rule describes is shown with the shapes that the file states.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.dataclasses import dataclass, replace, twin
from layerscope.core.errors import LayerscopeError, ShapeError, SourceError
from layerscope.core.graph import Call, Symbolic
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, show
from layerscope.operators._operator import ABSENT, Operator
from layerscope.operators.standing import Constant, Undescribed
from layerscope.sources._onnx import control, folding, frames, rules, sequences, values, weights
from layerscope.sources._onnx.frames import Entry, Frame, Listed, title
from layerscope.sources._onnx.naming import Names, Sizes
from layerscope.sources._onnx.site import FLOATING, Operand, Refused, Rule, Site, Value
from layerscope.sources._onnx.structures import Function, GraphInfo, ModelInfo, Node, Reference, Tensor, TypeInfo
from layerscope.sources._onnx.weights import MALFORMED, STORED

DEEPEST = 64
SPECIAL = control.SPECIAL | sequences.SPECIAL
"""Operators that are read here, and have no rule."""
SHORT = {"value_int": "int64", "value_ints": "int64", "value_float": "float32", "value_floats": "float32",
         "value_string": "string", "value_strings": "string"}  # fmt: skip
"""Attributes of a Constant that are no tensor."""


@dataclass(frozen=True)
class Folded:
    """Where an operand came from whose elements were computed while reading."""

    operand: Operand
    site: Site
    node: Node
    frame: Frame
    number: int


class Reader:
    """Reads the nodes of one model; `calls` are the layers so far."""

    def __init__(self, model: ModelInfo) -> None:
        self.model = model
        self.sizes = Sizes()
        self.names = Names(model.graph.nodes)
        self.calls: list[Call] = []
        self.folded: dict[int, Folded] = {}
        self.stored: dict[int, Operand] = {}
        self.times: dict[int, Size | None] = {}
        """How often a layer (by its id) counts, where that is not once: in loops and branches."""
        self.shown: dict[int, tuple[Operand, Symbolic]] = {}
        self.depth = self.loops = 0
        self.alike: dict[Hashable, tuple[Call, Site]] = {}
        """Calls by all that their rules are told, since many nodes are alike; and sites, whose types are in these."""
        self.types: dict[TensorType, TensorType] = {}
        self.known_types: dict[int, TensorType] = {}
        """By what the file states, where that names all sizes."""

    # --- values ---

    def stored_tensor(self, tensor: Tensor, frame: Frame, least: int = 0) -> Operand:
        """A tensor of the file: a weight where its elements are floating and it has axes and more than `least`."""
        kind = TensorType(tensor.dims, tensor.dtype)
        counts = tensor.size > least and tensor.name not in frame.starts
        weight = tensor.dtype in STORED and len(tensor.dims) > 0 and counts
        value, floats = None, None
        if tensor.numbers is not None:
            found = values.Known(tensor.dims, tensor.numbers, tensor.dtype)
            value, floats = (
                (None, values.as_floats(found)) if tensor.dtype in FLOATING else (values.as_value(found), None)
            )
        operand = Operand(frame.prefix + tensor.name, kind, None, weight, value, floats, inline=least > 0)
        self.stored[id(operand)] = operand
        return operand

    def known(self, name: str, found: values.Known) -> Operand:
        """An operand whose elements were computed."""
        kind = TensorType(found.dims, found.dtype)
        return Operand(name, kind, value=values.as_value(found), floats=values.as_floats(found))

    def stated(self, info: TypeInfo | None, stem: str) -> TensorType | None:
        """The type that the file states; None where it leaves out the number of axes or what the elements are."""
        if info is None or info.form != "tensor" or info.dims is None or not info.dtype:
            return None
        if None not in info.dims and id(info) in self.known_types:
            return self.known_types[id(info)]
        shape = tuple(self.sizes.size(dim, f"{stem}_{axis}") for axis, dim in enumerate(info.dims))
        self.known_types[id(info)] = found = TensorType(shape, info.dtype)
        return found

    def constant(self, node: Node, frame: Frame) -> Operand:
        """What a Constant node holds."""
        told, (name, *_) = self.attributes(node, frame), node.outputs
        for key in told.keys() & SHORT.keys():
            found, dtype = told[key], SHORT[key]
            items: tuple[Any, ...] = found if isinstance(found, tuple) else (found,)
            dims = (len(items),) if isinstance(found, tuple) else ()
            followed = items if dtype != "string" and len(items) <= values.MOST else None
            return self.stored_tensor(Tensor(name, dims, dtype, followed), frame, 1)
        found = node.attributes.get("value", node.attributes.get("sparse_value"))
        if not isinstance(found, Tensor):
            raise SourceError(f"{title(node)} holds no value")
        return self.stored_tensor(replace(found, name=name), frame, 1)

    def attributes(self, node: Node, frame: Frame) -> dict[str, Any]:
        """The attributes as rules see them; in a function those that its caller gives are put in."""
        told: dict[str, Any] = {}
        for key, value in node.attributes.items():
            if isinstance(value, Reference):
                given = frame.attributes or {}
                if value.name not in given:
                    continue  # the operator's own default holds
                value = given[value.name]
            told[key] = self.stored_tensor(value, frame) if isinstance(value, Tensor) else value
        return told

    # --- nodes ---

    def frame(self, graph: GraphInfo, parent: Frame | None, scope: tuple[str, ...], prefix: str = "") -> Frame:
        """A new frame with the graph's initializers."""
        opsets = self.model.opsets if parent is None else parent.opsets
        attributes = None if parent is None else parent.attributes
        stated = {name: info for name, info in (*graph.inputs, *graph.outputs) if info is not None} | graph.stated
        starts = weights.starts(graph.nodes, [name for name, _ in graph.outputs])
        made = Frame({}, parent, scope, prefix, opsets, stated, attributes, starts)
        for tensor in graph.initializers:
            if tensor.name in made.values:
                raise SourceError(f"two initializers are called {tensor.name!r}")
            made.values[tensor.name] = self.stored_tensor(tensor, made)
        return made

    def run(self, nodes: Sequence[Node], frame: Frame, outputs: Sequence[str]) -> list[Entry]:
        """What the outputs are, after all nodes that they need."""
        frames.check(nodes, frame, outputs)
        with self.deeper():
            for node in frames.needed(nodes, outputs):
                self.process(node, frame)
        return [frame.get(name) for name in outputs]

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Bounds how far functions and bodies are nested."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise SourceError(f"functions or bodies nested more than {DEEPEST} deep; does one call itself?")
        yield
        self.depth -= 1

    def process(self, node: Node, frame: Frame) -> None:
        """One node: bind the names of its outputs."""
        if node.op == "Constant" and node.domain == "":
            frame.values[node.outputs[0]] = self.constant(node, frame)
            return
        entries = [frame.get(name) for name in node.inputs]
        if node.op == "Identity" and node.domain == "" and len(entries) == 1:
            frame.values[node.outputs[0]] = entries[0]
            return
        special = SPECIAL if node.domain == "" else {}
        function = self.model.functions.get((node.domain, node.op, node.overload))
        if node.op in special:
            found = special[node.op](self, node, frame, entries)
        elif function is not None and not (node.domain == "" and node.op in rules.table()):
            found = self.inline(function, node, frame, entries)
        else:
            if any(isinstance(entry, Listed) for entry in entries):
                raise SourceError(f"{title(node)} is given a sequence, which it does not take")
            found = self.plain(node, frame, [entry for entry in entries if not isinstance(entry, Listed)])
        for name, entry in zip(node.outputs, found, strict=False):
            if name:
                frame.values[name] = entry

    def inline(self, function: Function, node: Node, frame: Frame, entries: Sequence[Entry]) -> list[Entry]:
        """The nodes of a function in place of its call."""
        scope = self.names.unique(frame.scope, node.name.strip("/") or function.name)
        inside = Frame(
            dict.fromkeys(function.inputs) | dict(zip(function.inputs, entries, strict=False)),
            scope=(*scope[0], scope[1]),
            prefix=f"{frame.prefix}{function.name}/",
            opsets=function.opsets or self.model.opsets,
            stated=function.stated,
            starts=weights.starts(function.nodes, function.outputs),
            attributes=function.defaults | {
                key: (frame.attributes or {}).get(value.name) if isinstance(value, Reference) else value
                for key, value in node.attributes.items()
            },
        )  # fmt: skip
        return self.run(function.nodes, inside, function.outputs)

    def site(self, node: Node, frame: Frame, operands: Sequence[Operand | None]) -> Site:
        """The node as rules see it."""
        stems = [f"{node.op.lower()}_{name}" if len(name) < 24 else node.op.lower() for name in node.outputs]
        declared = tuple(
            self.stated(frame.stated.get(name), stem) for name, stem in zip(node.outputs, stems, strict=True)
        )
        wanted = rules.QUANTISED.get(node.op, ())
        given = [
            replace(operand, weight=True)
            if operand is not None and n in wanted and self.quantised(operand)
            else operand
            for n, operand in enumerate(operands)
        ]
        version = frame.opsets.get(node.domain, self.model.opsets.get(node.domain, 1))
        return Site(
            node.op, node.domain, version, node.name, self.attributes(node, frame), tuple(given), node.outputs,
            declared, self.sizes.fresh, rules.ROLES.get(node.op, ()),
        )  # fmt: skip

    def quantised(self, operand: Operand) -> bool:
        """Whether a stored tensor of whole numbers has axes, so that it is a weight where an operator reads one."""
        return id(operand) in self.stored and operand.type.rank > 0 and not operand.weight

    def plain(self, node: Node, frame: Frame, operands: Sequence[Operand | None]) -> list[Entry]:
        """The outputs of a node: elements where they follow from shapes, else those of a layer."""
        site = self.site(node, frame, operands)
        found = folding.fold(site)
        if found is not None:
            made = [self.known(name, known) for name, known in zip(node.outputs, found, strict=False)]
            for number, operand in enumerate(made):
                self.folded[id(operand)] = Folded(operand, site, node, frame, number)
            return list(made)
        moved = weights.moved(site, self.stored, operands)
        if moved is not None:
            self.stored |= {id(operand): operand for operand in moved}
            return list(moved)
        call = self.described(site, node, frame)
        return [
            Operand(name, kind, Symbolic(call, n))
            for n, (name, kind) in enumerate(zip(node.outputs, call.types, strict=False))
        ]

    def described(self, site: Site, node: Node, frame: Frame) -> Call:
        """The layer of a node by its rule; without one, what the file states of its outputs."""
        rule = rules.find(site)
        try:
            if rule is None:
                raise Refused("no operator of this name is known here")
            return self.ruled(site, rule, node, frame)
        except LayerscopeError as error:
            reason = error.message if isinstance(error, ShapeError) else str(error)
        except MALFORMED as error:
            reason = f"its attributes or operands do not make sense ({type(error).__name__}: {error})"
        for name, kind in zip(site.outputs, site.declared, strict=True):
            if name and kind is None:
                raise SourceError(
                    f"{title(node)}: {reason}; and the file does not state the shape of its output {name!r}"
                )
        outputs = tuple(kind or TensorType((), "float32") for kind in site.declared)
        return self.emit(site, Undescribed(site.op, outputs, **site.slotted()), node, frame)

    def ruled(self, site: Site, rule: Rule, node: Node, frame: Frame) -> Call:
        """Put the layer that a rule makes to its operands."""
        key = site.told()
        if key in self.alike:
            call, _ = self.alike[key]
            return self.emit(site, twin(call.layer), node, frame, call.types)
        named = len(self.sizes.taken)
        call = self.emit(site, rule(site), node, frame)
        if named == len(self.sizes.taken):  # otherwise it has a size of its own
            self.alike[key] = call, site
        return call

    def emit(
        self, site: Site, layer: Layer, node: Node, frame: Frame, types: tuple[TensorType, ...] | None = None
    ) -> Call:
        """Put a layer to its operands; `types` of its outputs, where they are known."""
        operands, ids = site.operands, dict[str, str]()
        fed = [x.tensor for x in operands if x is not None and x.tensor is not None]
        if isinstance(layer, Operator):
            fed = [x.tensor for slot, x in zip(layer.slots, operands, strict=False) if slot is None and x is not None]
            ids = {
                role: source
                for slot, x in zip(layer.slots, operands, strict=False)
                if isinstance(slot, str) and slot != ABSENT and x is not None
                for role, source in x.ids(slot).items()
            }
        inputs = tuple(tensor for tensor in fed if tensor is not None)
        if types is None:
            types = tuple(self.types.setdefault(t, t) for t in layer.out(*(tensor.type for tensor in inputs)))
            for name, kind in zip(site.outputs, types, strict=False):
                if any(isinstance(size, int) and size < 0 for size in kind.shape):
                    raise ShapeError(f"its output {name!r} would have the shape {show(kind.shape)}")
        scope, name = self.names.of(node, frame.scope)
        call = Call(layer, inputs, types, scope, name, ids)
        self.calls.append(call)
        return call

    def tensor(self, operand: Operand, node: Node, frame: Frame) -> Symbolic:
        """The operand as a tensor of the graph: what was folded becomes a node again, a weight a Constant."""
        if operand.tensor is not None:
            return operand.tensor
        if id(operand) not in self.shown:
            self.shown[id(operand)] = (operand, self.made(operand, node, frame))
        return self.shown[id(operand)][1]

    def made(self, operand: Operand, node: Node, frame: Frame) -> Symbolic:
        """The node for an operand that has none."""
        origin = self.folded.get(id(operand))
        if origin is not None:
            operands = tuple(
                replace(x, tensor=self.tensor(x, node, frame)) if x is not None and id(x) in self.folded else x
                for x in origin.site.operands
            )
            try:
                rule = rules.find(origin.site)
                if rule is not None:
                    site = replace(origin.site, operands=operands)
                    return Symbolic(self.ruled(site, rule, origin.node, origin.frame), origin.number)
            except (LayerscopeError, *MALFORMED):
                pass  # then it is shown as the constant that it is
        return self.held(operand, frame)

    def held(self, operand: Operand, frame: Frame) -> Symbolic:
        """A Constant that holds the operand."""
        site = Site("Constant", "", 1, "", {}, (operand,), (operand.name,), (None,), self.sizes.fresh, ("value",))
        node = Node("Constant", "", operand.name, (), (operand.name,), {})
        return Symbolic(self.emit(site, Constant("Constant", **site.slotted()), node, frame))

    def value(self, number: int) -> Operand:
        """A whole number as an operand."""
        return Operand(str(number), TensorType((), "int64"), value=Value((), (number,)))
