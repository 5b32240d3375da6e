"""One line of text that is a network: "28x28x1 | conv 16 3 same relu | maxpool 2 | flatten | dense 10".

network := stage ("|" stage)*          a line break separates stages as well as "|" does
stage   := shape                       the first one: the sizes of one example, "28x28x1"
         | name word*                  a layer: its name in the text, or Keras's, in any case
         | [ network ] xN              the stages in brackets, N times
word    := number | AxB                fills the layer's next setting (filters, kernel_size, ...)
         | A,BxC,D                     begin and end of each axis: "crop 0,1x0,1", "zeropad 1,2x0,0"
         | same | valid | relu | ...   padding, activation, interpolation: known by the word itself
         | setting value               "stride 2", "dilation 2", "groups 4", "rate 0.3"
         | setting=value               any setting under Keras's name: strides=2x1, use_bias=no, name=code
         | nobias | as NAME            no bias; a name for the layer

`unpool` takes settings and switches from the last max pooling that is not yet undone, as brackets
close. Branches are for JSON and Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from layerscope.core import named, sketch
from layerscope.core.contract import OF_TRAINING, Layer
from layerscope.core.dataclasses import dataclass, fields
from layerscope.core.errors import LayerscopeError, ShapeError, TextError, UnknownNameError
from layerscope.core.graph import Graph, Symbolic, trace_calls
from layerscope.core.types import TensorType, show
from layerscope.layers import layer_class
from layerscope.layers._activation import KNOWN as ACTIVATIONS
from layerscope.layers._upsampling import INTERPOLATIONS

SUMMARY = "one line of text, such as '28x28x1 | conv 16 3 same relu | maxpool 2'"
SHAPE = re.compile(r"^(\d+|[a-z_]\w*)([x×*](\d+|[a-z_]\w*))*$", re.IGNORECASE)
ALONE = re.compile(r"^\s*\d+([x×*]\d+)*\s*($|[\n;])", re.IGNORECASE)
SHORT = {
    "stride": "strides",
    "dilation": "dilation_rate",
    "kernel": "kernel_size",
    "bias": "use_bias",
    "initializer": "kernel_initializer",
}
NOUNS = {"yes": True, "true": True, "no": False, "false": False, "none": None}
MOST_LAYERS = 10_000
MOST_BRACKETS = 50


def handles(what: object) -> bool:
    """Whether this is meant as a line of text: it has a "|", or is a shape and nothing else."""
    return isinstance(what, str) and (
        "|" in what or bool(re.match(r"^\s*\d+([x×*]\d+)*\s*($|[\n;])", what, re.IGNORECASE))
    )


@dataclass(frozen=True)
class Word:
    """A word and where it stands."""

    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


Stage = list[Word]


def read(text: str) -> Graph:
    """The network of one line; TextError points at the word that is wrong."""
    return _Reader(text).graph()


def sketched(text: str) -> Graph:
    """The network of one line, whether its sizes fit or not."""
    with sketch.sketching():
        return read(text)


@dataclass(frozen=True)
class Begun:
    """A text as far as it is a network: the words of each stage, brackets unrolled (none where these are wrong); the
    types behind the stages before the first that is wrong, and their network, one node a stage (None where they form
    none); what is wrong there.
    """

    stages: tuple[tuple[Word, ...], ...]
    types: tuple[TensorType, ...]
    graph: Graph | None
    error: LayerscopeError | None


def begin(text: str, most: int) -> Begun:
    """Read one line of at most so many layers, as far as it goes; no error is raised, but kept."""
    reader = _Reader(text)
    wrong = None
    try:
        graph = reader.graph(most)
    except LayerscopeError as error:
        graph, wrong = reader.so_far(), error
    types = tuple(tensor.type for tensor in reader.made)
    return Begun(tuple(map(tuple, reader.stages)), types, graph, wrong)


def _stages(text: str, most: int = MOST_LAYERS) -> list[Stage]:
    """The words of each stage, brackets unrolled."""
    tokens = [Word(m.group(), m.start()) for m in re.finditer(r"\||\n|;|\[|\]|[^\s|\[\];]+", text)]
    tokens = [Word("|", t.start) if t.text in "\n;" else t for t in tokens]
    stages, _ = _block(text, tokens, 0, 0, most)
    return stages


def _block(text: str, tokens: Sequence[Word], place: int, depth: int, most: int) -> tuple[list[Stage], int]:
    done: list[Stage] = []
    words: Stage = []
    while place < len(tokens):
        token = tokens[place]
        place += 1
        if token.text == "[":
            if words:
                raise TextError('a bracket starts a stage of its own; put "|" before it', text, token.start)
            if depth == MOST_BRACKETS:
                raise TextError(f"brackets within brackets, more than {MOST_BRACKETS} deep", text, token.start)
            inner, place = _block(text, tokens, place, depth + 1, most)
            times, place = _times(text, tokens, place, token)
            if len(done) + len(inner) * times > most:
                raise TextError(f"more than {most:,} layers", text, token.start)
            done += inner * times
        elif token.text == "]":
            if not depth:
                raise TextError("this bracket was never opened", text, token.start)
            return done + ([words] if words else []), place
        elif token.text == "|":
            if words:
                done.append(words)
            words = []
        else:
            words.append(token)
    if depth:
        raise TextError('a bracket "[" is not closed', text, len(text) - 1)
    return done + ([words] if words else []), place


def _times(text: str, tokens: Sequence[Word], place: int, opened: Word) -> tuple[int, int]:
    following = tokens[place].text if place < len(tokens) else ""
    match = re.fullmatch(r"[x×*](\d{1,5})", following, re.IGNORECASE)
    if not match or int(match[1]) < 1:
        where = tokens[place] if place < len(tokens) else opened
        raise TextError('after the brackets say how often, as in "[ conv 8 3 same ] x2"', text, where.start)
    return int(match[1]), place + 1


class _Reader:
    """Builds the graph stage by stage, keeping what an error message needs."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.stages: list[Stage] = []
        self.made: list[Symbolic] = []
        self.journey: list[str] = []
        self.pools: list[tuple[Layer, Symbolic]] = []

    def graph(self, most: int = MOST_LAYERS) -> Graph:
        stages = _stages(self.text, most)
        if not stages:
            raise TextError('the text is empty; a network looks like "28x28x1 | conv 16 3 | flatten | dense 10"')
        self.stages = stages
        self.made.append(self._input(stages[0]))
        for number, words in enumerate(stages[1:]):
            layer = self._layer(words, stages[number + 2 :])
            self.made.append(self._put(layer, self.made[-1], words))
        return trace_calls([self.made[0]], [self.made[-1]], "text")

    def so_far(self) -> Graph | None:
        """The network of the stages that were read; None where there is none."""
        try:
            return trace_calls([self.made[0]], [self.made[-1]], "text") if self.made else None
        except LayerscopeError:
            return None

    def _input(self, words: Stage) -> Symbolic:
        first = words[0]
        if not SHAPE.match(first.text) or (len(words) > 1 and words[1].text != "as"):
            raise TextError(
                'a network starts with the sizes of one example, as in "28x28x1 | ..."',
                self.text,
                first.start,
                len(first.text),
            )
        sizes = [int(s) if s.isdigit() else s for s in re.split("[x×*]", first.text.replace("X", "x"))]
        name = words[2].text if len(words) > 2 else None
        try:
            from layerscope.layers.input_layer import Input

            tensor = Input(sizes, name=name)
        except LayerscopeError as error:
            raise TextError(str(error), self.text, first.start, len(first.text)) from None
        self.journey.append(f"input {show(tensor.type.shape[1:])}")
        return tensor

    def _put(self, layer: Layer, tensor: Symbolic, words: Stage) -> Symbolic:
        start, length = words[0].start, words[-1].end - words[0].start
        try:
            if layer.kind == "MaxUnpooling2D":
                _, switches = self.pools.pop()
                made = layer(tensor, switches)
            else:
                made = layer(tensor)
        except ShapeError as error:
            path = " → ".join(self.journey)
            message = f"{error.message}\nThe data's journey so far: {path}"
            raise TextError(message, self.text, start, length).of(lambda: sketched(self.text)) from None
        if isinstance(made, tuple):
            made, switches = made
            self.pools.append((layer, switches))
        self.journey.append(f"{words[0].text} {show(made.type.shape[1:])}")
        return made

    def _layer(self, words: Stage, rest: Sequence[Stage]) -> Layer:
        head = words[0]
        if len(words) == 1 and head.text.lower() in ACTIVATIONS:
            words = [Word("activation", head.start), head]  # "| relu" says it all
        try:
            cls = layer_class(words[0].text)
        except UnknownNameError as error:
            raise TextError(str(error), self.text, head.start, len(head.text)) from None
        if cls.words is None:
            name = cls.__name__
            why = {
                "InputLayer": "stands first, as the sizes of one example",
                "Opaque": "is for JSON: its shapes must be stated",
            }.get(name, f"{_why_not_in_text(cls)}; use Python or JSON")
            raise TextError(
                f"{name} {why}",
                self.text,
                head.start,
                len(head.text),
            )
        settings = dict(self._settings(cls, words[1:]))
        if cls.__name__ == "MaxPooling2D" and _wants_switches(rest):
            settings["return_switches"] = True
        if cls.__name__ == "MaxUnpooling2D":
            if not self.pools:
                raise TextError(
                    "nothing to undo: each unpool needs a maxpool before it that is not undone yet",
                    self.text,
                    head.start,
                    len(head.text),
                )
            pool: Any = self.pools[-1][0]
            settings = {
                "pool_size": pool.pool_size,
                "strides": pool.strides,
                "padding": pool.padding,
            } | settings
        try:
            return cls(**settings)
        except (LayerscopeError, TypeError) as error:
            message = _missing(cls, settings) if isinstance(error, TypeError) else str(error)
            raise TextError(message, self.text, head.start, words[-1].end - head.start) from None

    def _settings(self, cls: type[Layer], words: Sequence[Word]) -> Iterator[tuple[str, Any]]:
        known = [f.name for f in fields(cls) if not f.name.endswith(OF_TRAINING)]
        places = list(cls.words.places if cls.words else ())
        queue = list(words)
        seen: set[str] = set()
        while queue:
            word = queue.pop(0)
            key, value = self._setting(cls, word, queue, known, places)
            if key in seen:
                raise TextError(f"{cls.__name__} is told its {key} twice", self.text, word.start, len(word.text))
            seen.add(key)
            if key in places:
                places.remove(key)
            yield key, value

    def _setting(
        self, cls: type[Layer], word: Word, queue: list[Word], known: list[str], places: list[str]
    ) -> tuple[str, Any]:
        text = word.text.lower()
        name, equals, value = word.text.partition("=")
        name = SHORT.get(name.lower(), name.lower())
        if equals and value and named.kind_of(name) and name in {f.name for f in fields(cls)}:
            return name, self._named(cls, word, name, value)
        if equals and value and name in known:
            return name, _value(value, name)
        if text == "nobias" and "use_bias" in known:
            return "use_bias", False
        if text == "as" and not queue:
            raise TextError("'as' needs a name after it", self.text, word.start, len(word.text))
        if text == "as":
            return "name", queue.pop(0).text
        if name in known and not equals and queue and name not in _by_word(cls, text):
            after = queue.pop(0)
            whole = named.kind_of(name)
            return name, self._named(cls, after, name, after.text) if whole else _value(after.text, name)
        for key in _by_word(cls, text):
            if key in known:
                return key, text
        number = _number(text)
        if number is not None and places:
            return places[0], number
        self._refuse(cls, word, known, places, number)
        raise AssertionError

    def _named(self, cls: type[Layer], word: Word, name: str, value: str) -> Any:
        """An initializer, regularizer or constraint, by its name or with settings."""
        try:
            made = None if value.lower() == "none" else named.from_text(value, named.kind_of(name))
            named.check(name, made, cls.__name__)
            return made
        except LayerscopeError as error:
            raise TextError(str(error), self.text, word.start, len(word.text)) from None

    def _refuse(self, cls: type[Layer], word: Word, known: list[str], places: list[str], number: Any) -> None:
        if number is not None:
            listed = " and ".join(cls.words.places) if cls.words and cls.words.places else "no numbers"
            message = f"{cls.__name__} takes {listed} as bare words; what is {word.text!r}?"
        elif word.text.lower() in known or SHORT.get(word.text.lower()) in known:
            message = f"{word.text!r} needs a value after it"
        else:
            vocabulary = [*known, *SHORT, "same", "valid", *ACTIVATIONS, "nobias", "as"]
            fits = [w for w in vocabulary if w in known or SHORT.get(w) in known or _fits(cls, w, known)]
            message = str(UnknownNameError(f"setting of {cls.__name__}", word.text, fits))
        raise TextError(message, self.text, word.start, len(word.text))


