"""Views, and operators that work number by number, run on PyTorch's meta tensors as they are.

What these make of tensors of one device is known without `FakeTensorMode`, which takes longer, and whose tensors have
PyTorch import its distributed tensors and sympy as soon as one of these operators is written in Python. Whatever
fails here is asked of `FakeTensorMode`, which says why.
"""

from __future__ import annotations

from typing import Any

ALSO = {
    "aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::_softmax", "aten::_unsafe_view", "aten::clone",
    "aten::native_layer_norm",
}  # fmt: skip
ROUNDED = ("aten::native_layer_norm",)
"""Whose other outputs have another dtype on some devices where the first has fewer than 32 bits."""
SETTINGS = {"alpha", "beta", "approximate", "rounding_mode", "memory_format"}
"""What such an operator may be told by name."""


class Plain:
    """Runs such operators on tensors of `mode`; `fakes` is the module that has their class."""

    def __init__(self, torch: Any, fakes: Any, mode: Any) -> None:
        self.torch, self.fake, self.mode = torch, fakes.FakeTensor, mode
        self.quiet: Any = torch._C._DisableTorchDispatch
        self.known: dict[Any, bool] = {}

    def run(self, function: Any, args: Any, kwargs: Any) -> Any:
        """What the operator makes; None where it is not one of these, or fails."""
        if function not in self.known:
            self.known[function] = self._one(function)
        if not self.known[function] or kwargs.keys() - SETTINGS:
            return None
        tensors = [one for one in args if isinstance(one, self.torch.Tensor)]
        if not tensors or not self._alike(tensors):
            return None
        if function._schema.name in ROUNDED and tensors[0].dtype.itemsize < 4:
            return None
        try:
            with self.quiet():
                metas = {id(one): self._meta(one) for one in tensors}
                made = function(*(metas.get(id(one), one) for one in args), **kwargs)
                return self._stand_in(made, args[0], metas[id(tensors[0])])
        except Exception:  # whatever PyTorch raises
            return None

    def _one(self, function: Any) -> bool:
        """Whether the operator is one of these: what changes the sizes of a tensor in place is none."""
        tags = self.torch.Tag
        if function.namespace != "aten" or tags.inplace_view in function.tags:
            return False
        return function.is_view or tags.pointwise in function.tags or function._schema.name in ALSO

    def _alike(self, tensors: list[Any]) -> bool:
        """Whether all are tensors without numbers on one device, real and strided."""
        return all(
            type(one) is self.fake and one.constant is None and one.fake_device == tensors[0].fake_device
            and one.layout == self.torch.strided and not one.is_complex()
            for one in tensors
        )  # fmt: skip

    def _meta(self, one: Any) -> Any:
        """A meta tensor in the same memory."""
        empty = self.torch.empty(0, dtype=one.dtype, device="meta")
        return empty.set_(one.untyped_storage(), one.storage_offset(), one.shape, one.stride())

    def _stand_in(self, made: Any, first: Any, meta: Any) -> Any:
        if made is meta:  # it works in place
            return first
        if isinstance(made, list | tuple):
            return type(made)(self._stand_in(one, first, meta) for one in made)
        return self.fake(self.mode, made, first.fake_device) if type(made) is self.torch.Tensor else None
