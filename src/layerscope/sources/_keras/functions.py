"""Functions of keras.ops (and operators: x + y) on symbolic tensors, and TensorFlow's in files of Keras 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from layerscope.core.contract import Layer
from layerscope.core.errors import LayerscopeError
from layerscope.core.types import BITS, TensorType, WeightType
from layerscope.operators.attention import Attention
from layerscope.operators.moved import Moved
from layerscope.operators.pointwise import Pointwise, Softmax
from layerscope.operators.products import Einsum, MatrixProduct
from layerscope.operators.reductions import Cumulative, Reduction
from layerscope.sources._keras.moves import exact
from layerscope.sources._keras.plan import Ref, Refused, Unit, Use, Weight, variables
from layerscope.sources._keras.roles import roles_of


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


OF_INPUTS = _words(
    "Absolute Fabs Angle Arccos Arccosh Arcsin Arcsinh Arctan Arctanh Cbrt Ceil Clip Cos Cosh Deg2rad Rad2deg "
    "Erf Erfc Erfinv Floor Heaviside I0 Log Log10 Log1p Log2 NanToNum Real Imag Conjugate Round Sign Signbit "
    "Sin Sinc Sinh Softplus Softsign SoftShrink SparsePlus SparseSigmoid Silu Squareplus LogSigmoid LeakyRelu "
    "HardSigmoid HardSilu Gelu Celu TanhShrink HardTanh HardShrink Threshold Square Tan Trunc Ldexp Arctan2 "
    "Hypot Logaddexp Logaddexp2 Power Divide DivideNoNan TrueDivide Mod Fmod FloorDivide Maximum Minimum Fmax "
    "Fmin Nextafter Gcd Lcm Where BitwiseAnd BitwiseInvert BitwiseNot BitwiseOr BitwiseXor BitwiseLeftShift "
    "LeftShift BitwiseRightShift RightShift"
)
"""Elementwise functions whose gradient needs their inputs, if it needs anything."""
OF_OUTPUTS = _words("Relu Relu6 Sigmoid Tanh Exp Exp2 Expm1 Sqrt Rsqrt Reciprocal Elu Selu")
SUMS = _words("Add Subtract Negative")
"""Elementwise functions whose gradient needs nothing."""
TESTS = _words(
    "Equal NotEqual Greater GreaterEqual Less LessEqual LogicalAnd LogicalNot LogicalOr LogicalXor Isclose "
    "Isfinite Isinf Isnan Isneginf Isposinf Isreal IsIn"
)
SUMMING = _words("Sum Mean All Any CountNonzero Average")
EXTREMES = _words("Max Min Amax Amin Nanmax Nanmin")
WITH_ENDS = {"Prod": (0, 0), "Var": (1, 0), "Std": (1, 1), "Logsumexp": (1, 1)}
"""Reductions whose gradient needs both ends, with the functions of each element and of each result."""
VIEWS = _words("Reshape ExpandDims Squeeze Ravel View StopGradient Copy ConvertToTensor Identity")
MOVES = VIEWS | _words(
    "Transpose Swapaxes Moveaxis Concatenate Stack Hstack Vstack Dstack Split ArraySplit Hsplit Vsplit Dsplit "
    "Unstack GetItem Slice Pad Flip Fliplr Flipud Rot90 Roll Repeat Tile BroadcastTo Take TakeAlongAxis Diag "
    "Diagflat Diagonal Tril Triu Append OneHot MultiHot ZerosLike OnesLike FullLike Full EmptyLike Array Arange "
    "Meshgrid Scatter ScatterUpdate SliceUpdate DepthToSpace SpaceToDepth PadImages CropImages ExtractPatches "
    "Unfold ViewAsReal ViewAsComplex Select"
)
CASTS = frozenset(("Cast", "SaturateCast"))


def pointwise(
    kind: str, name: str, inputs: int = 1, each: int = 1, weights: Mapping[str, tuple[int, ...]] | None = None
) -> Layer:
    """An elementwise function of inputs and weights, with so many operations an element of the output."""
    table = {role: WeightType(shape) for role, shape in (weights or {}).items()}
    slots = (*(None,) * inputs, *table)
    return Pointwise(kind, each, "partners" if table else "nothing", slots=slots, parameters=table, name=name)


def translate_function(
    unit: Unit, use: Use, given: Sequence[TensorType], stated: Sequence[TensorType | None]
) -> Layer:
    """The operator for a function; Refused when its cost is not known here."""
    if unit.home == "tf":
        return _of_tensorflow(unit, use, given)
    made = _elementwise(unit, use, given, stated) or _reducing(unit, use, given) or _other(unit, use, given, stated)
    if made is None:
        raise Refused("what this function of keras.ops computes is not described here")
    return made


def _elementwise(
    unit: Unit, use: Use, given: Sequence[TensorType], stated: Sequence[TensorType | None]
) -> Layer | None:
    kind = unit.kind
    if kind in ("Softmax", "LogSoftmax", "Sparsemax"):
        axis = setting(unit, use, "axis", 1, -1)
        return Softmax(kind, axis, name=unit.name) if isinstance(axis, int) else None
    first = stated[0] if stated else None
    dtype = first.dtype if first is not None else ""
    keeps = "inputs" if kind in OF_INPUTS else "outputs" if kind in OF_OUTPUTS else "nothing"
    if kind == "Multiply":
        keeps = "partners"
    if kind in TESTS:
        dtype = "bool"
    if kind not in CASTS | OF_INPUTS | OF_OUTPUTS | SUMS | TESTS | {"Multiply"}:
        return None
    slots = slots_of(use, given)
    if kind in CASTS:
        asked = setting(unit, use, "dtype", 1, "")
        return Pointwise(kind, 0, "nothing", asked if asked in BITS else dtype, slots=slots[:1], name=unit.name)
    if kind in ("Clip", "LeakyRelu", "Gelu", "Celu", "Elu", "Round", "Threshold", "HardShrink", "SoftShrink"):
        slots = slots[:1]
    typed = next((number for number, slot in enumerate(slots) if slot is None), 0)
    return Pointwise(kind, 1, keeps, dtype, typed, slots=slots, parameters=weights_of(use), name=unit.name)


def _reducing(unit: Unit, use: Use, given: Sequence[TensorType]) -> Layer | None:
    kind = unit.kind
    if kind in ("Cumsum", "Cumprod"):
        axis = setting(unit, use, "axis", 1, None)
        return Cumulative(kind.replace("s", "S"), axis, name=unit.name) if isinstance(axis, int) else None
    if kind not in SUMMING | EXTREMES | set(WITH_ENDS) | {"Argmax", "Argmin"}:
        return None
    axis, keep = setting(unit, use, "axis", 1, None), bool(setting(unit, use, "keepdims", 2, False))
    axes = (axis,) if isinstance(axis, int) else axis
    before, after = WITH_ENDS.get(kind, (0, 0))
    keeps = "ends" if kind in WITH_ENDS else "nothing" if kind in SUMMING else "places"
    dtype = "int32" if kind.startswith("Arg") or kind == "CountNonzero" else "bool" if kind in ("All", "Any") else ""
    return Reduction(kind, axes, keep, before, after, keeps, dtype, name=unit.name)


def _other(unit: Unit, use: Use, given: Sequence[TensorType], stated: Sequence[TensorType | None]) -> Layer | None:
    kind = unit.kind
    if kind == "DotProductAttention":
        return _attention(unit, use)
    slots = slots_of(use, given) if kind in ("Matmul", "Einsum") else ()
    if kind == "Matmul" and len(slots) == 2:
        return MatrixProduct(kind, slots=slots, parameters=weights_of(use), name=unit.name)
    if kind == "Einsum":
        equation = unit.settings.get("subscripts") or (use.args[0] if use.args else "")
        slots = tuple(slot for slot in slots if not isinstance(slot, TensorType) or slot.shape)
        made = Einsum(kind, str(equation), slots=slots, parameters=weights_of(use), name=unit.name)
        return made if equation else None
    if kind in MOVES:
        table = weights_of(use)
        made = None if table else exact(kind, unit.name, use, _told(unit, use), given)
        if made is not None and _agree(made, given, stated):
            return made
        if stated and None not in stated:
            slots = (*(None,) * len(given), *table)
            return Moved(kind, tuple(stated), kind in VIEWS, slots=slots, parameters=table, name=unit.name)
    return None


def _attention(unit: Unit, use: Use) -> Layer | None:
    """dot_product_attention of tensors; a mask is left out, and counts as an operation."""
    if len(use.args) != 3 or not all(isinstance(one, Ref) for one in use.args):
        return None
    bias, mask = use.kwargs.get("bias"), use.kwargs.get("mask")
    slots = (None,) * (3 if bias is None else 4) if bias is None or isinstance(bias, Ref) else None
    if slots is None:
        return None
    return Attention(
        unit.kind,
        causal=bool(unit.settings.get("is_causal")) or mask is not None,
        softcap=unit.settings.get("attn_logits_soft_cap") is not None,
        length_first=True,
        slots=slots,
        name=unit.name,
    )


def _told(unit: Unit, use: Use) -> dict[str, Any]:
    """A function's settings by name, from its constructor or its call."""
    return {**use.kwargs, **unit.settings}


