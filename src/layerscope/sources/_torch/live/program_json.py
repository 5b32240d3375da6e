"""The list of calls in a .pt2 file as a Program. The form is PyTorch's (torch/_export/serde/schema.py, version 8)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SourceError
from layerscope.sources._asked import Wanted

if TYPE_CHECKING:
    from layerscope.sources._torch.live.programs import Part, Program, Step

ENTRY = re.compile(r"^[^/]+/models/[^/]+\.json$")
VERSION = 8
DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
    9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16",
    29: "float8_e4m3fn", 30: "float8_e5m2", 31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz", 33: "float8_e8m0fnu",
    34: "uint32", 35: "uint64",
}  # fmt: skip
FORMATS = {1: "contiguous_format", 2: "channels_last", 3: "channels_last_3d", 4: "preserve_format"}
PLAIN = (
    "as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string", "as_strings", "as_int_lists",
    "as_float_lists",
)  # fmt: skip
DROPPED = ("as_device", "as_layout")
"""Arguments that say where a tensor lies; all lie in one place here."""


@dataclass(frozen=True)
class Named:
    """Something that PyTorch has by this name, such as a dtype."""

    name: str


def program(data: Any, name: str) -> Program:
    """The program; KeyError and the like where the data are of another form."""
    from layerscope.sources._torch.live.programs import Program

    version = data["schema_version"]["major"]
    if version != VERSION:
        raise SourceError(
            f"its list of calls has the form {version} of PyTorch {data.get('torch_version', '?')}; form {VERSION} "
            "is read here. Trace the module that it was exported from"
        )
    module = data["graph_module"]
    graph, types = module["graph"], module["graph"]["tensor_values"]
    states: dict[str, tuple[Wanted, str, bool]] = {}
    given: dict[str, Any] = {}
    free: dict[str, tuple[int, ...]] = {}
    for spec in module["signature"]["input_specs"]:
        ((kind, told),) = spec.items()
        if kind == "user_input":
            argument = told["arg"]
            ((form, value),) = argument.items()
            label = value["name"] if form == "as_tensor" else f"input_{len(given)}"
            given[label] = tensor(types[label]) if form == "as_tensor" else read(argument)
            rows = types[label]["sizes"] if form == "as_tensor" else ()
            free[label] = tuple(axis for axis, size in enumerate(rows) if "as_int" not in size)
        elif kind in ("parameter", "buffer", "tensor_constant"):
            label = told["arg"]["name"]
            row = types[label]
            own = told["parameter_name"] if kind == "parameter" else ""
            states[label] = (tensor(row), own, bool(row["requires_grad"]))
        elif kind == "constant_input":
            given[told["name"]] = read(told["value"])
        else:
            raise SourceError(f"an input of the kind {kind} is not followed")
    whole = part(graph)
    user = [spec["user_output"]["arg"] for spec in module["signature"]["output_specs"] if "user_output" in spec]
    return Program(name, states, given, whole.steps, tuple(map(read, user)), free)


def tensor(row: Any) -> Wanted:
    """Sizes and dtype; an open first size is the batch, another open one what it was exported with."""
    shape = [size["as_int"] if "as_int" in size else _open(size, axis) for axis, size in enumerate(row["sizes"])]
    return Wanted(tuple(shape), DTYPES[row["dtype"]])


def _open(size: Any, axis: int) -> int | None:
    if axis == 0:
        return None
    return int(size["as_expr"]["hint"]["as_int"])


def part(graph: Any) -> Part:
    """A graph of calls."""
    from layerscope.sources._torch.live.programs import Part

    inputs = tuple(one.get("as_tensor", {}).get("name", "") for one in graph["inputs"])
    return Part(inputs, tuple(map(step, graph["nodes"])), tuple(map(read, graph["outputs"])))


def step(node: Any) -> Step:
    """One call."""
    from layerscope.sources._torch.live.programs import Step

    args = [(one["name"], read(one["arg"]), one.get("kind", 1)) for one in node["inputs"]
            if not any(form in one["arg"] for form in DROPPED)]  # fmt: skip
    placed = tuple(value for _, value, kind in args if kind != 2)
    named = {name: value for name, value, kind in args if kind == 2}
    outputs = [_label(one) for one in node["outputs"]]
    many = len(outputs) > 1 or ("higher_order" in node["target"] and isinstance(outputs[0], str))
    told: Any = outputs if many else outputs[0]
    return Step(node["target"], placed, named, told, _modules(node["metadata"].get("nn_module_stack", "")))


def _label(output: Any) -> Any:
    ((form, value),) = output.items()
    if form == "as_none":
        return ""
    if form in ("as_tensors", "as_optional_tensors", "as_sym_ints"):
        return [_label(one) if form != "as_tensors" else one["name"] for one in value]
    return value.get("name", value.get("as_name", "")) if isinstance(value, dict) else ""


def _modules(text: str) -> tuple[tuple[str, str, str], ...]:
    """(key, path, class) of each module, the outermost first."""
    found: list[tuple[str, str, str]] = []
    for entry in text.split(";"):
        parts = entry.split(",")
        if len(parts) == 3:
            found.append((parts[0], parts[1], parts[2]))
    return tuple(found)


def read(argument: Any) -> Any:
    """An argument of a call."""
    from layerscope.sources._torch.live.programs import Ref

    ((form, value),) = argument.items()
    if form == "as_none":
        return None
    if form in PLAIN:
        return value
    if form == "as_tensor":
        return Ref(value["name"])
    if form == "as_tensors":
        return [Ref(one["name"]) for one in value]
    if form == "as_nested_tensors":
        return [[Ref(one["name"]) for one in row] for row in value]
    if form == "as_optional_tensor":
        return read(value)
    if form == "as_optional_tensors":
        return [read(one) for one in value]
    if form in ("as_sym_int", "as_sym_bool", "as_sym_float"):
        return _symbol(value)
    if form in ("as_sym_ints", "as_sym_bools", "as_sym_floats"):
        return [_symbol(one) for one in value]
    if form == "as_scalar_type":
        return Named(DTYPES[value])
    if form == "as_memory_format":
        return Named(FORMATS.get(value, "preserve_format"))
    if form == "as_complex":
        return complex(value["real"], value["imag"])
    if form == "as_graph":
        return part(value["graph"])
    if form in DROPPED:
        return None
    raise SourceError(f"an argument of the form {form} is not followed")


def _symbol(value: Any) -> Any:
    from layerscope.sources._torch.live.programs import Ref

    return Ref(value["as_name"]) if "as_name" in value else next(iter(value.values()))
