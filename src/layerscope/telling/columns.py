"""The columns that a trace can have, and which of them are wished for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import prod
from typing import Any

from layerscope.analyses.capacity import LayerCapacity
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, UnknownNameError
from layerscope.core.sizes import Expression, Size
from layerscope.core.types import TensorType
from layerscope.report.document import count
from layerscope.telling import words
from layerscope.telling.amounts import Amount, ordinal, percent, share
from layerscope.telling.lines import OPERATIONS, Line

EVERYTHING = 1 << 62
MAC = "MAC: one multiply and add in a product with weights; products with padding count."


@dataclass(frozen=True)
class Context:
    """What cells depend on besides their row: the inputs' names and the totals."""

    inputs: tuple[str, ...]
    parameters: int
    macs: Size


@dataclass(frozen=True)
class Fact:
    """One column: its name for machines, its title, how it is written and what it is as plain data, by which number
    it sorts, and what it means where the title does not say it. Columns of bytes have `{unit}` in their title.
    `rank`, `least` and `joint` as in documents. `types`: of which tensors it tells the shapes.
    """

    key: str
    title: str
    words: Callable[[Line, Context], str]
    data: Callable[[Line, Context], Any]
    amount: Callable[[Line], Amount] | None = None
    right: bool = True
    rank: int = 0
    least: int = 0
    meaning: str = ""
    bytes: bool = False
    joint: str = ""
    types: Callable[[Line], Sequence[TensorType]] | None = None

    def is_open(self, line: Line) -> bool:
        """Whether the cell has expressions of open sizes."""
        if self.amount is not None:
            return isinstance(self.amount(line).size, Expression)
        sizes = (size for type in (self.types(line) if self.types else ()) for size in type.shape)
        return any(isinstance(size, Expression) for size in sizes)


def _text(key: str, title: str, say: Callable[[Line], str], data: Callable[[Line], Any], **more: Any) -> Fact:
    return Fact(key, title, lambda line, _: say(line), lambda line, _: data(line), right=False, **more)


def _amount(key: str, title: str, amount: Callable[[Line], Amount], **more: Any) -> Fact:
    return Fact(
        key,
        title,
        lambda line, _: amount(line).words(),
        lambda line, _: words.plain(amount(line).exact),
        amount,
        **more,
    )


def _operation(key: str, meaning: str) -> Fact:
    return _amount(key, key, lambda line: line.operations[key], meaning=f"{key.capitalize()}: {meaning}")


def _bytes(key: str, title: str, amount: Callable[[Line], Amount], meaning: str) -> Fact:
    return _amount(key, f"{title} {{unit}}", amount, meaning=meaning, bytes=True)


def _share(
    key: str, title: str, amount: Callable[[Line], Amount], total: Callable[[Context], Size], meaning: str = ""
) -> Fact:
    def data(line: Line, context: Context) -> float | None:
        part = None if amount(line).at_least else share(amount(line), total(context))
        return None if part is None else float(100 * part)

    return Fact(
        key, title, lambda line, context: percent(amount(line), total(context)), data, amount, meaning=meaning
    )


def _axes(key: str, title: str, part: Callable[[Any], Any], write: Callable[[Any], str], meaning: str) -> Fact:
    return Fact(
        key,
        title,
        lambda line, context: words.axes(line.fields, context.inputs, lambda one: write(part(one))),
        lambda line, context: words.axes_data(
            line.fields, context.inputs, lambda one: None if one is None else part(one), None
        ),
        meaning=meaning,
    )


def _field_words(line: Line, context: Context) -> str:
    return "" if line.sums_only else words.field(line.fields, context.inputs)


def _field_amount(line: Line) -> Amount:
    """Positions in the largest field; everything is more than any number."""
    seen = [parts for parts in line.fields.values() if None not in parts]
    if len(seen) < len(line.fields):
        return Amount(EVERYTHING)
    return Amount(max((prod(part.max for part in parts if part) for parts in seen), default=0))


def _parameter_words(line: Line) -> str:
    text = line.parameters.words()
    if not line.shared:
        return text
    return f"{text} (shared)" if line.shared == line.parameters.size else f"{text} ({line.shared:,} shared)"


def _own(line: Line) -> Amount:
    """Parameters that no row above counts."""
    size = line.parameters.size
    return line.parameters if size is None else Amount(size - line.shared, line.parameters.at_least)


def _inputs(line: Line) -> Sequence[TensorType]:
    return line.inputs


def _outputs(line: Line) -> Sequence[TensorType]:
    return line.outputs


