"""Products of matrices and convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.operators.convolution import Convolution, TransposedConvolution
from layerscope.operators.products import Einsum, GroupedProduct, MatrixProduct
from layerscope.sources._torch.live.rules import rule, stands
from layerscope.sources._torch.live.site import Refused, Site


def each(value: Any, rank: int) -> tuple[int, ...]:
    """One number for each of so many axes, where one may stand for all."""
    parts = tuple(value) if isinstance(value, tuple | list) else (value,)
    return tuple(map(int, parts * rank if len(parts) == 1 else parts))


@rule("linear")
def linear(site: Site, input: Any, weight: Any, bias: Any = None) -> Any:
    """x·Wᵀ + b."""
    return site.emit(MatrixProduct, "Gemm", (input, weight, bias), bias=2, transpose_right=True)


@rule("matmul", "mm", "bmm", "mv", "dot", "vdot", "inner_product", "_int_mm")
def matmul(site: Site, input: Any, other: Any, *_: Any, **told: Any) -> Any:
    """A·B."""
    return site.emit(MatrixProduct, "MatMul", (input, other), dtype=site.out.dtype)


@rule("rmatmul")
def rmatmul(site: Site, input: Any, other: Any) -> Any:
    """B·A."""
    return matmul(site, other, input)


@rule("addmm", "baddbmm", "addmv")
def addmm(site: Site, input: Any, left: Any, right: Any, *, beta: Any = 1, alpha: Any = 1, **_: Any) -> Any:
    """βC + αA·B."""
    return site.emit(MatrixProduct, "Gemm", (left, right, input if beta else None), bias=2)


@rule("addbmm")
def addbmm(site: Site, input: Any, left: Any, right: Any, *, beta: Any = 1, **_: Any) -> Any:
    """βC + α(the sum over the batch of A·B)."""
    made = site.emit(Einsum, "Einsum", (left, right), "bij,bjk->ik")
    return _plus(site, made[0], input) if beta else made


@rule("chain_matmul", "linalg_multi_dot", "multi_dot")
def chain(site: Site, *_: Any) -> Any:
    """What they call is described: the order is PyTorch's choice."""
    raise Refused("its order is chosen inside")


@rule("einsum")
def einsum(site: Site, equation: Any, *operands: Any) -> Any:
    """Two operands at once; of more, PyTorch chooses an order, and its products are described."""
    given: Sequence[Any] = operands[0] if len(operands) == 1 and isinstance(operands[0], tuple | list) else operands
    if not isinstance(equation, str) or len(given) > 2:
        raise Refused("its products are described one by one")
    return site.emit(Einsum, "Einsum", list(given), equation.replace(" ", ""))


@rule("conv1d", "conv2d", "conv3d")
def convolution(
    site: Site, input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Any:  # fmt: skip
    """A convolution; "same" pads the odd cell at the end."""
    rank = weight.dim() - 2
    spread = each(dilation, rank)
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(spread, weight.shape[2:], strict=True)]
        pads = (*(n // 2 for n in total), *(n - n // 2 for n in total))
    else:
        pads = each(0 if padding == "valid" else padding, rank) * 2
    if input.dim() != rank + 2:
        raise Refused("without a batch it is described by what it calls")
    return site.emit(
        Convolution, "Conv", (input, weight, bias), strides=each(stride, rank), pads=pads, dilations=spread,
        group=int(groups),
    )  # fmt: skip


@rule("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def transposed(
    site: Site, input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    """The adjoint of a convolution."""
    rank = weight.dim() - 2
    return site.emit(
        TransposedConvolution, "ConvTranspose", (input, weight, bias), strides=each(stride, rank),
        pads=each(padding, rank) * 2, dilations=each(dilation, rank), group=int(groups),
        output_padding=each(output_padding, rank),
    )  # fmt: skip


@rule("convolution", "_convolution", "convolution_overrideable", "cudnn_convolution")
def general(
    site: Site, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed_: bool,
    output_padding: Any, groups: int, *_: Any,
) -> Any:  # fmt: skip
    """ATen's own, of both kinds."""
    if transposed_:
        return transposed(site, input, weight, bias, stride, padding, output_padding, groups, dilation)
    return convolution(site, input, weight, bias, stride, padding, dilation, groups)


@rule("grouped_mm", "_grouped_mm")
def grouped(site: Site, rows: Any, matrices: Any, *args: Any, **kwargs: Any) -> Any:
    """Rows in groups, each times its own matrix."""
    ends = kwargs.get("offs", args[0] if args else None)
    if rows.dim() != 2 or matrices.dim() != 3:
        raise Refused("its groups are of another kind")
    return site.emit(GroupedProduct, "GroupedProduct", (rows, matrices, ends))


@stands("grouped_mm", "_grouped_mm")
def grouped_out(rows: Any, matrices: Any, *_: Any, **__: Any) -> Any:
    """What it makes, where PyTorch has no word on it for other dtypes than bfloat16."""
    return rows.new_empty((rows.shape[0], matrices.shape[-1])) if rows.dim() == 2 and matrices.dim() == 3 else None


@rule("bilinear")
def bilinear(site: Site, left: Any, right: Any, weight: Any, bias: Any = None) -> Any:
    """xᵀ·W·y for each output: the products with W, and then those with y."""
    letters = "abcdefgh"[: left.dim() - 1]
    (once,) = site.emit(Einsum, "Einsum", (left, weight), f"{letters}i,oij->{letters}oj")
    made = site.emit(Einsum, "Einsum", (once, right), f"{letters}oj,{letters}j->{letters}o")
    return made if bias is None else _plus(site, made[0], bias)


def _plus(site: Site, one: Any, other: Any) -> Any:
    from layerscope.sources._torch.live.rules.pointwise import plain

    return plain(site, (one, other), "nothing", name="add")


__all__ = ["each"]
