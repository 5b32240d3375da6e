"""The numbers of small buffers and constants of an exported program (indices, masks), from its file or in memory."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any
from zipfile import ZipFile

from layerscope.sources._asked import Wanted
from layerscope.sources._torch.live.numbers import MOST

FORMS = {"int64": "q", "int32": "i", "int16": "h", "int8": "b", "uint8": "B", "bool": "?"}
"""How struct writes each dtype."""
MOST_BYTES = 64 << 20
"""Of a list of what an archive holds."""
FOLDERS = {
    "buffer": ("buffer_name", "data/weights", "model_weights_config.json"),
    "tensor_constant": ("tensor_constant_name", "data/constants", "model_constants_config.json"),
}
"""Where the numbers of each kind of input are, by which name, and what lists them."""


def of_archive(archive: ZipFile, data: Any, states: Mapping[str, tuple[Wanted, str, bool]]) -> dict[str, Any]:
    """By the name of a state, its whole numbers, if they are few and lie there as they are. What is in another form
    than is known here is left out: a trace does without.
    """
    found: dict[str, Any] = {}
    try:
        root = archive.namelist()[0].partition("/")[0]
        if archive.read(f"{root}/byteorder").strip() != b"little":
            return found
        specs = [next(iter(spec.items())) for spec in data["graph_module"]["signature"]["input_specs"]]
        tables = {kind: _table(archive, f"{root}/{folder}/{name}") for kind, (_, folder, name) in FOLDERS.items()}
        for kind, told in specs:
            if kind in FOLDERS:
                key, folder, _ = FOLDERS[kind]
                label = told["arg"]["name"]
                numbers = _numbers(archive, f"{root}/{folder}", tables[kind].get(told[key]), states[label][0])
                found |= {} if numbers is None else {label: numbers}
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError):
        pass
    return found


def _table(archive: ZipFile, name: str) -> Mapping[str, Any]:
    if name not in archive.namelist() or archive.getinfo(name).file_size > MOST_BYTES:
        return {}
    return json.loads(archive.read(name))["config"]


def _numbers(archive: ZipFile, folder: str, row: Any, kind: Wanted) -> tuple[Any, ...] | None:
    """One row's, in row-major order."""
    shape = [1 if size is None else size for size in kind.shape]
    count, form = math.prod(shape), FORMS.get(str(kind.dtype))
    if row is None or form is None or not 0 < count <= MOST or row["use_pickle"]:
        return None
    meta = row["tensor_meta"]
    strides = [one["as_int"] for one in meta["strides"]]
    even = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    whole = f"<{count}{form}"
    name = f"{folder}/{row['path_name']}"
    plain = strides == even and meta["storage_offset"]["as_int"] == 0
    if not plain or archive.getinfo(name).file_size != struct.calcsize(whole):
        return None
    return struct.unpack(whole, archive.read(name))


def of_exported(exported: Any) -> dict[str, Any]:
    """Those of a program in memory, as tensors."""
    names = exported.graph_signature
    stored = {**exported.constants, **dict(exported.named_buffers())}
    labels = {**names.inputs_to_buffers, **names.inputs_to_lifted_tensor_constants}
    return {label: stored[name] for label, name in labels.items() if name in stored}


def tensor(torch: Any, numbers: Any, kind: Wanted) -> Any:
    """Numbers of either source as a real tensor of this form."""
    if isinstance(numbers, torch.Tensor):
        return numbers
    return torch.tensor(numbers, dtype=getattr(torch, str(kind.dtype))).reshape(kind.shape)