def _known(key: str, title: str, part: Callable[[LayerCapacity], int | None], meaning: str) -> Fact:
    """A column of numbers that are known unless sizes are open."""

    def say(line: Line, _: Context) -> str:
        found = part(line.information())
        return "open" if found is None else count(found) if found else ""

    return Fact(
        key,
        title,
        say,
        lambda line, _: part(line.information()),
        lambda line: Amount(part(line.information())),
        meaning=meaning,
    )


def _discarded(line: Line) -> str:
    part = line.information().discarded
    return f"{100 * float(part):.1f}" if part else ""


def _holes(line: Line) -> bool | None:
    found = [part.holes for parts in line.fields.values() for part in parts if part]
    return any(found) if found else None


FACTS = (
    _text("name", "layer", lambda line: line.name, lambda line: line.name, least=16),
    _text("kind", "kind", lambda line: line.kind, lambda line: line.kind, rank=8, least=12),
    _text(
        "from", "from", lambda line: words.listed(line.reads), lambda line: ", ".join(line.reads), least=16,
        joint=", ",
    ),
    _text(
        "input", "input", lambda line: words.shapes(line.inputs), lambda line: words.shape_data(line.inputs),
        types=_inputs,
    ),
    _text(
        "output", "output", lambda line: words.shapes(line.outputs), lambda line: words.shape_data(line.outputs),
        rank=1, types=_outputs,
    ),
    _text("dtype", "dtype", lambda line: _dtypes(line), lambda line: _dtypes(line)),
    _amount("layers", "layers", lambda line: Amount(len(line.members))),
    _text(
        "weights", "weights", lambda line: words.weights(line.weights), lambda line: words.weights(line.weights),
        rank=7,
    ),
    Fact(
        "parameters", "parameters", lambda line, _: _parameter_words(line), lambda line, _: line.parameters.exact,
        lambda line: line.parameters, rank=2,
    ),
    _amount("trainable", "trainable", lambda line: line.trainable),
    _amount(
        "shared", "shared", lambda line: Amount(line.shared),
        meaning="Shared: parameters of an earlier layer, which the total counts there.",
    ),
    _share("parameters_percent", "% of parameters", lambda line: _own(line), lambda context: context.parameters),
    _amount("macs", "MACs", lambda line: line.macs, rank=3, meaning=MAC),
    _share("macs_percent", "% of MACs", lambda line: line.macs, lambda context: context.macs, MAC),
    _operation("bias", "additions of a bias."),
    _operation("pointwise", "results of an elementwise function, such as relu or an addition of two tensors."),
    _operation("normalisation", "elements that are normalised."),
    _operation("pooling", "elements that pooling windows and reductions read."),
    _bytes(
        "output_bytes", "output", lambda line: line.output_bytes,
        "Output: bytes of the outputs; a view of another tensor has none.",
    ),
    _bytes(
        "live_bytes", "live", lambda line: line.live_bytes,
        "Live: bytes of all tensors that are alive while the layer runs at inference, weights apart.",
    ),
    _bytes(
        "saved_bytes", "saved", lambda line: line.saved_bytes,
        "Saved: bytes that training keeps for the backward pass, each tensor at the first layer that keeps it.",
    ),
    Fact(
        "receptive_field", "receptive field", _field_words,
        lambda line, context: words.axes_data(line.fields, context.inputs, words.extent_data, "everything"),
        _field_amount, rank=5,
        meaning="Receptive field: input positions that one output position depends on, per axis, "
        "on an unbounded input{range}.",
    ),
    _axes(
        "start", "start", lambda part: part.start, words.start,
        "Start: the first input position that output position 0 depends on; below 0 it lies in the padding.",
    ),
    _axes(
        "jump", "jump", lambda part: words.number(part.jump), words.jump,
        "Jump: input positions per output position.",
    ),
    _axes(
        "phases", "phases", lambda part: part.phases, str,
        "Phases: output positions until the pattern of what they depend on repeats.",
    ),
    _text(
        "holes", "holes", lambda line: "yes" if _holes(line) else "", _holes,
        meaning="Holes: some positions within the receptive field are not read, as with dilation.",
    ),
    _text(
        "ratio", "data", lambda line: words.ratio(line.ratio),
        lambda line: None if line.ratio is None else words.real(line.ratio), rank=6,
        meaning="Data: numbers out ÷ numbers in; below 1 a layer condenses the data, above 1 it enriches it.",
    ),
    _known(
        "capacity", "capacity", lambda one: one.capacity,
        "Capacity: at most so many independent numbers about the input can be in the output, whatever the weights.",
    ),
    _known(
        "unread", "unread", lambda one: one.unread,
        "Unread: numbers of the output on which no output of the network depends.",
    ),
    _text(
        "dropped", "dropped", lambda line: ", ".join(map(str, line.information().dropped)),
        lambda line: ", ".join(map(str, line.information().dropped)) or None,
        meaning="Dropped: rows, columns, ... of its input that a layer never reads, as where sizes do not divide.",
    ),
    Fact(
        "discarded", "% discarded", lambda line, _: _discarded(line),
        lambda line, _: float(100 * line.information().discarded),
        lambda line: Amount(round(1e9 * line.information().discarded)),
        meaning="% discarded: of the numbers of its input, those that are not passed on, since only the largest of "
        "each window is.",
    ),
)  # fmt: skip
BY_KEY = {fact.key: fact for fact in FACTS}
USUAL: tuple[str, ...] = ("name", "kind", "output", "weights", "parameters", "macs", "receptive_field", "ratio")
GROUPS = {
    "all": tuple(BY_KEY),
    "usual": USUAL,
    "operations": OPERATIONS,
    "memory": ("output_bytes", "live_bytes", "saved_bytes"),
    "field": ("receptive_field", "start", "jump", "phases", "holes"),
    "information": ("ratio", "capacity", "unread", "dropped", "discarded"),
}
ALIASES = {
    "layer": "name", "type": "kind", "inputs": "input", "outputs": "output", "output_shape": "output",
    "params": "parameters", "mac": "macs", "data": "ratio", "normalization": "normalisation",
}  # fmt: skip
SORT_GROUPS = {"memory": "live_bytes", "field": "receptive_field", "information": "capacity"}
HINT = "layerscope trace --help lists them."