def _agree(made: Layer, given: Sequence[TensorType], stated: Sequence[TensorType | None]) -> bool:
    """Whether the operator has the shapes that the source states, where both are numbers."""
    try:
        types = made.out(*given)
    except LayerscopeError:
        return False
    pairs = list(zip(types, stated, strict=False))
    return len(types) >= len(stated) and all(
        b is None
        or (
            a.rank == b.rank
            and all(
                m == n for m, n in zip(a.shape, b.shape, strict=True) if isinstance(m, int) and isinstance(n, int)
            )
        )
        for a, b in pairs
    )


def setting(unit: Unit, use: Use, name: str, place: int, otherwise: Any) -> Any:
    """A function's setting: from its constructor, or as an argument by name or place."""
    if name in unit.settings:
        return unit.settings[name]
    if name in use.kwargs:
        return use.kwargs[name]
    return use.args[place] if len(use.args) > place and not isinstance(use.args[place], Ref) else otherwise


def slots_of(use: Use, given: Sequence[TensorType]) -> tuple[Any, ...]:
    """Where the operands come from: tensors from the graph, variables, numbers and arrays as constants."""
    dtype = given[0].dtype if given else "float32"
    roles = roles_of(list(variables((use.args, use.kwargs))))

    def slot(value: Any) -> Any:
        if isinstance(value, Ref):
            return None
        if isinstance(value, Weight):
            return roles[value.id]
        if hasattr(value, "shape"):
            return TensorType(tuple(int(size) for size in value.shape), dtype)
        if isinstance(value, Mapping):
            config = value.get("config")
            value = config.get("value") if isinstance(config, Mapping) else None
        shape: list[int] = []
        while isinstance(value, list | tuple) and value:
            if any(isinstance(part, Ref | Weight) for part in value):
                raise Refused("some of its operands stand in a list")
            shape.append(len(value))
            value = value[0]
        return TensorType(tuple(shape), dtype)

    values = (*use.args, *use.kwargs.values())
    return tuple(slot(value) for value in values if value is not None and not isinstance(value, str))


