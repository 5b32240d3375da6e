"""Running a layer's primitives with the reference engine: values, and gradients of <output, cotangent>."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from layerscope.core import sizes
from layerscope.core.contract import Example
from layerscope.core.types import BATCH, TensorType
from layerscope.engine.primitives.base import Frame, Primitive
from layerscope.engine.program import Program
from layerscope.engine.reference import run

from .cases import is_float


@dataclass
class Ran:
    """What a run gave: outputs, and the gradients of the first one's product with a cotangent."""

    outputs: list[np.ndarray]
    inputs: list[np.ndarray | None]
    weights: dict[str, np.ndarray]
    program: Program


def lowered(case: Example, training: bool = False, open_batch: bool = False) -> tuple[Program, list, dict]:
    """A program with the layer's outputs, and the differentiable inputs and weights."""
    program = Program()
    types = case.inputs
    if open_batch:
        types = tuple(replace(t, shape=(sizes.named(BATCH), *t.shape[1:])) for t in types)
    data = [program.input(("data", n), type, is_float(type)) for n, type in enumerate(types)]
    weights = {
        name: program.input(("weight", name), TensorType(type.shape, type.dtype), True)
        for name, type in case.layer.weight_types(*case.inputs).items()
    }
    outputs = case.layer.lower(program, *data, training=training, **weights)
    for number, value in enumerate(outputs):
        program.output(("output", number), value)
    return program, data, weights


def run_layer(
    case: Example,
    arrays,
    weights=None,
    cotangent=None,
    dtype: str = "float64",
    training: bool = False,
    open_batch: bool = False,
    seed: int = 0,
    step: int = 0,
) -> Ran:
    """Outputs of the lowered layer; with a cotangent for its first output also all gradients."""
    weights = weights or {}
    program, data, roles = lowered(case, training, open_batch)
    feeds = {("data", n): array for n, array in enumerate(arrays)}
    feeds |= {("weight", name): array for name, array in weights.items()}
    if cotangent is not None:
        first = program.outputs["output", 0]
        start = program.input(("cotangent",), first.type)
        feeds["cotangent",] = cotangent
        found = program.differentiate(first, start, [*data, *roles.values()])
        names = [("input", n) for n in range(len(data))] + [("weight", name) for name in roles]
        for key, value in zip(names, found, strict=True):
            if value is not None:
                program.output(("gradient", *key), value)
    small = program.pruned()
    frame = Frame(len(arrays[0]), np.dtype(dtype), seed, step)
    made = run(small, {key: feeds[key] for key in small.inputs}, frame)

    def gradient(key, like):
        return made.get(("gradient", *key), np.zeros_like(like)) if cotangent is not None else None

    return Ran(
        [made["output", n] for n in range(len(case.outputs))],
        [
            gradient(("input", n), a) if is_float(t) else None
            for n, (a, t) in enumerate(zip(arrays, case.inputs, strict=True))
        ],
        {name: gradient(("weight", name), array) for name, array in weights.items()},
        small,
    )


def run_primitive(primitive: Primitive, arrays, cotangent=None, wanted: tuple[int, ...] = ()):
    """(outputs, gradients of the wanted inputs, classes of the primitives that ran)."""
    program = Program()
    values = [
        program.input(("data", n), TensorType(a.shape, str(a.dtype)), n in wanted) for n, a in enumerate(arrays)
    ]
    made = program.add(primitive, *values)
    for number, value in enumerate(made):
        program.output(("output", number), value)
    feeds = {("data", n): a for n, a in enumerate(arrays)}
    if cotangent is not None:
        start = program.input(("cotangent",), made[0].type)
        feeds["cotangent",] = cotangent
        for n, value in zip(wanted, program.differentiate(made[0], start, [values[n] for n in wanted]), strict=True):
            assert value is not None, f"{primitive} has no gradient of input {n}"
            assert value.type.shape == arrays[n].shape, "a gradient has its input's declared shape"
            program.output(("gradient", n), value)
    found = run(program, feeds, Frame(1, np.dtype("float64")))
    outputs = [found["output", n] for n in range(len(made))]
    classes = {type(step.primitive) for step in program.instructions}
    return outputs, {n: found["gradient", n] for n in wanted if cotangent is not None}, classes
