"""Elements picked by index, or put at one; and tensors that depend on no data."""

from __future__ import annotations

from typing import Any

from layerscope.core.types import TensorType
from layerscope.operators.gathering import Gather, GatherElements, OneHot, Scatter, TopK
from layerscope.operators.moved import Moved
from layerscope.operators.pointwise import Pointwise
from layerscope.operators.reductions import Reduction
from layerscope.operators.stretching import Selection
from layerscope.sources._torch.live.rules import moved, rule
from layerscope.sources._torch.live.site import Refused, Site, Value, type_of


@rule("embedding")
def embedding(site: Site, input: Any, weight: Any, *_: Any, **__: Any) -> Any:
    """Rows of a table."""
    table, indices = (weight, input) if site.python else (input, weight)
    return site.emit(Gather, "Gather", (table, indices), 0)


@rule("embedding_bag", "_embedding_bag", "_embedding_bag_forward_only")
def embedding_bag(site: Site, input: Any, weight: Any, *_: Any, **__: Any) -> Any:
    """Rows of a table, and the sum or the mean of each bag."""
    table, indices = (weight, input) if site.python else (input, weight)
    if indices.dim() == 1:  # how long each bag is, the data say; all rows are read once
        shape = (*type_of(indices).shape, *type_of(table).shape[1:])
        (rows,) = site.emit(Gather, "Gather", (table, indices), 0, called="embedding")
        if rows.type.shape != shape:
            raise Refused("its table is no matrix")
        (made,) = site.emit(Reduction, "ReduceSum", (rows,), (0,))
        bags = int(str(site.out.shape[0]))
        return site.emit(Moved, "Bags", (made,), (site.out,), called="bags") if bags != 1 else made
    (rows,) = site.emit(Gather, "Gather", (table, indices), 0, called="embedding")
    return site.emit(Reduction, "ReduceMean", (rows,), (1,), False)


@rule("index_select")
def index_select(site: Site, input: Any, dim: int, index: Any) -> Any:
    """Slices by index."""
    return _gathered(site, input, int(dim), index)


def _gathered(site: Site, input: Any, axis: int, index: Any) -> Any:
    """Slices by a tensor of indices, whose numbers are told where they are known and choose of what was computed."""
    indices = None if site.value(input).record is None else site.capture.numbers.indices(index)
    return site.emit(Gather, "Gather", (input, index), axis, indices=indices)


@rule("gather")
def gather(site: Site, input: Any, dim: int, index: Any, **_: Any) -> Any:
    """One element for each index."""
    return site.emit(GatherElements, "GatherElements", (input, index), int(dim))


@rule("index", "_unsafe_index")
def index(site: Site, input: Any, indices: Any) -> Any:
    """Elements by tensors of indices."""
    given = [one for one in indices if one is not None]
    if len(given) == 1 and type_of(given[0]).dtype not in ("bool", "uint8"):
        axis = next(axis for axis, one in enumerate(indices) if one is not None)
        return _gathered(site, input, axis, given[0])
    return _selected(site, [input, *given])


@rule("take")
def take(site: Site, input: Any, index: Any) -> Any:
    """Elements of the flat tensor."""
    return _selected(site, [input, index])


def _selected(site: Site, operands: list[Any]) -> Any:
    shapes, dtypes = tuple(one.shape for one in site.types), tuple(one.dtype for one in site.types)
    return site.emit(Selection, "Selection", operands, shapes, dtypes)


@rule("scatter", "index_copy", "masked_scatter", "index_put", "_index_put_impl", "select_scatter", "slice_scatter",
      "diagonal_scatter", "_unsafe_index_put", "index_fill")  # fmt: skip
def scatter(site: Site, input: Any, *args: Any, **kwargs: Any) -> Any:
    """Updates put at indices."""
    given = [one for part in args for one in (part if isinstance(part, tuple | list) else (part,))]
    tensors = [one for one in given if isinstance(one, site.capture.torch.Tensor)]
    added = kwargs.get("reduce") is not None or kwargs.get("accumulate") or (args and args[-1] is True)
    if added and tensors:
        operands = [input, *tensors[:-1], tensors[-1]]
        return site.emit(Scatter, "Scatter", operands, "add", len(operands) - 1)
    return site.emit(Scatter, "Scatter", [input, *tensors])


@rule("scatter_add", "index_add", "scatter_reduce")
def scatter_add(site: Site, input: Any, dim: Any, index: Any, source: Any, *_: Any, **__: Any) -> Any:
    """Updates added at indices."""
    return site.emit(Scatter, "Scatter", (input, index, source), "add", 2)


@rule("one_hot")
def one_hot(site: Site, input: Any, num_classes: int = -1) -> Any:
    """Each index as so many numbers."""
    two = Value(TensorType((2,), site.out.dtype))
    return site.emit(OneHot, "OneHot", (input, None, two), site.out.shape[-1])


@rule("topk", "kthvalue")
def topk(site: Site, input: Any, k: int, dim: int = -1, *_: Any, **__: Any) -> Any:
    """The largest, and where they are."""
    if site.name == "kthvalue":
        return _ranked(site, input)
    return site.emit(TopK, "TopK", (input,), int(k), int(dim), results=min(len(site.made), 2))


@rule("sort", "argsort", "median", "nanmedian", "mode", "unique_dim", "searchsorted", "bucketize", "msort")
def _ranked(site: Site, input: Any, *args: Any, **__: Any) -> Any:
    """What compares elements: how often depends on the algorithm."""
    given = [one for one in args if isinstance(one, site.capture.torch.Tensor)]
    shapes, dtypes = tuple(one.shape for one in site.types), tuple(one.dtype for one in site.types)
    return site.emit(Selection, site.name, [input, *given], shapes, dtypes, described=False)


@rule(
    "empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like", "new_empty",
    "new_zeros", "new_ones", "new_full", "new_tensor", "new_empty_strided", "fill", "zero", "uniform", "normal",
    "random", "exponential", "bernoulli_float", "eye_like",
)  # fmt: skip
def filled(site: Site, *_: Any, **__: Any) -> Any:
    """What depends on no data."""
    return tuple(Value(one) for one in site.types)


@rule("bernoulli", "multinomial", "poisson")
def drawn(site: Site, input: Any, *_: Any, **__: Any) -> Any:
    """Random numbers by given probabilities."""
    if site.out.shape == type_of(input).shape:
        return site.emit(Pointwise, site.name, (input,), 1, "nothing", dtype=site.out.dtype)
    return moved(site, (input,))
