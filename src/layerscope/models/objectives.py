"""What a model is compiled for: the loss, its weight and the metrics of each output, under Keras's names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from layerscope import losses as loss_module
from layerscope import metrics as metric_module
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.types import TensorType, show
from layerscope.engine.plan import Aim

Metric = metric_module.Metric
FORMS = "metrics are a list for each output ({names}), or a dictionary by their names"


@dataclass
class Measured:
    """A metric of an output: what it is called by itself, its name in the logs, and itself."""

    called: str
    name: str
    metric: Metric
    output: int
    weighted: bool


@dataclass
class Objectives:
    """For each output, by number: its name, loss (or None) and the loss's weight (or None); and all metrics."""

    names: list[str] = field(default_factory=list[str])
    losses: list[loss_module.Loss | None] = field(default_factory=list[loss_module.Loss | None])
    scales: list[float | None] = field(default_factory=list[float | None])
    measured: list[Measured] = field(default_factory=list[Measured])

    def of(self, number: int) -> loss_module.Loss | Metric | None:
        """What says which targets fit an output: its loss, or a metric of it; None where it has neither."""
        own = [one.metric for one in self.measured if one.output == number]
        return self.losses[number] or (own[0] if own else None)

    def aims(self, outputs: Sequence[TensorType], weights: Sequence[TensorType | None]) -> list[Aim]:
        """As engines take it; `weights` are the types of the weights of examples."""
        several = sum(loss is not None for loss in self.losses) > 1
        found: list[Aim] = []
        for number, (name, loss, output, weight) in enumerate(
            zip(self.names, self.losses, outputs, weights, strict=True)
        ):
            objective = self.of(number)
            own = [one for one in self.measured if one.output == number]
            found.append(
                Aim(
                    loss,
                    self.scales[number],
                    {one.name: one.metric for one in own if not one.weighted},
                    {one.name: one.metric for one in own if one.weighted},
                    None if objective is None else objective.target_type(output),
                    weight,
                    f"{name}_loss" if several and loss is not None else "",
                )
            )
        return found

    def to_json(self, weighted: bool) -> list[Any]:
        """The metrics as compile takes them: a list of one output's, or for each output a list."""
        rows = [
            [
                {**one.metric.to_json(), "called": one.called}
                for one in self.measured
                if one.output == number and one.weighted == weighted
            ]
            for number in range(len(self.names))
        ]
        return rows[0] if len(rows) == 1 else rows


def output_names(labels: Sequence[str]) -> list[str]:
    """The names of outputs: those of their layers, numbered where a layer has several."""
    found: list[str] = []
    for label in labels:
        name, number = label, 1
        while name in found:
            name, number = f"{label}_{number}", number + 1
        found.append(name)
    return found


def chosen(
    names: Sequence[str],
    outputs: Sequence[TensorType],
    loss: Any,
    loss_weights: Any = None,
    metrics: Any = None,
    weighted_metrics: Any = None,
) -> Objectives:
    """What compile was told, checked against the outputs; SettingError, ShapeError, UnknownNameError otherwise."""
    if loss is None:
        raise SettingError("compile needs a loss, for example loss='binary_crossentropy'")
    given = loss_module.for_outputs(loss, names)
    if all(one is None for one in given):
        raise SettingError("compile needs a loss for at least one output")
    found = [None if one is None else loss_module.get(one) for one in given]
    some = [(one, output) for one, output in zip(found, outputs, strict=True) if one is not None]
    loss_module.check_outputs([one for one, _ in some], [output for _, output in some])
    made = Objectives(list(names), found, _scales(loss_weights, names))
    taken: dict[str, int] = {}
    for number, row in enumerate(rows(metrics, names, "metrics")):
        made.measured += _measured(made, outputs, number, row, _plain(taken), weighted=False)
    for number, row in enumerate(rows(weighted_metrics, names, "weighted_metrics")):
        made.measured += _measured(made, outputs, number, row, _weighed(taken), weighted=True)
    return made


