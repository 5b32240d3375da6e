"""Layers that turn entries into numbers of a vocabulary or of bins, and these into vectors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar, cast

from layerscope.core import sizes
from layerscope.core.contract import Layer
from layerscope.core.costs import NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError
from layerscope.core.reach import EVERYTHING, Everything, Reads, Relation, Window
from layerscope.core.types import Shape, TensorType
from layerscope.layers._spatial import one_input

OLD = {"binary": "multi_hot", "tf-idf": "tf_idf"}
"""Keras's earlier names of output modes."""


def encoded(shape: Shape, mode: str, depth: int) -> Shape:
    """The shape of the vectors of entries of this shape, as Keras 3 computes them.

    one_hot: one vector for each entry; a last axis of size 1 is replaced. multi_hot, count, tf_idf: the entries along
    axis 1 share a vector (all of a one-axis tensor do).
    """
    if mode == "one_hot":
        return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape), depth)
    return (*shape[:1], *shape[2:], depth) if len(shape) > 1 else (depth,)


def encoded_reads(shape: Shape, mode: str) -> Reads:
    """How the entries are read by the vectors."""
    rank = len(shape)
    if mode == "one_hot":
        kept = len(shape) - (rank > 1 and shape[-1] == 1)
        return tuple(Window(axis) if axis < kept else EVERYTHING for axis in range(rank))
    if rank == 1:
        return (EVERYTHING,)
    middle: tuple[Relation | Everything, ...] = tuple(Window(axis - 1) for axis in range(2, rank))
    return (Window(0), EVERYTHING, *middle)


@dataclass(frozen=True, eq=False)
class Encoding(Layer):
    """Base: whole numbers, or vectors of `depth` numbers, of the entries of the input."""

    executable = False
    modes: ClassVar[tuple[str, ...]] = ("int", "one_hot", "multi_hot", "count")

    def check_mode(self) -> None:
        """SettingError for an output_mode that there is not."""
        told = getattr(self, "output_mode")  # noqa: B009
        mode = OLD.get(told, told)
        if mode not in self.modes:
            raise SettingError(f"{self.kind}: output_mode must be one of {', '.join(self.modes)}, not {told!r}")
        object.__setattr__(self, "output_mode", mode)
        if getattr(self, "sparse", False) and mode == "int":
            raise SettingError(f"{self.kind}: sparse=True is for vectors, not for output_mode='int'")

    @property
    def mode(self) -> str:
        """How it puts entries."""
        return str(getattr(self, "output_mode"))  # noqa: B009

    @property
    def depth(self) -> int:
        """The size of a vector."""
        raise NotImplementedError

    @property
    def whole(self) -> str:
        """The dtype of whole numbers."""
        return "int64"

    def entries(self, types: Sequence[TensorType]) -> TensorType:
        """The type of the entries."""
        return one_input(types)

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = self.entries(types)
        if self.mode == "int":
            return (TensorType(x.shape, self.whole),)
        return (TensorType(encoded(x.shape, self.mode, self.depth)),)

    def operations(self, *types: TensorType) -> Operations | None:
        """One pointwise result an entry: its number is looked up, compared or hashed."""
        return Operations(pointwise=self.entries(types).elements)

    def saved(self, *types: TensorType) -> Saved | None:
        """Nothing: no gradient goes back to entries."""
        return NOTHING_SAVED

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        x = self.entries(types)
        if self.mode == "int":
            return (tuple(map(Window, range(x.rank))),) * len(types)
        return (encoded_reads(x.shape, self.mode),) * len(types)


@dataclass(frozen=True, eq=False)
class Lookup(Encoding):
    """Base of the layers with a vocabulary."""

    modes = ("int", "one_hot", "multi_hot", "count", "tf_idf")

    def check_vocabulary(self) -> None:
        """SettingError for settings that contradict each other; the vocabulary is kept as a tuple."""
        layer: Any = self
        for name, least in (("max_tokens", 2), ("vocabulary_size", 1)):
            if getattr(layer, name) is not None:
                size = sizes.checked(getattr(layer, name), f"{self.kind}: {name}", least)
                object.__setattr__(self, name, size)
        if layer.pad_to_max_tokens and layer.max_tokens is None:
            raise SettingError(f"{self.kind}: pad_to_max_tokens=True needs max_tokens")
        if getattr(layer, "invert", False) and self.mode != "int":
            raise SettingError(f"{self.kind}: invert=True needs output_mode='int', not {self.mode!r}")
        if layer.idf_weights is not None and self.mode != "tf_idf":
            raise SettingError(f"{self.kind}: idf_weights are for output_mode='tf_idf', not {self.mode!r}")
        given = layer.vocabulary
        if given is not None and not isinstance(given, str):
            if not isinstance(given, Sequence) or not given:
                raise SettingError(f"{self.kind}: vocabulary must be a list that is not empty, not {given!r}")
            object.__setattr__(self, "vocabulary", tuple(cast(Sequence[Any], given)))

    @property
    def special(self) -> tuple[Any, ...]:
        """Entries in front of the vocabulary in vectors: those for unknown tokens. The mask has one in "int" only."""
        layer: Any = self
        return (layer.oov_token,) * layer.num_oov_indices

    @property
    def depth(self) -> int:
        """max_tokens where vectors are padded to it; else the size of the vocabulary with its special entries."""
        layer: Any = self
        if layer.pad_to_max_tokens:
            return layer.max_tokens
        if layer.vocabulary_size is not None:
            return layer.vocabulary_size
        words: Any = layer.vocabulary
        if isinstance(words, tuple):
            words, special = cast(tuple[Any, ...], words), self.special
            listed = words[: len(special)] == special
            return len(words) + (0 if listed else len(special))
        raise SettingError(
            f"{self.kind}: the size of its vocabulary is not known, so neither is that of its vectors; give "
            "vocabulary=[...], vocabulary_size=N, or max_tokens=N with pad_to_max_tokens=True"
        )

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        (y,) = super().out(*types)
        return (TensorType(y.shape, "string") if getattr(self, "invert", False) else y,)

    def operations(self, *types: TensorType) -> Operations | None:
        """One pointwise result an entry (it is looked up); tf_idf: also one a number of the vectors (its weight)."""
        weighted = self.out(*types)[0].elements if self.mode == "tf_idf" else 0
        return Operations(pointwise=self.entries(types).elements + weighted)


def open_size(layer: Layer, stem: str) -> sizes.Expression:
    """A size that depends on data, named after the layer where that has a name."""
    prefix = re.sub(r"\W", "_", f"{layer.name}_") if layer.name else ""
    return sizes.named(prefix + stem)