def weights_of(use: Use) -> dict[str, WeightType]:
    """Variables among the operands, by name."""
    listed = list(variables((use.args, use.kwargs)))
    roles = roles_of(listed)
    return {
        roles[one.id]: WeightType(one.shape, "zeros", one.trainable, one.dtype if one.dtype in BITS else "float32")
        for one in listed
    }


# --- files of Keras 2, which state no shapes ---

TENSORFLOW = {
    "math.add": "Add", "__operators__.add": "Add", "math.subtract": "Subtract", "math.multiply": "Multiply",
    "math.truediv": "Divide", "math.divide": "Divide", "math.maximum": "Maximum", "math.minimum": "Minimum",
    "math.pow": "Power", "math.exp": "Exp", "math.log": "Log", "math.sqrt": "Sqrt", "math.rsqrt": "Rsqrt",
    "math.square": "Square", "math.abs": "Absolute", "math.negative": "Negative", "math.sigmoid": "Sigmoid",
    "math.tanh": "Tanh", "math.erf": "Erf", "nn.relu": "Relu", "nn.relu6": "Relu6", "nn.leaky_relu": "LeakyRelu",
    "nn.elu": "Elu", "nn.selu": "Selu", "nn.gelu": "Gelu", "nn.silu": "Silu", "nn.softplus": "Softplus",
    "nn.softmax": "Softmax", "clip_by_value": "Clip", "math.reduce_mean": "Mean", "math.reduce_sum": "Sum",
    "math.reduce_max": "Max", "math.reduce_min": "Min", "linalg.matmul": "Matmul", "cast": "Cast",
}  # fmt: skip
"""Functions of TensorFlow by the names that TFOpLambda gives them, and their equals in keras.ops."""


def _of_tensorflow(unit: Unit, use: Use, given: Sequence[TensorType]) -> Layer:
    function = str(unit.settings.get("function", unit.kind))
    kind = TENSORFLOW.get(function)
    if kind is None:
        raise Refused(f"what TensorFlow's {function} computes is not described here")
    inner = Unit(unit.name, kind, "ops", {})
    made = translate_function(inner, use, given, ())
    return made
