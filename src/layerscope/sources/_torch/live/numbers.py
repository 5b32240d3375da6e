"""The numbers of small tensors that depend on no data: lists of indices, masks, and what is made of them.

All else is followed without numbers. Of these an operator of ATen runs once more on the real ones, aside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = 1024
"""Elements of a tensor whose numbers are kept."""
FROM_NOTHING = {"arange", "full", "zeros", "ones", "eye", "tril_indices", "triu_indices", "linspace", "scalar_tensor"}
"""Operators of ATen that make the same numbers of no tensors whenever they run."""
IN_NAME_ONLY = {"detach_"}
"""Operators that work in place and change no number."""
BY_INDEX = {"index", "_unsafe_index"}


class Numbers:
    """Real tensors by the tensors without numbers that stand for them. `mode` makes those."""

    def __init__(self, torch: Any, mode: Any) -> None:
        self.torch, self.mode = torch, mode
        self.known: dict[int, tuple[Any, Any]] = {}
        self.aside: Any = torch.utils._python_dispatch._disable_current_modes

    def keep(self, real: Any, fake: Any) -> None:
        """What a buffer or constant has, unless it is large, learned, or floating."""
        small = real.numel() <= MOST and real.layout == self.torch.strided and real.device.type == "cpu"
        if small and not isinstance(real, self.torch.nn.Parameter) and not real.requires_grad:
            self.known[id(fake)] = (fake, real)

    def indices(self, tensor: Any) -> tuple[int, ...] | None:
        """The whole numbers of a list; None where it is no list, or nobody knows them."""
        real = self._real(tensor)
        whole = real is not None and not (real.is_floating_point() or real.is_complex())
        if real is None or not whole or real.dim() != 1 or real.dtype in (self.torch.bool, self.torch.uint8):
            return None
        with self.aside():
            return tuple(map(int, real.tolist()))

    def chosen(self, function: Any, args: Any) -> Any:
        """The arguments of an operator, with indices in the place of a mask whose numbers are known: without them
        nobody would know how many elements it chooses.
        """
        name = function._schema.name.partition("::")[2]
        if name not in BY_INDEX or len(args) < 2:
            return args
        found: list[Any] = []
        for one in args[1]:
            real = None if one is None or one.dtype not in (self.torch.bool, self.torch.uint8) else self._real(one)
            found += [one] if real is None else self._places(real)
        return (args[0], found, *args[2:])

    def _places(self, mask: Any) -> list[Any]:
        """Where a mask is on, as a list of indices for each of its axes."""
        with self.aside():
            reals = [one.clone() for one in mask.nonzero().unbind(1)]
        fakes = [self.mode.from_tensor(one) for one in reals]
        for real, fake in zip(reals, fakes, strict=True):
            self.keep(real, fake)
        return fakes

    def _real(self, tensor: Any) -> Any:
        if id(tensor) in self.known:
            return self.known[id(tensor)][1]
        plain = type(tensor) is self.torch.Tensor and tensor.numel() <= MOST and tensor.device.type == "cpu"
        return tensor if plain and tensor.layout == self.torch.strided else None

    def note(self, function: Any, args: Any, kwargs: Any, made: Any) -> None:
        """An operator of ATen made these: of known numbers known numbers."""
        given = [one for one in leaves((args, kwargs)) if isinstance(one, self.torch.Tensor)]
        name, tags = function._schema.name.partition("::")[2], function.tags
        if function._schema.is_mutable:
            if name not in IN_NAME_ONLY:
                self._forget(given)
            return
        reals = {id(one): self._real(one) for one in given}
        if any(one is None for one in reals.values()):
            return
        if (not given and name not in FROM_NOTHING) or self.torch.Tag.nondeterministic_seeded in tags:
            return
        fakes = [one for one in leaves(made) if isinstance(one, self.torch.Tensor)]
        if not fakes or any(one.numel() > MOST for one in fakes):
            return
        told = {key: self.torch.device("cpu") if key == "device" else part for key, part in kwargs.items()}
        try:
            with self.aside(), self.torch._C.DisableTorchFunction():
                again = function(*_put(args, reals), **_put(told, reals))
        except Exception:  # whatever PyTorch raises: then nobody knows them
            return
        for real, fake in zip(
            (one for one in leaves(again) if isinstance(one, self.torch.Tensor)), fakes, strict=True
        ):
            self.keep(real, fake)

    def _forget(self, changed: list[Any]) -> None:
        """What is changed in place, and all that lies in the same memory."""
        if not any(id(one) in self.known for one in changed):
            return
        memory = {one.untyped_storage()._cdata for one in changed}
        for key, (fake, _) in list(self.known.items()):
            if fake.untyped_storage()._cdata in memory:
                del self.known[key]


def leaves(value: Any) -> list[Any]:
    """What stands in nested lists, tuples and dictionaries."""
    if isinstance(value, Mapping):
        return [leaf for part in value.values() for leaf in leaves(part)]
    if isinstance(value, tuple | list):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def _put(value: Any, reals: dict[int, Any]) -> Any:
    """Arguments with the real tensors in the place of those that stand for them."""
    if isinstance(value, Mapping):
        return {key: _put(part, reals) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_put(part, reals) for part in value)
    return reals.get(id(value), value)