def _scales(given: Any, names: Sequence[str]) -> list[float | None]:
    """The weight of each loss."""
    if given is None:
        return [None] * len(names)
    if isinstance(given, Mapping):
        unknown = [str(key) for key in given if key not in names]
        if unknown:
            raise SettingError(
                f"loss_weights are given for {', '.join(unknown)}, but the outputs are {', '.join(names)}"
            )
        given = [given.get(name, 1.0) for name in names]
    if not isinstance(given, list | tuple):
        given = [given]
    if len(given) != len(names):
        raise SettingError(f"{len(given)} loss_weights for {len(names)} outputs ({', '.join(names)})")
    for one in given:
        if isinstance(one, bool) or not isinstance(one, int | float):
            raise SettingError(f"loss_weights must be numbers, not {one!r}")
    return [float(one) for one in given]


def rows(given: Any, names: Sequence[str], what: str) -> list[list[Any]]:
    """The metrics of each output, from all forms in which Keras takes them."""
    if given is None or (isinstance(given, list | tuple | Mapping) and not given):
        return [[] for _ in names]
    if isinstance(given, str | metric_module.Metric | loss_module.Loss):
        given = [given]
    if not isinstance(given, list | tuple | Mapping):
        raise SettingError(f"{what} must be a list, for example {what}=['accuracy'], not {given!r}")
    if isinstance(given, Mapping):
        unknown = [str(key) for key in given if key not in names]
        if unknown:
            raise SettingError(f"{what} are given for {', '.join(unknown)}, but the outputs are {', '.join(names)}")
        given = [given.get(name) for name in names]
        return [list(_flat(one)) for one in given]
    if len(names) == 1:
        return [list(_flat(given))]
    if len(given) != len(names):
        raise SettingError(f"{len(given)} {what} for {len(names)} outputs: " + FORMS.format(names=", ".join(names)))
    return [list(_flat(one)) for one in given]


def _flat(given: Any) -> Iterator[Any]:
    if isinstance(given, list | tuple):
        for one in given:
            yield from _flat(one)
    elif given is not None:
        yield given


def _measured(
    made: Objectives,
    outputs: Sequence[TensorType],
    number: int,
    row: Sequence[Any],
    unique: Callable[[str, str], str],
    weighted: bool,
) -> list[Measured]:
    found: list[Measured] = []
    output, loss = outputs[number], made.losses[number]
    for asked in row:
        name, metric = metric_module.get(asked, loss, output)
        metric.fits(output)
        _check(name, metric, loss or (found[0].metric if found else made.of(number)), output)
        prefix = f"{made.names[number]}_" if len(made.names) > 1 else ""
        found.append(Measured(name, unique(prefix, name), metric, number, weighted))
    return found


def _check(name: str, metric: Metric, other: loss_module.Loss | Metric | None, output: TensorType) -> None:
    """ShapeError unless the metric takes the targets that the loss takes."""
    if other is None:
        return
    wanted, given = metric.target_type(output).shape, other.target_type(output).shape
    if wanted != given:
        raise ShapeError(
            f"the metric {name} compares the output {show(output.shape[1:])} with targets of "
            f"{show(wanted[1:])} per example, but {other.name} takes targets of {show(given[1:])}"
        )


def _plain(taken: dict[str, int]) -> Callable[[str, str], str]:
    """Names in the logs, numbered where one is there already."""

    def unique(prefix: str, name: str) -> str:
        return _numbered(taken, prefix + name)

    return unique


def _weighed(taken: dict[str, int]) -> Callable[[str, str], str]:
    """Names in the logs; one that is there already is called weighted_..."""

    def unique(prefix: str, name: str) -> str:
        if prefix + name not in taken:
            return _numbered(taken, prefix + name)
        return _numbered(taken, f"{prefix}weighted_{name}")

    return unique


def _numbered(taken: dict[str, int], name: str) -> str:
    count = taken.get(name, 0)
    taken[name] = count + 1
    return f"{name}_{count}" if count else name
