"""`check`: whether a network fits, what would make it fit, and what about it deserves a warning."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from typing import Any

from layerscope import sources
from layerscope.analyses.advice import Advice, advise
from layerscope.analyses.warnings import Finding, Training, silent, warn
from layerscope.core import propagate
from layerscope.core.binding import put
from layerscope.core.errors import LayerscopeError, SettingError
from layerscope.core.files import replacing
from layerscope.core.graph import Graph
from layerscope.core.sizes import checked
from layerscope.core.types import Shape
from layerscope.report import formats
from layerscope.report.document import Document
from layerscope.sources import _training, python
from layerscope.sources import json as graph_json
from layerscope.telling import checks

LOSSES = (
    "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy", "mean_squared_error",
    "mean_absolute_error",
)  # fmt: skip
INPUT = "input"
"""The target that is the input's own shape, as of an autoencoder."""


class Check:
    """A checked network: `advice` where it does not fit, else `warnings`.

    `fits`: whether all its sizes do, and the output is the target. `whole`: whether all of the network was known,
    not only what leads to the layer that does not fit.
    """

    def __init__(self, graph: Graph, advice: Advice, warnings: list[Finding], whole: bool) -> None:
        self.graph, self.advice, self.warnings, self.whole = graph, advice, warnings, whole

    @property
    def fits(self) -> bool:
        """Whether all sizes fit, and the output is the target."""
        return self.advice.misfit is None

    def to_json(self) -> dict[str, Any]:
        """All that was found, as plain data."""
        return checks.facts(self.advice, self.warnings, self.whole)

    def render(self, format: str = "terminal", width: int = 120, colour: bool = False) -> str:
        """The report in one of the formats: terminal, markdown, latex, html, csv, json."""
        return formats.render(self.document(), format, width, colour)

    def document(self) -> Document:
        """What is said of it."""
        return checks.describe(self.advice, self.warnings, self.whole)

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write the report as the file's ending says: .html, .md, .tex, .csv, .json or .txt.

        Errors: OutputError for another ending, or where it cannot be written.
        """
        from layerscope.report import files

        files.write(self.document(), path)

    def save(self, path: str | os.PathLike[str], number: int = 1) -> None:
        """Write the network with change `number` as JSON that `trace` reads. SettingError where there is none."""
        fixes = self.advice.fixes
        if not 1 <= number <= len(fixes):
            there = f"there {'is' if len(fixes) == 1 else 'are'} {len(fixes) or 'none'}"
            raise SettingError(f"no change number {number} to be saved: {there}")
        with replacing(path) as aside:
            data = graph_json.dump(fixes[number - 1].graph)
            aside.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", "utf-8")

    def __str__(self) -> str:
        return self.render()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The report for notebooks, in a frame that has no rights but to run its own script."""
        from layerscope.report import page

        return page.frame(self.document())


def check(
    what: Any,
    target: Any = None,
    *,
    sizes: Mapping[str, int] | None = None,
    input: Any = None,
    examples: int | None = None,
    loss: str | None = None,
    from_logits: bool = False,
    optimizer: str | None = None,
    learning_rate: float | None = None,
    silence: Collection[str] = (),
) -> Check:
    """Whether a network fits; the smallest changes that mend it; and warnings where it does fit.

    `what`, `sizes`, `input`: as in `trace`; a run's folder, too. `target`: the shape that the (first) output must
    have, (28, 28, 1) or "28x28x1", or "input", that of the (first) input. `examples`: how many there are to train
    with. `loss`, `from_logits`, `optimizer`, `learning_rate`: how it is trained, where the model itself does not say
    so or to ask about another way. `silence`: identifiers of warnings that are not wanted.

    Errors: those of `trace` but for sizes that do not fit, which are what this is about; UnknownNameError for an
    identifier; SettingError for a target, loss or rate that is none.
    """
    if examples is not None:
        examples = checked(examples, "examples")
    model, graph, error = _read(what, input)
    if sizes:
        graph = put(graph, sizes)
    found = advise(graph, _target(target, graph))
    if found.misfit is None and error is not None:
        raise error  # the source knows better than sizes tell: what it says is wrong is something else
    whole = error is None or error.whole
    training = _training_of(model, examples, loss, from_logits, optimizer, learning_rate)
    silenced = silent(silence)  # an unknown identifier is a mistake, whether there are warnings or not
    warnings = warn(graph, training, silenced) if found.misfit is None else []
    return Check(graph, found, warnings, whole)


def _read(what: Any, input: Any) -> tuple[Any, Graph, LayerscopeError | None]:
    """The model, its graph or sketch, and the error with which it was refused."""
    model = what
    try:
        if next((module for module in sources.modules() if module.handles(what)), None) is python:
            model = python.called(what)
            what = what if isinstance(model, str) else model
            return model, sources.read(what, input), None
        return model, sources.read(_training.run_network(what) or what, input), None
    except LayerscopeError as error:
        if error.sketch is None:
            raise
        return model, error.sketch(), error


def _training_of(
    model: Any, examples: int | None, loss: str | None, logits: bool, optimizer: str | None, rate: float | None
) -> Training:
    told = _training.told(model)
    losses = tuple((name, taken) for name, taken in told.get("losses", ()))
    if loss is not None:
        name = _training.loss_name(loss)
        if name not in LOSSES:
            raise SettingError(f"the loss must be one of {', '.join(LOSSES)}, not {loss!r}")
        losses = ((name, logits),)
    elif logits:
        losses = tuple((name, True) for name, _ in losses)
    settings = dict(told.get("settings", {}))
    if rate is not None:
        if isinstance(rate, bool) or not 0 <= rate < float("inf"):
            raise SettingError(f"the learning rate must be a number of at least 0, not {rate!r}")
        settings["learning_rate"] = float(rate)
    chosen = optimizer.lower() if optimizer is not None else told.get("optimizer")
    return Training(examples, losses, chosen, settings)


def _target(target: Any, graph: Graph) -> Shape | None:
    """The shape that is asked for, without the batch."""
    if target is None:
        return None
    if isinstance(target, str) and target.strip().lower() == INPUT:
        return propagate.input_types(graph)[graph.inputs[0]][0].shape[1:]
    parts: Any = target
    if isinstance(target, str):
        parts = target.lower().replace("×", "x").split("x")
    if isinstance(parts, int):
        parts = (parts,)
    try:
        return tuple(checked(int(part) if isinstance(part, str) else part, "a size of the target") for part in parts)
    except (TypeError, ValueError) as error:
        why = f": {error}" if isinstance(error, LayerscopeError) else ""
        raise SettingError(
            f"a target is the sizes of one example's output, such as 28x28x1, or 'input', not {target!r}{why}"
        ) from None
