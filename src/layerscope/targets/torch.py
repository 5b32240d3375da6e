"""A model as a genuine `torch.nn.Module`, which holds nothing of Layerscope: PyTorch's modules with these weights.

A chain of modules is a `torch.nn.Sequential`; any other network a `torch.fx.GraphModule`, whose `code` is its forward
as readable Python. Modules are named after the layers, so `state_dict` reads conv2d.weight, conv2d.bias, ...

Images and volumes are channels first, as everywhere in PyTorch: a tensor of four axes is (batch, channels, height,
width) where the network has (batch, height, width, channels), and one of five likewise. So are sequences for
convolutions and pools, (batch, channels, length): tensors of three axes that a layer of one spatial axis reads or
made (`_torch_layout`). All other tensors are as the network has them.
Source: https://docs.pytorch.org/docs/stable/nn.html
"""

from __future__ import annotations

import keyword
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from layerscope.core import propagate
from layerscope.core.errors import ExportError
from layerscope.core.files import replacing
from layerscope.core.graph import Graph, Node
from layerscope.core.sizes import Expression
from layerscope.core.types import TensorType
from layerscope.targets import _torch_layout, framework, refuse

if TYPE_CHECKING:
    from layerscope.models import Model

INSTALL = "see https://pytorch.org/get-started"


class Value:
    """A tensor of the network in PyTorch's graph, as a proxy on which its functions can be called.

    `proxy` has an image channels first, all else as the network has it; `first` is what a sequence or a volume is
    channels first, and each is made of the other when it is asked for. `order` (channels, *sizes) says that these are
    an image's numbers in a row in PyTorch's order, which is not the network's. `pool` is the node of the max pool
    whose switches these are.
    """

    def __init__(
        self,
        type: TensorType,
        proxy: Any = None,
        order: tuple[int, ...] | None = None,
        pool: Node | None = None,
        first: Any = None,
    ) -> None:
        self.type, self.order, self.pool = type, order, pool
        self._proxy, self._first = proxy, first

    @property
    def proxy(self) -> Any:
        if self._proxy is None:
            self._proxy = self._first.movedim(1, -1)
        return self._proxy

    @property
    def first(self) -> Any:
        """The proxy channels first."""
        if self.type.rank == 4:
            return self.proxy
        if self._first is None:
            self._first = self._proxy.movedim(-1, 1)
        return self._first

    @property
    def turned(self) -> bool:
        """Whether a sequence or a volume lies channels first only."""
        return self._proxy is None

    @property
    def held(self) -> Any:
        """The proxy that there is already."""
        return self._first if self.turned else self._proxy

    def like(self, type: TensorType, proxy: Any) -> Value:
        """What an elementwise function made of `held`."""
        return Value(type, first=proxy) if self.turned else Value(type, proxy, self.order)


def made_first(type: TensorType, proxy: Any) -> Value:
    """A value from a proxy with its channels first."""
    return Value(type, proxy) if type.rank in (2, 4) else Value(type, first=proxy)