def _why_not_in_text(cls: type[Layer]) -> str:
    if {f.name for f in fields(cls)} & {"layer", "layers", "cell", "cells"}:
        return "holds other layers, which one line cannot say"
    if len(cls.examples()[0].inputs) > 1:
        return "joins several tensors, which one line cannot say"
    return "has no word in one line of text"


def _fits(cls: type[Layer], word: str, known: list[str]) -> bool:
    return word == "as" or (word == "nobias" and "use_bias" in known) or bool(set(_by_word(cls, word)) & set(known))


def _by_word(cls: type[Layer], text: str) -> list[str]:
    """The settings that a word stands for by itself."""
    if text in ("same", "valid", "causal"):
        return ["padding"] if not cls.__name__.startswith("ZeroPadding") else []
    if text in ACTIVATIONS:
        return ["activation"]
    return ["interpolation"] if text in INTERPOLATIONS else []


def _wants_switches(rest: Sequence[Stage]) -> bool:
    """Whether a later unpool closes this pool, as brackets close."""
    depth = 0
    for words in rest:
        try:
            kind = layer_class(words[0].text).__name__
        except UnknownNameError:
            return False
        if kind == "MaxUnpooling2D":
            if depth == 0:
                return True
            depth -= 1
        elif kind == "MaxPooling2D":
            depth += 1
    return False


def _number(text: str) -> Any:
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if re.fullmatch(r"-?\d*\.\d+", text):
        return float(text)
    if re.fullmatch(r"\d+,\d+([x×]\d+,\d+)+", text):  # begin and end of each axis
        return tuple(tuple(map(int, ends.split(","))) for ends in re.split("[x×]", text))
    if re.fullmatch(r"-?\d+([x×,]-?\d+)+|\d+,", text):
        return tuple(int(part) for part in re.split("[x×,]", text) if part)
    return None


def _value(text: str, name: str) -> Any:
    if name == "name":
        return text
    number = _number(text)
    if number is not None:
        return number
    return NOUNS.get(text.lower(), text)


def _missing(cls: type[Layer], settings: dict[str, Any]) -> str:
    from layerscope.core.dataclasses import MISSING

    needed = [f.name for f in fields(cls) if f.default is MISSING and f.name not in settings]
    usage = " ".join([cls.words.names[0], *(p.upper() for p in cls.words.places)]) if cls.words else ""
    return f"{cls.__name__} needs {' and '.join(needed)}: {usage}"
