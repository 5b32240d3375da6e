"""What is generated for a model, to read: LLVM IR and assembly, function by function."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from layerscope.core.errors import SettingError
from layerscope.engine.native import assembly, engine, objects, report
from layerscope.engine.native.assembly import Options, Recipe, Step
from layerscope.engine.native.engine import NativeEngine
from layerscope.engine.native.layout import Buffer
from layerscope.engine.native.objects import Processor
from layerscope.engine.native.targets import TARGETS, loads
from layerscope.engine.program import Program
from layerscope.engine.reference import ReferenceEngine

PROGRAMS = ("inference", "evaluation", "training")


class Shown(NamedTuple):
    """A function: what it does, and its text."""

    title: str
    text: str


def kernels(
    of: NativeEngine | ReferenceEngine, program: str = "inference", target: str = "", **options: Any
) -> list[Shown]:
    """The loop nests of one block of a program as LLVM IR, in order: show.kernels(model.engine()).

    `program` is "inference", "evaluation" or "training"; `target` a row of `TARGETS` (this processor's best by
    default), of which any can be asked for on any machine; `options` override fields of `Options`, such as
    lanes=4. Comments say where each pointer leads: region, shape (groups, then the value's own axes), items.
    Errors: SettingError for another program or target; TrainingError for what the native engine cannot run.
    """
    recipe = _recipe(of, program, _options(of, target, options))
    text = recipe.module.text()
    return [Shown(title, "\n".join([*_pointers(step), _function(text, step.name)])) for title, step in _steps(recipe)]


def machine(
    of: NativeEngine | ReferenceEngine, program: str = "inference", target: str = "", **options: Any
) -> list[Shown]:
    """As `kernels`, but what LLVM makes of them: assembly for the target (this processor by default)."""
    recipe = _recipe(of, program, _options(of, target, options))
    text = recipe.module.text().replace("define internal ", "define ")
    found = objects.assembly(text, _processor(target))
    return [Shown(title, _body(found, step.name)) for title, step in _steps(recipe)]


def _recipe(of: NativeEngine | ReferenceEngine, program: str, options: Options) -> Recipe:
    if program not in PROGRAMS:
        raise SettingError(f"the program must be one of {', '.join(PROGRAMS)}, not {program!r}")
    chosen: Program = getattr(of.job, program)
    count = sum(key[0] in ("data", "target") for key in chosen.inputs)
    return assembly.assembled(chosen, replace(options, dtypes=("float32",) * count))


def _options(of: NativeEngine | ReferenceEngine, target: str, more: dict[str, Any]) -> Options:
    options = engine.options_for(of.dtype.name)
    if target:
        row = TARGETS.get(target)
        if row is None:
            raise SettingError(f"the target must be one of {', '.join(TARGETS)}, not {target!r}")
        options = replace(
            options,
            lanes=row.lanes(options.real),
            sums=row.sums,
            loads=loads(_processor(target).cpu, row),
            attributes=objects.attributes(row),
            fused="fma" in row.features or row.name == "neon",
        )
    return replace(options, **more)


def _processor(target: str) -> Processor:
    if not target:
        return objects.host()
    row = TARGETS[target]
    name = objects.host().architecture if row.architecture == "any" else row.architecture
    return Processor(f"{name}-unknown-linux-gnu", name, "generic", tuple((f, True) for f in row.features))


def _steps(recipe: Recipe) -> Iterator[tuple[str, Step]]:
    for step in recipe.stages:
        assert step.stage is not None
        row = report.described("", recipe, step.stage)
        yield f"{', '.join(row.layers)}: {row.work}; {row.way}".removeprefix(": "), step


def _pointers(step: Step) -> Iterator[str]:
    if step.kernel.turns:
        yield f"; %low: of {step.kernel.turns} turns of the outer loop, the first that is this thread's"
        yield "; %high: the first that is no longer"
    pointers = [name for name, type in step.kernel.parameters if type == "ptr"]
    for name, (buffer, shift) in zip(pointers, step.kernel.uses, strict=True):
        yield f"; %{name}: {_described(buffer)}" + (f", from item {shift}" if shift else "")


def _described(buffer: Buffer) -> str:
    shape = "".join(f"[{n}]" for n in buffer.shape)
    return f"{buffer.region} {shape} of {buffer.item}"


def _function(text: str, name: str) -> str:
    return next(part for part in text.split("\n\n") if part.startswith("define ") and f"@{name}(" in part)


def _body(text: str, name: str) -> str:
    """The instructions of a function, and the labels that they jump to."""
    lines = text[text.index(f"\n{name}:") + 1 :].splitlines()
    end = next(n for n, line in enumerate(lines) if line.startswith((".Lfunc_end", "Lfunc_end")))
    kept = [line for line in lines[:end] if not re.match(r"\s*(\.(?!L\w+:)|[#/])", line)]
    used = "\n".join(line for line in kept if line.startswith("\t"))
    kept = [line for line in kept if line.startswith("\t") or line.split(":")[0] in used or line.startswith(name)]
    return "\n".join(re.sub(r"^\t(\S+)\t?", lambda found: "  " + found[1].ljust(13), line).rstrip() for line in kept)