@dataclass
class Writer:
    """PyTorch's graph and modules while they are written."""

    torch: Any
    model: Model
    tracer: Any
    modules: OrderedDict[str, Any] = field(default_factory=OrderedDict[str, Any])
    plain: dict[str, str] = field(default_factory=dict[str, str])
    made: dict[tuple[int, str], str] = field(default_factory=dict[tuple[int, str], str])
    parameters: dict[tuple[str, str], Any] = field(default_factory=dict[tuple[str, str], Any])
    attributes: dict[int, str] = field(default_factory=dict[int, str])
    types: list[tuple[TensorType, ...]] = field(default_factory=list[tuple[TensorType, ...]])
    where: str = ""

    def title(self, stem: str) -> str:
        """A free name for a module: a Python identifier."""
        name = plain = identifier(stem)
        number = 1
        while name in self.modules or name == "training" or self._known(name):
            name, number = f"{plain}_{number}", number + 1
        self.plain[name] = plain
        return name

    def _known(self, name: str) -> bool:
        return any(hasattr(cls, name) for cls in (self.torch.fx.GraphModule, self.torch.nn.Sequential))

    def module(self, made: Any, *inputs: Any, suffix: str = "") -> Any:
        """The proxy of what a new module makes of proxies."""
        name = self.title(self.where + suffix)
        self.modules[name] = made
        return self.put(name, *inputs)

    def put(self, name: str, *inputs: Any, **settings: Any) -> Any:
        """The proxy of what the module of this name makes of proxies."""
        return self.tracer.create_proxy("call_module", name, inputs, settings)

    def weighted(self, node: Node, make: Any, *inputs: Any, suffix: str = "") -> Any:
        """A module with weights; made by the first use of a layer and used again by the others.

        Where several stand for one layer, each has a suffix.
        """
        key = (id(node.layer), suffix)
        if key not in self.made:
            known = self.made[key] = self.title(self.where + suffix)
            self.modules[known] = make()
        return self.put(self.made[key], *inputs)

    def fed(self, node: Node) -> list[tuple[TensorType, ...]]:
        """The types that this node and all others with its weights take."""
        if not self.types:
            self.types = propagate.fed_types(self.model.graph, self.model._types)
        pairs = zip(self.model.graph.nodes, self.types, strict=True)
        return [fed for other, fed in pairs if other.weights == node.weights]

    def alone(self, node: Node) -> bool:
        """Whether no other node has this one's weights."""
        return len(self.fed(node)) == 1

    def parameter(
        self, node: Node, role: str, turn: Callable[[Any], Any] = lambda array: array, how: str = ""
    ) -> Any:
        """A weight as a parameter, its array turned; tied weights are one."""
        id = node.weights[role]
        if (id, how) not in self.parameters:
            array = self.torch.from_numpy(np.array(turn(self.model._variables[id].array), order="C"))
            trainable = self.model.graph.parameters[id].trainable
            self.parameters[id, how] = self.torch.nn.Parameter(array, requires_grad=trainable)
        return self.parameters[id, how]

    def attribute(self, stem: str, held: Any) -> Any:
        """The proxy of a parameter, or of a buffer of numbers, of the whole network."""
        known = self.attributes.get(id(held))
        if known is None:
            known = self.attributes[id(held)] = self.title(f"{self.where}_{stem}")
            self.modules[known] = held
        return self.tracer.create_proxy("get_attr", known, (), {})

    def rows(self, value: Value) -> Any:
        """The proxy with its numbers in the network's order."""
        if value.order is None:
            return value.proxy
        return value.proxy.unflatten(1, value.order).movedim(1, -1).flatten(1)

    def native(self, value: Value) -> Any:
        """The proxy with its axes in the network's order."""
        return value.proxy.permute(0, 2, 3, 1) if value.type.rank == 4 else self.rows(value)

    def turned(self, type: TensorType, proxy: Any) -> Value:
        """A value from a proxy whose axes are in the network's order."""
        return Value(type, proxy.permute(0, 3, 1, 2) if type.rank == 4 else proxy)


def identifier(name: str) -> str:
    """A name of a layer as a name in Python."""
    plain = re.sub(r"\W", "_", name if name[:1].isalpha() else f"layer_{name}")
    return f"{plain}_" if keyword.iskeyword(plain) or plain == "self" else plain


def module(model: Model) -> Any:
    """The model as a `torch.nn.Module`, in training mode as PyTorch's modules are when made.

    Shapes: images, volumes, and sequences for convolutions are channels first, (batch, channels, height, width) and
    so on; all others as in the network.
    Several inputs are the arguments of forward, in order; several outputs a tuple.
    Errors: ExportError, naming each layer that cannot be expressed and why; or when PyTorch is missing.
    """
    torch = framework("torch", "a PyTorch module", INSTALL)
    from layerscope.targets import _torch_layers as layers
    from layerscope.targets import _torch_normalisation, _torch_pointwise, _torch_spatial  # noqa: F401

    def reason(node: Node, fed: Sequence[TensorType]) -> str | None:
        return _open_pads(node, fed) or _torch_pointwise.refused(node, fed)

    graph = model.graph
    refuse(graph, "a PyTorch module", layers.FORMS, reason)
    fx = framework("torch.fx", "a PyTorch module", INSTALL)
    body = fx.Graph()
    writer = Writer(torch, model, fx.proxy.GraphAppendingTracer(body))
    outputs = _walk(writer, graph, layers.FORMS, body)
    way = zip(outputs, _torch_layout.outputs(graph), strict=True)
    made = [value.first if first else writer.rows(value) for value, first in way]
    body.output(made[0].node if len(made) == 1 else tuple(proxy.node for proxy in made))
    network = fx.GraphModule(dict(writer.modules), body, class_name=_class_name(model.name))
    network.graph.eliminate_dead_code()
    network.recompile()
    return _chain(torch, network, writer) or network


