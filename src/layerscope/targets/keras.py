"""A model as a Keras 3 model: the same layers, names and weights; and as a .keras file.

What Keras lacks is in `layerscope.keras`, or said by several of its layers that together compute the same.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from layerscope.core import propagate
from layerscope.core.contract import Layer, settings
from layerscope.core.errors import ExportError
from layerscope.core.files import replacing
from layerscope.core.graph import Edge, Graph, Node
from layerscope.core.types import TensorType
from layerscope.initializers import ICNR, get
from layerscope.models.model import Model
from layerscope.targets import _keras_spatial as spatial
from layerscope.targets._keras_merging import summed
from layerscope.targets._keras_normalisation import layer_normalization, normalization
from layerscope.targets._keras_training import compiled_alike, of_weights

Array = Any
INNER_SCALE = (
    "Keras (3.15.1) multiplies by its scale along the last axes, whatever its axis says. Move the axis to the end "
    "by Permute"
)
OURS_ONLY = {"MaxPooling2D": ("return_switches",), **dict.fromkeys(spatial.TRANSPOSED, ("groups",))}
"""Settings that Keras's layers of the same name do not have."""


def to_keras(model: Model) -> Any:
    """The model as a functional Keras model; see `Model.to_keras`."""
    model._follow()
    refuse(model)
    keras = _framework()
    writer = Writer(keras, model)
    for index, node in enumerate(model.graph.nodes):
        writer.add(index, node)
    inputs = [writer.tensors[index, 0] for index in model.graph.inputs]
    outputs = [writer.tensors[edge] for edge in model.graph.outputs]
    made = keras.Model(
        inputs[0] if len(inputs) == 1 else inputs,
        outputs[0] if model._single else outputs,
        name=_plain(model.graph.name, "functional"),
    )
    if model._optimizer is not None:
        compiled_alike(keras, model, made)
    return made


def write(model: Model, path: str | os.PathLike[str]) -> None:
    """Write the model as a .keras file, which `keras.models.load_model` reads (behind `import layerscope.keras`).

    Errors: ExportError when the model or the place is none that Keras takes.
    """
    name = os.fspath(path)
    if not name.endswith(".keras"):
        raise ExportError(f"cannot write {name}: the name of a Keras file ends in .keras")
    made = to_keras(model)
    with replacing(path) as aside:
        whole = aside.with_name(f"{aside.name}.keras")  # Keras insists on the ending
        try:
            made.save(whole)
            os.replace(whole, aside)
        finally:
            whole.unlink(missing_ok=True)


def _framework() -> Any:
    if TYPE_CHECKING:
        keras: Any = None
    else:
        try:
            import keras
        except Exception as error:  # a backend that is missing or broken raises what it likes
            raise ExportError(
                f"Keras cannot be imported ({error}). Install Keras 3 and a backend, for example "
                "pip install keras jax, and say which one by the environment variable KERAS_BACKEND=jax "
                "(or torch, or tensorflow)"
            ) from None
    if int(keras.__version__.partition(".")[0]) < 3:
        raise ExportError(f"Keras {keras.__version__} is installed, but Keras 3 is needed: pip install -U keras")
    return keras


# --- what cannot be said in Keras ---


def refuse(model: Model) -> None:
    """ExportError, listing every layer that Keras cannot express, and why; nothing when there is none."""
    graph = model.graph
    found = propagate.types(graph)
    fed = propagate.fed_types(graph, found)
    lines: list[str] = []
    owners: dict[str, Node] = {}
    for node, types in zip(graph.nodes, fed, strict=True):
        why = _why_not(graph, node, types) or _tied(node, owners)
        if why:
            lines.append(f"  {node.label} ({node.layer.kind}): {why}")
    if lines:
        raise ExportError("this model cannot become a Keras model:\n" + "\n".join(lines))


def _why_not(graph: Graph, node: Node, types: Sequence[TensorType]) -> str:
    layer: Any = node.layer
    if "executable" in vars(layer):
        return layer.obstacle
    if not layer.executable:
        return "it is described only: its shapes are known, but not what it computes"
    if why := spatial.why_not(layer, types):
        return why
    if layer.kind == "RMSNormalization" and not layer.trailing(types[0]):
        return INNER_SCALE
    if layer.kind == "MaxUnpooling2D" and _open(layer.plane(*types)) and types[1].plane is not None:
        source = graph.nodes[node.inputs[1][0]]
        if source.layer.kind != "MaxPooling2D":
            return "the plane of its switches has an open size, which Keras's tensors do not carry. Give output_size"
    return ""


