"""What collapses axes, running sums, and norms."""

from __future__ import annotations

from typing import Any

from layerscope.operators.reductions import Cumulative, Determinant, Reduction
from layerscope.operators.stretching import Cast
from layerscope.sources._torch.live.rules import rule
from layerscope.sources._torch.live.site import Site

KINDS: dict[str, tuple[str, int, int, str]] = {
    "sum": ("ReduceSum", 0, 0, "nothing"), "nansum": ("ReduceSum", 1, 0, "ends"),
    "mean": ("ReduceMean", 0, 0, "nothing"), "nanmean": ("ReduceMean", 1, 0, "ends"),
    "amax": ("ReduceMax", 0, 0, "ends"), "amin": ("ReduceMin", 0, 0, "ends"),
    "prod": ("ReduceProd", 0, 0, "ends"), "all": ("ReduceAll", 0, 0, "nothing"),
    "any": ("ReduceAny", 0, 0, "nothing"), "argmax": ("ArgMax", 0, 0, "nothing"),
    "argmin": ("ArgMin", 0, 0, "nothing"), "count_nonzero": ("CountNonzero", 1, 0, "nothing"),
    "logsumexp": ("ReduceLogSumExp", 1, 1, "ends"), "norm": ("ReduceL2", 1, 1, "ends"),
    "linalg_vector_norm": ("ReduceL2", 1, 1, "ends"), "vector_norm": ("ReduceL2", 1, 1, "ends"),
    "var": ("Variance", 2, 0, "ends"), "std": ("Deviation", 2, 1, "ends"),
}  # fmt: skip
"""Name: kind, functions of each element and of each result, what the backward pass keeps."""


def _dims(args: tuple[Any, ...], kwargs: dict[str, Any], place: int) -> Any:
    for key in ("dim", "axis"):
        if key in kwargs:
            return kwargs[key]
    return args[place] if len(args) > place else None


def _told(site: Site, input: Any, dims: Any) -> tuple[tuple[int, ...], bool]:
    rank = input.dim()
    if dims is None or isinstance(dims, bool) or dims == []:
        axes = tuple(range(rank))
    else:
        given = dims if isinstance(dims, tuple | list) else (dims,)
        axes = tuple(int(one) % max(rank, 1) for one in given)
    return (axes if rank else ()), site.out.rank == rank and rank > 0


@rule("sum", "nansum", "mean", "nanmean", "amax", "amin", "prod", "all", "any", "argmax", "argmin", "count_nonzero",
      "logsumexp", "var", "std", "linalg_vector_norm", "norm", "vector_norm")  # fmt: skip
def reduction(site: Site, input: Any, *args: Any, **kwargs: Any) -> Any:
    """One number of all along some axes."""
    kind, before, after, keeps = KINDS[site.name]
    place = 1 if site.name in ("linalg_vector_norm", "norm", "vector_norm") else 0
    axes, kept = _told(site, input, _dims(args, kwargs, place))
    return _reduced(site, input, axes, kept, (kind, before, after, keeps))


def _reduced(site: Site, input: Any, axes: tuple[int, ...], kept: bool, how: tuple[str, int, int, str]) -> Any:
    kind, before, after, keeps = how
    return site.emit(Reduction, kind, (input,), axes, kept, before, after, keeps, dtype=site.out.dtype)


@rule("max", "min")
def extreme(site: Site, input: Any, *args: Any, **kwargs: Any) -> Any:
    """The largest number along an axis and where it is; of two tensors, the larger of each pair."""
    other = kwargs.get("other", args[0] if args else None)
    if isinstance(other, site.capture.torch.Tensor):
        from layerscope.sources._torch.live.rules.pointwise import plain

        return plain(site, (input, other), "inputs")
    dims = _dims(args, kwargs, 0)
    axes, kept = _told(site, input, dims)
    kind = "ReduceMax" if site.name == "max" else "ReduceMin"
    how = (kind, 0, 0, "places")
    (values,) = _reduced(site, input, axes, kept, how)
    if len(site.made) == 1:
        return values
    places = site.emit(Reduction, "ArgMax", (input,), axes, kept, dtype="int64", called="argmax")
    return (values, *places)


@rule("var_mean", "std_mean")
def two_moments(site: Site, input: Any, *args: Any, **kwargs: Any) -> Any:
    """Two at once."""
    axes, kept = _told(site, input, _dims(args, kwargs, 0))
    first = _reduced(site, input, axes, kept, KINDS[site.name.partition("_")[0]])
    return (*first, *site.emit(Reduction, "ReduceMean", (input,), axes, kept, called="mean"))


@rule("cumsum", "cumprod", "logcumsumexp")
def cumulative(site: Site, input: Any, dim: int, *_: Any, **__: Any) -> Any:
    """Running sums."""
    (value,) = (site.value(input),)
    if value.type.dtype != site.out.dtype:
        (value,) = site.emit(Cast, "Cast", (input,), site.out.dtype, called="to")
    return site.emit(Cumulative, "CumProd" if site.name == "cumprod" else "CumSum", (value,), int(dim))


@rule("det", "linalg_det")
def determinant(site: Site, input: Any) -> Any:
    """Of square matrices."""
    return site.emit(Determinant, "Det", (input,))