def _walk(writer: Writer, graph: Graph, forms: dict[str, Any], body: Any) -> list[Value]:
    fx = writer.torch.fx
    types = propagate.types(graph)
    number = {id(node): place for place, node in enumerate(graph.nodes)}
    seeds: dict[int, tuple[Value, ...]] = {}
    for place, first in zip(graph.inputs, _torch_layout.inputs(graph), strict=True):
        node = graph.nodes[place]
        named = body.placeholder(identifier(node.label))
        proxy = fx.Proxy(named, writer.tracer)
        if types[place][0].dtype in ("bool", "uint8", "int64"):
            proxy = proxy.to(dtype(writer.model, writer.torch))
        seeds[place] = (made_first(types[place][0], proxy) if first else Value(types[place][0], proxy),)

    def rule(node: Node, fed: tuple[Value, ...]) -> tuple[Value, ...]:
        writer.where = node.label
        made = forms[type(node.layer).__name__](writer, node, *fed, out=types[number[id(node)]])
        return made if isinstance(made, tuple) else (made,)

    found = propagate.forward(graph, seeds, rule)
    return [found[node][output] for node, output in graph.outputs]


def _chain(torch: Any, network: Any, writer: Writer) -> Any:
    """A Sequential where each module takes what the one before it made, and each is used once; else None.

    Names that only a GraphModule has itself, such as `code`, are free in it.
    """
    start, *middle, last = network.graph.nodes
    before, parts = start, OrderedDict[str, Any]()
    used, taken = set[str](), {*writer.modules, "training"}
    for node in middle:
        if node.op != "call_module" or node.args != (before,) or node.kwargs or node.target in used:
            return None
        plain = writer.plain[node.target]
        free = plain not in taken and not hasattr(torch.nn.Sequential, plain)
        name = plain if free else node.target
        parts[name] = network.get_submodule(node.target)
        used.add(node.target)
        taken.add(name)
        before = node
    if not parts or last.args != (before,):
        return None
    return torch.nn.Sequential(parts)


def _class_name(name: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", name)
    made = "".join(word[:1].upper() + word[1:] for word in words)
    return made if made[:1].isalpha() else "Network"


def _open_pads(node: Node, fed: Sequence[TensorType]) -> str | None:
    """PyTorch's modules have fixed pads; those of "same" with strides, and planes of switches, depend on sizes."""
    layer: Any = node.layer
    kind = type(layer).__name__
    needed = "; give Input the sizes"
    if getattr(layer, "padding", "") == "same" and hasattr(layer, "placements") and "Transpose" not in kind:
        switches = kind == "MaxPooling2D" and layer.return_switches
        for n, s in zip(fed[0].shape[1:-1], layer.strides, strict=True):
            if isinstance(n, Expression) and (s > 1 or switches):
                return (
                    f"the pads of padding='same' with strides {layer.strides} depend on the size of its input, which "
                    f"is open ({n}){needed}"
                )
    if kind == "MaxUnpooling2D" and any(isinstance(n, Expression) for n in layer.plane(*fed)):
        return f"the plane of its switches is open ({' × '.join(map(str, layer.plane(*fed)))}){needed}"
    return None


def write(model: Model, path: str | os.PathLike[str]) -> None:
    """Write the module as PyTorch's exported program (.pt2), the batch open, in inference mode.

    `torch.export.load(path).module()` is the network. Errors: as `module`; OutputError for a file that cannot be
    written.
    """
    torch = framework("torch", "a PyTorch module", INSTALL)
    program = exported(model)
    with replacing(path) as aside:
        named = aside.with_suffix(".pt2")
        try:
            torch.export.save(program, str(named))
            os.replace(named, aside)
        finally:
            named.unlink(missing_ok=True)


def exported(model: Model) -> Any:
    """The module as a `torch.export.ExportedProgram`, the batch open, in inference mode. Errors: as `write`."""
    torch = framework("torch", "a PyTorch module", INSTALL)
    framework("torch.export", "a PyTorch module", INSTALL)
    network = module(model).eval()
    examples: list[Any] = []
    for type, first in zip(model.input_types, _torch_layout.inputs(model.graph), strict=True):
        shape = [size if isinstance(size, int) else 2 for size in _torch_layout.turned(type, first).shape]
        if any(not isinstance(size, int) for size in type.shape[1:]):
            raise ExportError(
                f"this model cannot become a .pt2 file: the input is {type}, and only the batch may be open in an "
                "exported program; give Input the sizes"
            )
        kinds = {"bool": torch.bool, "uint8": torch.uint8, "int32": torch.int64, "int64": torch.int64}
        examples.append(torch.zeros(shape, dtype=kinds.get(type.dtype, dtype(model, torch))))
    batch = torch.export.Dim("batch")
    dynamic = tuple({0: batch} if isinstance(type.shape[0], Expression) else {} for type in model.input_types)
    with torch.no_grad():
        return torch.export.export(network, tuple(examples), dynamic_shapes=dynamic)


def dtype(model: Model, torch: Any) -> Any:
    """The floating type in which the model is compiled."""
    return torch.float64 if model._precision == "float64" else torch.float32
