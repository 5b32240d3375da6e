"""Reductions, running sums, and normalisations."""

from __future__ import annotations

from layerscope.core.contract import Layer
from layerscope.operators.normalisation import (
    BatchNormalization,
    GroupNormalization,
    LocalResponseNormalization,
    Normalization,
)
from layerscope.operators.reductions import Cumulative, Reduction
from layerscope.sources._onnx.asking import constant, dtype, elements, needed, number, parts, whole_numbers
from layerscope.sources._onnx.site import Refused, Rule, Site

WORK = {
    "ReduceL1": (1, 0),
    "ReduceL2": (1, 1),
    "ReduceSumSquare": (1, 0),
    "ReduceLogSum": (0, 1),
    "ReduceLogSumExp": (1, 1),
    **dict.fromkeys(("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"), (0, 0)),
}
"""Functions of each element before, and of each result after."""
KEEPS = {"ReduceSum": "nothing", "ReduceMean": "nothing", "ReduceMax": "places", "ReduceMin": "places"}


def reduction(site: Site) -> Layer:
    """Reduce...; axes are an attribute in older operator sets, an operand in newer ones."""
    axes = None
    if site.operand(1) is not None or "axes" in site.attributes:
        axes = tuple(constant(axis, "an axis") for axis in elements(site, 1, "axes", "axes")) or None
    if axes is None and number(site, "noop_with_empty_axes", 0):
        axes = ()
    before, after = WORK[site.op]
    keeps = KEEPS.get(site.op, "ends")
    told = parts(site, drop=(1,))
    return Reduction(site.op, axes, bool(number(site, "keepdims", 1)), before, after, keeps, **told)


def extreme(site: Site) -> Layer:
    """ArgMax, ArgMin."""
    axis, keepdims = number(site, "axis", 0), bool(number(site, "keepdims", 1))
    return Reduction(site.op, (axis,), keepdims, dtype="int64", **parts(site))


def cumulative(site: Site) -> Layer:
    """CumSum, CumProd: the axis is an operand."""
    axis = (site.integers(1) or (None,))[0]
    known = isinstance(axis, int)
    return Cumulative(site.op, axis if known else None, **parts(site, drop=(1,) if known else ()))


# --- normalisations ---


def batch(site: Site) -> Layer:
    """BatchNormalization; the statistics are not trained."""
    training = bool(number(site, "training_mode", 0)) or len(site.outputs) > 1
    told = parts(site, "X scale B input_mean input_var", frozen=(3, 4))
    return BatchNormalization(site.op, training, **told)


def instance(site: Site) -> Layer:
    """InstanceNormalization."""
    return Normalization(site.op, by_channel=True, **parts(site, "input scale B"))


def layer(site: Site) -> Layer:
    """LayerNormalization and RMSNormalization: all axes from `axis` on."""
    rank = needed(site, 0, "the input").type.rank
    axis = number(site, "axis", -1)
    if not -rank <= axis < rank:
        raise Refused(f"axis {axis} is not one of the {rank} axes of its input")
    kind = dtype(site, "stash_type", "float32")
    axes = tuple(range(axis % rank, rank))
    return Normalization(site.op, axes, statistics=(kind, kind), **parts(site, "X scale B"))


def skip(site: Site) -> Layer:
    """com.microsoft SkipLayerNormalization: a sum first, and then its normalisation."""
    simple = site.op.startswith("SkipSimplified")
    roles = "input skip gamma bias" if simple else "input skip gamma beta bias"
    added = 1 + (site.operand(3 if simple else 4) is not None)
    return Normalization(
        site.op, (-1,), additions=added, statistics=("float32", "float32", "sum"), **parts(site, roles)
    )


def mean_variance(site: Site) -> Layer:
    """MeanVarianceNormalization."""
    return Normalization(site.op, whole_numbers(site, "axes") or (0, 2, 3), **parts(site))


def norm(site: Site) -> Layer:
    """LpNormalization."""
    return Normalization(site.op, (number(site, "axis", -1),), **parts(site))


def group(site: Site) -> Layer:
    """GroupNormalization; com.microsoft GroupNorm has channels last unless it says otherwise."""
    if site.op == "GroupNorm":
        axis = -1 if number(site, "channels_last", 1) else 1
        told = parts(site, "X gamma beta")
        return GroupNormalization(
            site.op, number(site, "groups", 1), axis, bool(number(site, "activation", 0)), **told
        )
    return GroupNormalization(site.op, number(site, "num_groups", 1), **parts(site, "X scale bias"))


def neighbours(site: Site) -> Layer:
    """LRN."""
    return LocalResponseNormalization(site.op, number(site, "size", 1), **parts(site))


RULES: dict[str, Rule] = {
    **dict.fromkeys(WORK, reduction),
    **dict.fromkeys(("ArgMax", "ArgMin"), extreme),
    **dict.fromkeys(("CumSum", "CumProd"), cumulative),
    "BatchNormalization": batch,
    "InstanceNormalization": instance,
    **dict.fromkeys(("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"), layer),
    "com.microsoft:SimplifiedLayerNormalization": layer,
    "com.microsoft:SkipLayerNormalization": skip,
    "com.microsoft:SkipSimplifiedLayerNormalization": skip,
    "MeanVarianceNormalization": mean_variance,
    "LpNormalization": norm,
    "GroupNormalization": group,
    "com.microsoft:GroupNorm": group,
    "LRN": neighbours,
}
