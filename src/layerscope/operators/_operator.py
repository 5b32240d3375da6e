"""What all described operators of files from elsewhere have in common: where their operands come from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, cast

from layerscope.core import sizes
from layerscope.core.contract import Layer
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass, field, fields, replace
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import Reads
from layerscope.core.sizes import Size
from layerscope.core.types import BITS, TensorType, WeightType

Slot = None | str | TensorType
"""Where an operand comes from. None: from the graph, the next input of the node. A name: a weight of that role.
"" : it is left out. A type: a constant that is no parameter, of which only the type is known."""
ABSENT = ""
FORMS: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "int | None": (int, NoneType),
    "bool": (bool,),
    "str": (str,),
    "str | None": (str, NoneType),
    "float": (float, int),
}
"""What values a setting has that is declared so."""


@dataclass(frozen=True, eq=False)
class Operator(Layer):
    """Base of the described operators: layers with the axes in the order of their source.

    `type_name` is the source's own name of the operator, which reports print as its kind; `called` is what they print
    instead, where the source calls it otherwise (PyTorch's Conv2d is a Conv). An operator has
    formal operands in its source's order; `slots` says of each where it comes from, `parameters` has the weights
    among them by role. `forms` has the types of those weights that are read in another form than they are stored in
    (moved, cast, dequantised); what else such a weight is made of follows it in `parameters`, as W.x_scale.
    `results` is the number of its outputs where the node leaves out the last ones, None for all.
    `view_of`: all outputs lie in the memory of the node's input of this number, -1: in their own, None: as is usual
    for the family.
    `times` says how often the node runs where it stands in a loop: a number or an open size, None where nobody knows.
    A family answers for its operands (`infer`, `products`, `effort`, `kept`, `reads`), and this class puts together
    the layer's answers.
    """

    type_name: str
    slots: Any = field(default=(None,), kw_only=True)
    parameters: Any = field(default_factory=dict[str, WeightType], kw_only=True)
    forms: Any = field(default_factory=dict[str, TensorType], kw_only=True)
    results: int | None = field(default=None, kw_only=True)
    times: Any = field(default=1, kw_only=True)
    called: str = field(default="", kw_only=True)
    view_of: int | None = field(default=None, kw_only=True)

    executable = False
    standalone = True
    law = "as its source defines it"

    def __post_init__(self) -> None:
        self._check_forms()
        listed, table = cast(object, self.slots), cast(object, self.parameters)
        if not isinstance(listed, list | tuple):
            raise SettingError(f"{self.kind}: slots must be a list, not {listed!r}")
        if not isinstance(table, Mapping):
            raise SettingError(f"{self.kind}: parameters must be weights by their roles, not {table!r}")
        given = cast(Sequence[Any], listed)
        slots = tuple(
            TensorType.from_json(cast(Mapping[str, Any], part), 0) if isinstance(part, Mapping) else part
            for part in given
        )
        parameters = {role: weight_type(one) for role, one in cast(Mapping[str, Any], table).items()}
        forms = self._read_forms(parameters)
        named = [slot for slot in slots if isinstance(slot, str) and slot != ABSENT]
        if sorted(named) != sorted(
            role for role in parameters if role.partition(".")[0] not in forms or role in forms
        ):
            raise SettingError(f"{self.kind}: its slots name {named}, its parameters are {list(parameters)}")
        object.__setattr__(self, "forms", forms)
        if self.results is not None:
            sizes.checked(self.results, f"{self.kind}: results")
        times = cast(object, self.times)
        if isinstance(times, str | list):
            object.__setattr__(self, "times", sizes.from_json(cast(object, times)))
        elif times is not None and not isinstance(times, sizes.Expression):
            sizes.checked(times, f"{self.kind}: times", least=0)
        object.__setattr__(self, "slots", slots)
        object.__setattr__(self, "parameters", parameters)

    def _check_forms(self) -> None:
        """SettingError where a plain setting is of another form than it is declared, as in a damaged file."""
        for field_ in fields(self):
            forms, value = FORMS.get(str(field_.type)), getattr(self, field_.name)
            if forms is not None and type(value) not in forms:
                wanted = " or ".join("None" if form is NoneType else form.__name__ for form in forms)
                raise SettingError(f"{type(self).__name__}: {field_.name} must be {wanted}, not {value!r}")

    def _read_forms(self, parameters: Mapping[str, WeightType]) -> dict[str, TensorType]:
        """The forms that weights are read in, each of a weight that there is."""
        given = cast(object, self.forms)
        table = cast(Mapping[str, Any], given) if isinstance(given, Mapping) else {"": given}
        found: dict[str, Any] = {
            role: TensorType.from_json(cast(Mapping[str, Any], one), 0) if isinstance(one, Mapping) else one
            for role, one in table.items()
        }
        if not set(found) <= set(parameters) or not all(isinstance(one, TensorType) for one in found.values()):
            raise SettingError(f"{self.kind}: forms must be types of weights by their roles, not {given!r}")
        return found

    @property
    def kind(self) -> str:
        return self.called or self.type_name

    def operands(self, types: Sequence[TensorType]) -> tuple[TensorType | None, ...]:
        """The types of all formal operands, given those of the node's inputs; None for one that is left out."""
        wanted = sum(slot is None for slot in self.slots)
        if len(types) != wanted:
            raise ShapeError(f"takes {wanted} inputs, but got {len(types)}")
        rest = iter(types)
        found: list[TensorType | None] = []
        for slot in self.slots:
            if slot is None:
                found.append(next(rest))
            elif isinstance(slot, TensorType):
                found.append(slot)
            else:
                if slot in self.forms:
                    found.append(self.forms[slot])
                    continue
                weight = self.parameters.get(slot)
                found.append(None if weight is None else TensorType(weight.shape, weight.dtype))
        return tuple(found)

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        made = self.infer(*self.operands(types))[: self.results]
        for one in made:
            dtype = cast(object, one.dtype)
            if not isinstance(dtype, str):
                raise ShapeError(f"its dtype is {dtype!r}, which is none")
        return made

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        return dict(self.parameters)

    def macs(self, *types: TensorType) -> Size | None:
        products = self.products(*self.operands(types))
        return None if products is None or self.times is None else products * self.times

    def operations(self, *types: TensorType) -> Operations | None:
        effort = self.effort(*self.operands(types))
        return None if effort is None or self.times is None else effort.map(lambda count: count * self.times)

    def saved(self, *types: TensorType) -> Saved | None:
        saved = self.kept(*self.operands(types))
        if saved is None or self.times != 1:
            return None
        fed = [number for number, slot in enumerate(self.slots) if slot is None]
        return replace(
            saved,
            inputs=tuple(fed.index(number) for number in saved.inputs if number in fed),
            outputs=tuple(number for number in saved.outputs if self.results is None or number < self.results),
        )

    def shares(self, *types: TensorType) -> int | None:
        if self.view_of is not None and types:
            return self.view_of if 0 <= self.view_of < len(types) else None
        return self.viewed(*types)

    @property
    def shares_all(self) -> bool:
        return self.view_of is not None and self.view_of >= 0

    def workspace(self, *types: TensorType) -> Size | None:
        return self.held(*self.operands(types))

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        found = self.reads(output, *self.operands(types))
        if len(found) != len(self.slots):
            raise ShapeError(f"takes {len(found)} operands, but got {len(self.slots)}").at(self.kind)
        return tuple(reads for reads, slot in zip(found, self.slots, strict=True) if slot is None)

    # --- what a family answers, of its formal operands ---

    def viewed(self, *types: TensorType) -> int | None:
        """The number of the node's input of which the first output is a view at inference, where that is usual."""
        return None

    @abstractmethod
    def infer(self, *operands: TensorType | None) -> tuple[TensorType, ...]:
        """Types of the outputs; ShapeError when the operands do not fit."""

    def products(self, *operands: TensorType | None) -> Size | None:
        """Multiply-accumulates, or None when unknown."""
        return 0

    @abstractmethod
    def effort(self, *operands: TensorType | None) -> Operations | None:
        """What it computes besides products, or None when unknown."""

    @abstractmethod
    def kept(self, *operands: TensorType | None) -> Saved | None:
        """What a backward pass needs of it; inputs by number among all formal operands."""

    def held(self, *operands: TensorType | None) -> Size | None:
        """Bytes of tensors of its own while it runs, or None when unknown, as where its operations are."""
        return None if self.effort(*operands) is None else 0

    @abstractmethod
    def reads(self, output: int, *operands: TensorType | None) -> tuple[Reads | None, ...]:
        """For each formal operand, how its axes are read; anything for those that are not from the graph."""


def weight_type(given: Any) -> WeightType:
    """A weight's type from itself or from its JSON form {"shape": [...], "dtype": ..., "trainable": ...}."""
    if isinstance(given, WeightType):
        return given
    data: Mapping[str, Any] = cast(Mapping[str, Any], given) if isinstance(given, Mapping) else {}
    if not isinstance(data.get("shape"), list | tuple):
        raise SettingError(f"a weight is described by its shape (and dtype, trainable), not by {given!r}")
    shape = tuple(sizes.checked(n, "a size of a weight", least=0) for n in data["shape"])
    dtype = data.get("dtype", "float32")
    if dtype not in BITS:
        raise SettingError(f"unknown dtype {dtype!r}; known: {', '.join(BITS)}")
    return WeightType(shape, "zeros", data.get("trainable", True) is True, dtype)