def _tied(node: Node, owners: dict[str, Node]) -> str:
    for role, id_ in node.weights.items():
        owner = owners.setdefault(id_, node)
        if owner.layer is not node.layer:
            return f"its {role} is that of {owner.label}, but in Keras two layers cannot share one weight"
    return ""


def _open(shape: Sequence[Any]) -> bool:
    return not all(isinstance(size, int) for size in shape)


# --- building ---


class Writer:
    """The symbolic tensors of the Keras model while it is built, and its layers by ours."""

    def __init__(self, keras: Any, model: Model) -> None:
        self.keras, self.model = keras, model
        self.tensors: dict[Edge, Any] = {}
        self.types = propagate.fed_types(model.graph, propagate.types(model.graph))
        self.layers: dict[tuple[Any, ...], Any] = {}
        self.names: set[str] = set()
        self.dtype = {"dtype": "float64"} if model._precision == "float64" else {}

    def add(self, index: int, node: Node) -> None:
        """One use of a layer."""
        if index in self.model.graph.inputs:
            self.tensors[index, 0] = self._input(index, node)
            return
        fed = [self.tensors[edge] for edge in node.inputs]
        made = RULES.get(node.layer.kind, _same)(self, node, fed, self.types[index])
        if getattr(node.layer, "activation", None) == "gelu_tanh":
            made = self.keras.ops.gelu(made, approximate=True)
        outputs = made if isinstance(made, list | tuple) else [made]
        self.tensors |= {(index, number): tensor for number, tensor in enumerate(outputs)}

    def _input(self, index: int, node: Node) -> Any:
        (type_,) = node.layer.out()
        shape = [size if isinstance(size, int) else None for size in type_.shape]
        floating = type_.dtype.startswith(("float", "bfloat"))
        # Here other numbers become floating in the first layer; Keras does it where they enter.
        dtype = type_.dtype if floating or (index, 0) in self.model.graph.switches else None
        return self.keras.Input(batch_shape=shape, dtype=self.dtype.get("dtype", dtype), name=self.name(node.label))

    def name(self, label: str, part: str = "") -> str:
        """A name that every backend takes, and that no other layer has."""
        stem = name = _plain(label, "layer") + part
        number = 1
        while name in self.names:
            name, number = f"{stem}_{number}", number + 1
        self.names.add(name)
        return name

    def layer(self, cls: Any, node: Node, part: str = "", sizes: Any = None, **given: Any) -> Any:
        """A Keras layer, made at the first use of ours.

        `part` names one of several that stand for it; `sizes` are those of its settings that depend on its input.
        """
        key = (id(node.layer), part, sizes)
        if key not in self.layers:
            own = [id_ for role, id_ in node.weights.items() if not role.startswith("moving_")]
            trainable = node.layer.trainable and all(self.model.graph.parameters[id_].trainable for id_ in own)
            given.pop("trainable", None)
            if own or not trainable:  # not every layer without weights takes it
                given["trainable"] = trainable
            self.layers[key] = cls(**given, **self.dtype, name=self.name(node.label, part))
        return self.layers[key]

    def weighted(self, layer: Any, node: Node, fed: Any, change: Callable[[Array], Array] = np.asarray) -> Any:
        """What a layer with weights makes of a tensor. The weights are set when it is built, at its first use."""
        if layer.built:
            return layer(fed)
        names = filter(None, dict.fromkeys(_initialized_by(layer, role) for role in node.weights))
        wanted = {name: getattr(layer, name) for name in names}
        for name in wanted:
            setattr(layer, name, self.keras.initializers.get("zeros"))  # nothing is drawn that would be replaced
        made = layer(fed)
        for name, initializer in wanted.items():
            setattr(layer, name, initializer)
        # Copies: JAX may keep the memory that it is given, and ours is changed in place by training.
        arrays = {role: self.model._variables[id_].numpy() for role, id_ in node.weights.items()}
        if "kernel" in arrays:
            arrays["kernel"] = change(arrays["kernel"])
        layer.set_weights(list(arrays.values()))
        return made

    def settings(self, layer: Layer) -> dict[str, Any]:
        """Settings as Keras writes them."""
        told = {k: v for k, v in settings(layer).items() if k not in OURS_ONLY.get(layer.kind, ())}
        for key, value in told.items():
            if key == "data_format":
                told[key] = "channels_last"
            elif key.endswith("_initializer"):
                told[key] = _initializer(self.keras, value)
            elif key.endswith(("_regularizer", "_constraint")) and value is not None:
                told[key] = of_weights(self.keras, key, value)
            elif key == "activation" and value == "gelu_tanh":  # which has no name in Keras
                told[key] = "linear"
        return told if layer.kind not in spatial.ENDS_OF_ONE_AXIS else spatial.of_one_axis(told)

    def same(self, node: Node, fed: list[Any]) -> Any:
        """What a layer makes that Keras has, with settings of the same names."""
        name = node.layer.spellings["keras"].name
        layer = self.layer(getattr(self.keras.layers, name), node, **self.settings(node.layer))
        given = fed if len(fed) > 1 else fed[0]
        return self.weighted(layer, node, given) if node.weights else layer(given)