def _dtypes(line: Line) -> str:
    return ", ".join(dict.fromkeys(type.dtype for type in line.outputs))


def chosen(wish: str | Sequence[str] | None) -> list[Fact]:
    """The columns of a wish, the layer's name first; "+a,-b" changes the usual ones.

    Errors: UnknownNameError names the nearest; SettingError when the name is taken away.
    """
    if wish is None:
        return [BY_KEY[key] for key in USUAL]
    keys = list(USUAL) if _changes(wish) else ["name"]
    for item in _items(wish):
        found = _named(item.lstrip("+-").strip())
        if item[0] == "-":
            if "name" in found:
                raise SettingError("columns: the layer's name always stays; leave -name out")
            keys = [key for key in keys if key not in found]
        else:
            keys += [key for key in found if key not in keys]
    return [BY_KEY[key] for key in keys]


def named(wish: str | Sequence[str] | None) -> set[str]:
    """The columns that a wish asks for itself, which therefore do not give way."""
    return {fact.key for fact in chosen(wish)} - (set(USUAL) if _changes(wish) else set())


def _changes(wish: str | Sequence[str] | None) -> bool:
    return wish is None or _items(wish)[0][0] in "+-"


def _items(wish: str | Sequence[str]) -> list[str]:
    items = wish.split(",") if isinstance(wish, str) else list(wish)
    items = [str(item).strip() for item in items if str(item).strip(" +-")]
    if not items:
        raise SettingError(f"columns: {wish!r} names no column; try 'name,output,macs' or '+memory,-kind'")
    return items


def _named(name: str) -> tuple[str, ...]:
    key = name.lower().replace("-", "_").replace(" ", "_")
    key = ALIASES.get(key, key)
    if key in GROUPS:
        return GROUPS[key]
    if key not in BY_KEY:
        raise UnknownNameError("column", name, [*BY_KEY, *GROUPS, *ALIASES], HINT)
    return (key,)


def orders(facts: Sequence[Fact], line: Line) -> dict[str, float]:
    """The numbers by which a row stands in each column: amounts, numbers in a tensor, ratios."""
    found: dict[str, float] = {}
    for fact in facts:
        number: int | Fraction | None = None
        if fact.amount is not None:
            first, second = fact.amount(line).order
            number = first + Fraction(second, 2)
        elif fact.types is not None:
            number = sum((ordinal(type.elements) for type in fact.types(line)), 0)
        elif fact.key == "ratio":
            number = line.ratio
        if number is not None:
            found[fact.key] = float(words.real(Fraction(number)))
    return found


def sorting(name: str) -> Fact:
    """The column that rows are sorted by; UnknownNameError, SettingError where it holds no numbers."""
    numbers = [fact.key for fact in FACTS if fact.amount]
    key = name.strip().lower().replace("-", "_")
    key = SORT_GROUPS.get(key, ALIASES.get(key, key))
    if key not in BY_KEY:
        raise UnknownNameError("column to sort by", name, [*numbers, *SORT_GROUPS], HINT)
    if BY_KEY[key].amount is None:
        raise SettingError(f"rows cannot be sorted by {key}, which is no number; sort by one of {', '.join(numbers)}")
    return BY_KEY[key]
