"""Which engine computes a model. The native one is imported when it is first wanted."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeAlias

from layerscope.core.errors import SettingError
from layerscope.core.sizes import checked
from layerscope.engine.plan import Compiling, Job
from layerscope.engine.reference import ReferenceEngine, State

if TYPE_CHECKING:
    from layerscope.engine.native.assembly import Options
    from layerscope.engine.native.engine import NativeEngine
    from layerscope.engine.native.report import EngineReport
    from layerscope.engine.program import Program

    Engine: TypeAlias = ReferenceEngine | NativeEngine

NAMES = ("auto", "native", "reference")
PRECISIONS = ("float32", "float64")


def check(engine: str, precision: str, threads: int | None) -> None:
    """SettingError for what compile does not know; SizeError for threads below 1."""
    if engine not in NAMES:
        raise SettingError(f"engine must be one of {', '.join(NAMES)}, not {engine!r}")
    if precision not in PRECISIONS:
        raise SettingError(f"precision must be 'float32' or 'float64', not {precision!r}")
    if threads is not None:
        checked(threads, "threads")


def make(
    name: str,
    job: Job,
    state: State,
    precision: str,
    threads: int | None = None,
    seed: int = 0,
    compiling: Compiling = contextlib.nullcontext,
) -> Engine:
    """The engine of this name ("auto" is the native one) for a job."""
    if name == "reference":
        return ReferenceEngine(job, state, precision, seed)
    from layerscope.engine.native.engine import NativeEngine

    return NativeEngine(job, state, precision, seed, threads, compiling)


def threads(asked: int | None = None) -> int:
    """How many threads the native engine works with when so many are asked for, or None."""
    from layerscope.engine.native.compiled import thread_count

    return thread_count(asked)


def report(name: str, job: Job, precision: str, asked: int | None, batch_size: int) -> EngineReport:
    """How each layer of a job runs in the engine of this name, in batches of this size, on as many threads as asked.

    Errors: SizeError for a size below 1.
    """
    from layerscope.engine.native import engine
    from layerscope.engine.native.report import reference_report, report

    size = checked(batch_size, "batch_size")
    if name == "reference":
        return reference_report(job, precision)
    count = threads(asked)

    def suited(program: Program, options: Options) -> Options:
        return engine.suited(job, program, options, size, count, look=True)

    return report(job, engine.options_for(precision), count, precision, suited, size)
