"""Machine code: from LLVM IR text to an object file, and from an object file to addresses.

llvmlite is imported when it is first needed, never with `layerscope`.
"""

from __future__ import annotations

import functools
import os
import platform
from dataclasses import dataclass
from typing import Any

from layerscope.core.errors import SettingError
from layerscope.engine.native.targets import TARGETS, Target, best

VARIABLE = "LAYERSCOPE_TARGET"
# What a target may restrict. LLVM switches off with a feature all that builds on it, such as vaes with avx.
RESTRICTED = ("avx", "amx", "fma", "f16c", "neon")
LEVEL = 2
"""How much LLVM's code generation does for speed, of 0 to 3."""


@dataclass(frozen=True)
class Processor:
    """What code is made for: LLVM's triple, its name of the processor, and the features that are on or off."""

    triple: str
    architecture: str
    cpu: str
    features: tuple[tuple[str, bool], ...]

    def flags(self) -> str:
        """The features as LLVM reads them, which is in order: what is off comes last, so that it stays off."""
        return ",".join(("+" if on else "-") + name for name, on in sorted(self.features, key=lambda f: not f[1]))


def asked() -> str:
    """The target that $LAYERSCOPE_TARGET names, or nothing."""
    return os.environ.get(VARIABLE, "").strip()


def host() -> Processor:
    """This processor, restricted to the target that $LAYERSCOPE_TARGET names, if any.

    Raises SettingError for a name that is not in `TARGETS`, and for a target that this processor lacks.
    """
    processor = _detected()
    name = asked()
    return restricted(processor, name) if name else processor


def restricted(processor: Processor, name: str) -> Processor:
    """The processor without the vector instructions that the target `name` does not list.

    Raises SettingError for a name that is not in `TARGETS`, and for a target that the processor lacks.
    """
    target = TARGETS.get(name)
    if target is None:
        raise SettingError(f"{VARIABLE} is {name!r}; it must be one of {', '.join(TARGETS)}, or unset for the best.")
    has = {feature for feature, on in processor.features if on}
    if target.architecture not in (processor.architecture, "any"):
        raise SettingError(f"{VARIABLE} is {name!r}, for {target.architecture}; this is {processor.architecture}.")
    if lacking := [feature for feature in target.features if feature not in has]:
        raise SettingError(
            f"{VARIABLE} is {name!r}, but this processor ({processor.cpu}) lacks {', '.join(lacking)}."
        )
    kept = _kept(target)
    features = tuple((n, on and (n in kept or not n.startswith(RESTRICTED))) for n, on in processor.features)
    return Processor(processor.triple, processor.architecture, processor.cpu, features)


def _kept(target: Target) -> set[str]:
    """What a target lists, and what that stands on."""
    narrower = [t for t in TARGETS.values() if t.architecture == target.architecture and t.bytes <= target.bytes]
    kept = {feature for row in narrower for feature in row.features}
    return kept | {"avx", "f16c"} if "avx2" in kept else kept


@functools.cache
def _detected() -> Processor:
    llvm = _llvm()
    triple: str = llvm.get_process_triple()
    machine = platform.machine().lower()
    architecture = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    try:
        features: dict[str, bool] = dict(llvm.get_host_cpu_features())
    except RuntimeError:  # LLVM cannot tell on this system
        features = {}
    if architecture == "aarch64":
        features.setdefault("neon", True)  # every one has it, though not every system says so
    return Processor(triple, architecture, llvm.get_host_cpu_name(), tuple(sorted(features.items())))


def chosen(processor: Processor) -> Target:
    """The widest row of the tile table that the processor has."""
    return best(processor.architecture, dict(processor.features))


def attributes(target: Target) -> str:
    """The attributes of functions for a target: what `Module(attributes=...)` takes.

    They hold LLVM to the target's width, both for vectors that the text states and for copies and fills,
    on processors too that it tunes for narrower ones.
    """
    bits = 8 * target.bytes
    return f'"prefer-vector-width"="{bits}" "min-legal-vector-width"="{bits}"'


def compile(text: str, processor: Processor, fast: bool = True) -> bytes:
    """The object file of a module of LLVM IR. Raises RuntimeError, with LLVM's words, for text that is not IR.

    With `fast` False code generation optimises nothing, which takes a fifth of its time.
    """
    module, machine = _optimised(text, processor, LEVEL if fast else 0)
    return machine.emit_object(module)


def assembly(text: str, processor: Processor) -> str:
    """What `compile` makes of a module, as text to read."""
    module, machine = _optimised(text, processor)
    return machine.emit_assembly(module)


def _optimised(text: str, processor: Processor, level: int = LEVEL) -> tuple[Any, Any]:
    """A checked module, ready for code generation, and the machine to do it with.

    The text is written register by register, so that one pass suffices: it pays for itself with what code
    generation is spared. LLVM's own pipelines take longer than code generation, and what they change in the
    innermost loops (unrolling) only adds spills.
    """
    llvm, machine = _llvm(), _machine(processor, level)
    module = llvm.parse_assembly(text, llvm.create_context())
    module.verify()
    module.triple, module.data_layout = processor.triple, str(machine.target_data)
    passes = llvm.create_new_module_pass_manager()
    passes.add_instruction_combine_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    return module, machine


class Loaded:
    """Machine code in memory. Addresses are good while this object lives: whoever calls keeps it."""

    def __init__(self, engine: Any, library: Any) -> None:
        self.keep = (engine, library)
        # llvmlite unloads a library as soon as one of what its lookups return is freed.
        self._found: dict[str, Any] = {}

    def address(self, name: str) -> int:
        """Where a function or global variable stands.

        Raises KeyError for a name that the object does not export, or that needs one that is nowhere.
        """
        engine, library = self.keep
        if name not in self._found:
            try:
                self._found[name] = engine.lookup(library.name, name)
            except RuntimeError as error:
                raise KeyError(f"{name}: {error}") from None
        return self._found[name][name]


def load(objects: bytes) -> Loaded:
    """An object file of this processor, ready to be called. Raises RuntimeError for what is not an object file.

    It may call what this process has loaded, such as memset and the C library's functions of numbers.
    """
    llvm = _llvm()
    # JITLink places an object in one piece, as the small code model of `_machine` wants it.
    engine = llvm.create_lljit_compiler(_machine(_detected()), use_jit_link=True, suppress_errors=True)
    builder = llvm.JITLibraryBuilder().add_object_img(objects).add_current_process()
    return Loaded(engine, builder.link(engine, "kernels"))


def _machine(processor: Processor, level: int = LEVEL) -> Any:
    llvm = _llvm()
    if processor.triple != llvm.get_process_triple():
        _foreign()
    return llvm.Target.from_triple(processor.triple).create_target_machine(
        cpu=processor.cpu, features=processor.flags(), opt=level, reloc="pic", codemodel="small"
    )


@functools.cache
def _llvm() -> Any:
    """llvmlite, which has no types, for this processor: all others would take 10 MB more."""
    import llvmlite.binding as llvm  # pyright: ignore[reportMissingTypeStubs]

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@functools.cache
def _foreign() -> None:
    """Code for other processors than this one: to read, and for tests."""
    llvm = _llvm()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
