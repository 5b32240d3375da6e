"""What a user says of the inputs of a module: sizes with the batch, dtypes, tensors; and other values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.dataclasses import dataclass, replace
from layerscope.core.errors import SourceError

FORMS = (
    "input must say the sizes of what forward takes, batch and all: (1, 3, 224, 224), or ((1, 128), 'int64') with a "
    "dtype, or a tensor of such sizes; several as a list, or by their names as a dictionary"
)


@dataclass(frozen=True)
class Wanted:
    """A tensor to be handed in: its sizes, of which None is an open batch, and its dtype ("": the module's own)."""

    shape: tuple[int | None, ...]
    dtype: str = ""


@dataclass(frozen=True)
class Asked:
    """All arguments of one call, with a `Wanted` in the place of each tensor."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def mapped(self, change: Callable[[Wanted], Any]) -> Asked:
        """Each tensor changed."""
        return Asked(_mapped(self.args, change), _mapped(self.kwargs, change))

    @property
    def tensors(self) -> list[Wanted]:
        """All tensors, in order."""
        found: list[Wanted] = []
        self.mapped(lambda one: found.append(one) or one)
        return found

    @property
    def open(self) -> bool:
        """Whether the batch is open."""
        return any(None in one.shape for one in self.tensors)

    def batched(self, batch: int) -> Asked:
        """With this number as the first size of each tensor that has one."""
        return self.mapped(lambda one: replace(one, shape=(batch, *one.shape[1:])) if one.shape else one)

    def filled(self, batch: int) -> Asked:
        """With this number in the place of an open batch."""
        return self.mapped(lambda one: replace(one, shape=tuple(batch if n is None else n for n in one.shape)))

    def __str__(self) -> str:
        """As a message says it: "(1, 3, 224, 224) and (1, 128) int64"."""
        said = [f"{_shown(one.shape)}{f' {one.dtype}' if one.dtype else ''}" for one in self.tensors]
        return " and ".join(said) or "no tensors"


def _shown(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _mapped(value: Any, change: Callable[[Wanted], Any]) -> Any:
    if isinstance(value, Wanted):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _mapped(part, change) for key, part in value.items()}
    if type(value) in (tuple, list):
        return type(value)(_mapped(part, change) for part in value)
    return value


def asked(input: Any) -> Asked:
    """What `input` says. SourceError where it says nothing of the kind."""
    if input is None:
        raise SourceError(FORMS + "; say ls.trace(module, input=(1, 3, 224, 224))")
    if isinstance(input, Mapping):
        kwargs = {str(name): _part(part, f"input {str(name)!r}") for name, part in input.items()}
        return _checked(Asked((), kwargs))
    whole = _tensor(input, "input")
    if whole is not None:
        return _checked(Asked((whole,), {}))
    if not isinstance(input, tuple | list) or not input:
        raise SourceError(f"{FORMS}, not {input!r}")
    return _checked(Asked(tuple(_part(part, f"input {number}") for number, part in enumerate(input)), {}))


def _checked(found: Asked) -> Asked:
    for one in found.tensors:
        if None in one.shape[1:]:
            raise SourceError(f"input: only the first size can be open, the batch, not those of {_shown(one.shape)}")
    return found


def _part(value: Any, where: str) -> Any:
    """A tensor, a list or dictionary of arguments, or the value itself."""
    found = _tensor(value, where)
    if found is not None:
        return found
    if isinstance(value, Mapping):
        return {key: _part(part, f"{where}, {key!r}") for key, part in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_part(part, where) for part in value) if type(value) in (tuple, list) else value
    return value


def _tensor(value: Any, where: str) -> Wanted | None:
    """The tensor that a value describes, if it does: sizes, sizes with a dtype, or what has a shape and a dtype."""
    if isinstance(value, Wanted):
        return value
    if hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, type):
        return Wanted(tuple(value.shape), dtype_name(value.dtype))
    if not isinstance(value, tuple | list):
        return None
    if len(value) == 2 and isinstance(value[0], tuple | list) and _is_dtype(value[1]):
        return Wanted(_sizes(value[0], where), dtype_name(value[1]))
    if value and all(part is None or (isinstance(part, int) and not isinstance(part, bool)) for part in value):
        return Wanted(_sizes(value, where)) if any(part is not None for part in value) else None
    return None


def _is_dtype(value: Any) -> bool:
    return isinstance(value, str) or str(value).startswith("torch.") or (isinstance(value, type) and value in NATIVE)


NATIVE: dict[Any, str] = {int: "int64", float: "float32", bool: "bool"}


def dtype_name(value: Any) -> str:
    """int64 of torch.int64, numpy.int64 or "int64"."""
    if isinstance(value, type) and value in NATIVE:
        return NATIVE[value]
    return str(getattr(value, "__name__", value)).removeprefix("torch.")


def _sizes(shape: Sequence[Any], where: str) -> tuple[int | None, ...]:
    told = tuple(shape)
    return tuple(None if n is None else sizes.checked(n, f"{where}: a size of {_shown(told)}") for n in told)
