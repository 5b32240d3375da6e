"""What stands in the records of a Keras configuration: classes, shapes, dtypes, inputs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from layerscope.core.errors import SourceError
from layerscope.sources._keras.plan import Config, Entry, Stated

LARGEST = 2**63
"""Above every size that an array can have."""
MOST_AXES = 64


def checked_record(data: Any, what: str) -> Config:
    """A layer's or model's record; SourceError when it is none."""
    if not isinstance(data, Mapping) or not isinstance(data.get("class_name"), str):
        raise SourceError(f'{what} is no layer or model of Keras: the key "class_name" is missing')
    if not isinstance(data.get("config", {}), Mapping | list):
        raise SourceError(f'{what} ({data["class_name"]}): "config" must be an object')
    return data


def text_of(value: Any, otherwise: str) -> str:
    """A name, if it is one."""
    return value if isinstance(value, str) and value else otherwise


PUBLIC = {"GroupedQueryAttention": "GroupQueryAttention"}
"""Classes that keras.layers has under another name than their own, which HDF5 files write."""
OF_TF = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer", "ClassMethod", "InstanceProperty", "InstanceMethod")


def home_of(record: Config) -> tuple[str, str]:
    """The class's name, and whose it is (see `Unit`)."""
    name: str = record["class_name"]
    module, registered = record.get("module"), record.get("registered_name")
    if isinstance(registered, str) and ">" in registered:
        name = registered
    if ">" in name:
        package, _, name = name.rpartition(">")
        return name, "layerscope" if package == "layerscope" else ""
    if name in OF_TF:
        return name, "tf"
    if not isinstance(module, str):
        return (name, "") if "module" in record else (PUBLIC.get(name, name), "layers")
    if module.startswith(("keras.src.ops", "keras.ops")):
        return name, "ops"
    if module == "keras" or module.startswith(("keras.layers", "keras.src.layers", "tf_keras.layers")):
        return PUBLIC.get(name, name), "layers"
    return name, "keras" if module.startswith("keras.") else ""


def shape_of(value: Any, what: str) -> tuple[int | None, ...]:
    """A shape with None for open sizes; SourceError for anything else."""
    if not isinstance(value, list | tuple):
        raise SourceError(f"{what}: a shape must be a list of sizes, not {short(value)}")
    if len(value) > MOST_AXES:
        raise SourceError(f"{what}: a shape of {len(value)} axes; at most {MOST_AXES} are read")
    for size in value:
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < LARGEST):
            raise SourceError(f"{what}: {short(size)} is no size of a tensor")
    return tuple(value)


def short(value: Any) -> str:
    """A value in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def entry_of(record: Config, key: Hashable) -> Entry:
    """An InputLayer, under the names that any version of Keras gave its settings."""
    config: Config = record.get("config", {})
    name = text_of(record.get("name") or config.get("name"), "input")
    shape = config.get("batch_shape", config.get("batch_input_shape"))
    if shape is None and "shape" in config:
        shape = [config.get("batch_size"), *shape_of(config["shape"], name)]
    if shape is None:
        raise SourceError(f"{name} (InputLayer): the shape is missing")
    stated = Stated(shape_of(shape, f"{name} (InputLayer)"), dtype_of(config.get("dtype")) or "float32")
    if not stated.shape:
        raise SourceError(f"{name} (InputLayer): a shape needs at least the batch")
    odd = tuple(word for word in ("sparse", "ragged", "optional") if config.get(word))
    return Entry(key, name, stated, odd)


def dtype_of(value: Any) -> str | None:
    """The dtype that a layer computes in, from a name or a policy's record; None when it does not say."""
    name = _policy(value)
    return name.removeprefix("mixed_") if name else None


def variable_dtype_of(value: Any) -> str | None:
    """The dtype of a layer's weights, from a name or a policy's record."""
    name = _policy(value)
    return "float32" if name and name.startswith("mixed_") else name


def _policy(value: Any) -> str | None:
    if isinstance(value, str):
        return value.rpartition("_from_")[2]
    if not isinstance(value, Mapping):
        return None
    config = value.get("config")
    inner = config if isinstance(config, Mapping) else {}
    return _policy(inner.get("source_name") or inner.get("name"))


def altered(config: Config) -> str | None:
    """Why a layer's weights are others than its settings say: quantized to int8, ...; None when they are not."""
    for key in ("lora_rank", "lora_alpha"):
        if config.get(key) is not None:
            return f"{key}={config[key]!r} adds weights"
    dtype = config.get("dtype")
    inner = dtype.get("config") if isinstance(dtype, Mapping) else None
    mode = inner.get("mode") if isinstance(inner, Mapping) else None
    if isinstance(dtype, str) and "_from_" in dtype:
        mode = dtype.partition("_from_")[0]
    return f"its weights are quantized ({mode})" if isinstance(mode, str) else None


def built_with(record: Config) -> tuple[int | None, ...] | None:
    """The shape of the one input with which a layer was built."""
    config = record.get("build_config")
    shape = config.get("input_shape") if isinstance(config, Mapping) else None
    if not isinstance(shape, list | tuple) or not all(size is None or isinstance(size, int) for size in shape):
        return None
    return shape_of(shape, "build_config")


def is_edge(value: Any) -> bool:
    """Whether this is [layer, number of its call, number of the call's result]."""
    if not isinstance(value, list | tuple) or len(value) != 3 or not isinstance(value[0], str):
        return False
    return all(isinstance(part, int) and not isinstance(part, bool) for part in value[1:])