def _plain(label: str, otherwise: str) -> str:
    """A label in the letters that TensorFlow takes as a name: a/b becomes a_b."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", label)
    return name if re.match(r"[A-Za-z0-9.]", name) else f"{otherwise}{name if name.strip('_') else ''}"


def _initialized_by(layer: Any, role: str) -> str | None:
    """The setting of a Keras layer that gives this weight its first numbers, if one does."""
    stems = (role, role.removesuffix("_kernel"), "depthwise")
    return next((name for name in (f"{stem}_initializer" for stem in stems) if hasattr(layer, name)), None)


def _initializer(keras: Any, value: Any) -> Any:
    if isinstance(value, str):
        return value
    found = get(value)
    if isinstance(found, ICNR):  # which Keras lacks; the weights themselves are taken over
        found = found.initializer
    told = found.to_json()
    return getattr(keras.initializers, told["initializer"])(**told["settings"])


def _same(writer: Writer, node: Node, fed: list[Any], types: Sequence[TensorType]) -> Any:
    """A layer that Keras has, with settings of the same names."""
    return writer.same(node, fed)


def _own(writer: Writer, node: Node, fed: list[Any], types: Sequence[TensorType]) -> Any:
    """A layer of layerscope.keras."""
    import layerscope.keras as own

    cls = getattr(own, node.layer.kind)
    return writer.layer(cls, node, **writer.settings(node.layer), data_format="channels_last")(fed[0])


def _max_pooling(writer: Writer, node: Node, fed: list[Any], types: Sequence[TensorType]) -> Any:
    layer: Any = node.layer
    if not layer.return_switches:
        return _same(writer, node, fed, types)
    from layerscope.keras import MaxPoolingWithSwitches2D

    return writer.layer(MaxPoolingWithSwitches2D, node, **writer.settings(layer))(fed[0])


def _max_unpooling(writer: Writer, node: Node, fed: list[Any], types: Sequence[TensorType]) -> Any:
    """Switches carry the size of their plane here, but not in Keras: it becomes a setting, or a third input."""
    from layerscope.keras import MaxUnpooling2D

    layer: Any = node.layer
    given, plane = writer.settings(layer), layer.plane(*types)
    if not _open(plane):
        given["output_size"] = plane
    elif types[1].plane is not None:
        (image,) = writer.model.graph.nodes[node.inputs[1][0]].inputs
        fed = [*fed, writer.tensors[image]]
    return writer.layer(MaxUnpooling2D, node, "", plane, **given, data_format="channels_last")(fed)


RULES: dict[str, Callable[[Writer, Node, list[Any], Sequence[TensorType]], Any]] = {
    "BedOfNails2D": _own,
    "PixelShuffle2D": _own,
    "MaxPooling2D": _max_pooling,
    "MaxUnpooling2D": _max_unpooling,
    "Normalization": normalization,
    "LayerNormalization": layer_normalization,
    "Add": summed,
    "Average": summed,
    **dict.fromkeys(spatial.MOVING, spatial.convolution),
    **dict.fromkeys(spatial.TRANSPOSED, spatial.transposed),
}
"""Layers that Keras lacks or has in part; all others are `_same`."""
