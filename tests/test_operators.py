"""What every described operator answers, by its examples; and graphs of operators as JSON."""

from __future__ import annotations

import json

import pytest

from layerscope import operators
from layerscope.core.contract import Example
from layerscope.core.errors import LayerscopeError, ShapeError, SourceError
from layerscope.core.propagate import output_types, types
from layerscope.core.reach import Everything, Relation
from layerscope.core.sizes import named
from layerscope.core.types import BITS, TensorType, WeightType
from layerscope.operators.attention import Attention
from layerscope.operators.convolution import Convolution, TransposedConvolution
from layerscope.operators.normalisation import GroupNormalization, Normalization
from layerscope.operators.pointwise import Dropout, Pointwise, Softmax
from layerscope.operators.pooling import GlobalPooling, MaxUnpooling, Pooling
from layerscope.operators.products import Einsum, MatrixProduct
from layerscope.operators.recurrent import Recurrent
from layerscope.operators.reductions import Reduction
from layerscope.operators.resize import AffineGrid, Resize
from layerscope.operators.signal import FourierTransform, Made
from layerscope.operators.strings import TextTransform
from layerscope.sources import json as graph_json
from operator_cases import EXAMPLES, OURS, graph_of, title


def test_every_family_is_found_in_the_folder():
    assert {"Convolution", "Pooling", "MatrixProduct", "Pointwise", "Reduction", "Resize"} <= set(operators.kinds())
    ours = [cls for cls in operators.kinds().values() if cls.__module__ in OURS]
    assert [cls for cls in ours if "Source:" not in (cls.__doc__ or "")] == []


@pytest.mark.parametrize("case", EXAMPLES, ids=title)
def test_types_of_the_examples(case):
    assert case.layer.out(*case.inputs) == case.outputs


@pytest.mark.parametrize("case", EXAMPLES, ids=title)
def test_every_question_has_an_answer_that_fits(case):
    layer = case.layer
    macs, operations = layer.macs(*case.inputs), layer.operations(*case.inputs)
    assert macs is None or macs >= 0
    assert operations is None or min(operations.bias, operations.pointwise, operations.pooling) >= 0
    saved = layer.saved(*case.inputs)
    if saved is not None:
        assert set(saved.inputs) <= set(range(len(case.inputs)))
        assert set(saved.outputs) <= set(range(len(case.outputs)))
    assert layer.shares(*case.inputs) in (None, *range(len(case.inputs)))
    assert layer.weight_types(*case.inputs) == layer.parameters if hasattr(layer, "parameters") else True


@pytest.mark.parametrize("case", EXAMPLES, ids=title)
def test_reach_names_axes_that_there_are(case):
    for number, out in enumerate(case.outputs):
        read = case.layer.reach(number, *case.inputs)
        assert len(read) == len(case.inputs)
        for axes, kind in zip(read, case.inputs, strict=True):
            if axes is None:
                continue
            assert len(axes) == kind.rank
            for relation in axes:
                assert isinstance(relation, Everything | Relation)
                assert isinstance(relation, Everything) or 0 <= relation.axis < out.rank


@pytest.mark.parametrize("case", [case for case in EXAMPLES if type(case.layer).__module__ in OURS], ids=title)
def test_a_graph_of_the_operator_survives_json(case):
    graph = graph_of(case)
    text = json.dumps(graph_json.dump(graph))
    again = graph_json.load(json.loads(text))
    assert output_types(again) == list(case.outputs)
    assert again.parameters == graph.parameters
    assert json.dumps(graph_json.dump(again)) == text
    one, other = graph.nodes[-1].layer, again.nodes[-1].layer
    assert (type(one), one.kind, one.macs(*case.inputs)) == (type(other), other.kind, other.macs(*case.inputs))
    assert one.operations(*case.inputs) == other.operations(*case.inputs)


@pytest.mark.parametrize(
    "layer",
    [
        Resize("Resize", sizes=(None, None, named("height") * 2, named("width"))),
        MaxUnpooling(
            "MaxUnpool", (2, 2), output_shape=(1, 3, named("height"), 9), slots=(None, TensorType((1, 3, 4, 4)))
        ),
        Made("RandomNormalLike", (named("n"), 3), "float32"),
        TextTransform("TfIdfVectorizer", named("words"), "float32"),
        FourierTransform("DFT", 2, named("frame")),
        AffineGrid("AffineGrid", (named("height"), 4)),
        Convolution("Conv", slots=(None, TensorType((named("filters"), 3, 2, 2)))),
    ],
    ids=lambda layer: layer.kind,
)
def test_open_sizes_in_settings_survive_json(layer):
    x = TensorType((1, 2, 3)) if layer.kind == "AffineGrid" else TensorType((1, 3, 4, 4))
    case = Example(layer, (x,), layer.out(x))
    again = graph_json.load(json.loads(json.dumps(graph_json.dump(graph_of(case)))))
    assert output_types(again) == list(case.outputs)


def dumped() -> dict:
    weights = {"W": WeightType((4, 3, 3, 3))}
    layer = Convolution("Conv", slots=(None, "W", TensorType((4,))), parameters=weights)
    x = TensorType((1, 3, 8, 8))
    return graph_json.dump(graph_of(Example(layer, (x,), layer.out(x))))


def damage(data: dict, key: str, value: object) -> dict:
    data["nodes"][-1]["settings"][key] = value
    return data


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("strides", [0, 1], "conv: Conv: strides must be at least 1, not 0"),
        ("strides", [1, 1, 1], "conv (Conv): strides has 3 numbers (1, 1, 1), but there are 2 spatial axes"),
        ("auto_pad", "ALL", "conv: Conv: auto_pad must be one of NOTSET, VALID, SAME_UPPER, SAME_LOWER, not 'ALL'"),
        ("group", 2, "conv (Conv): the input's number of channels is 3, but what its kernel takes is 6"),
        ("weight", 7, "conv (Conv): needs its operand 7 (the kernel), which is left out"),
        ("parameters", {}, "conv: Conv: its slots name ['W'], its parameters are []"),
        ("parameters", {"W": {"shape": [4, -3]}}, "conv: a size of a weight must be at least 0, not -3"),
        (
            "parameters",
            {"W": {"shape": [4, 3, 3, 3], "dtype": "real"}},
            f"conv: unknown dtype 'real'; known: {', '.join(BITS)}",
        ),
        (
            "parameters",
            {"W": {}},
            "conv: a weight is described by its shape (and dtype, trainable), not by {}",
        ),
        ("parameters", 5, "conv: Conv: parameters must be weights by their roles, not 5"),
        ("slots", [None], "conv: Conv: its slots name [], its parameters are ['W']"),
        ("slots", 3, "conv: Conv: slots must be a list, not 3"),
        ("results", 0, "conv: Conv: results must be at least 1, not 0"),
        ("colour", "red", "conv: Convolution has no setting colour"),
    ],
)
def test_damaged_settings_are_refused_with_a_reason(key, value, message):
    with pytest.raises(LayerscopeError) as caught:
        graph_json.load(damage(dumped(), key, value))
    assert str(caught.value) == message


def test_an_unknown_operator_in_a_file_is_refused():
    data = dumped()
    data["nodes"][-1]["kind"] = "operators.Nothing"
    with pytest.raises(SourceError) as caught:
        graph_json.load(data)
    assert str(caught.value) == "conv: no operator is called 'operators.Nothing'"


def test_what_is_an_operator_and_not_a_layer_is_said_in_the_file():
    kinds = [node["kind"] for node in dumped()["nodes"]]
    assert kinds == ["InputLayer", "operators.Convolution"]


FLOAT = TensorType((2, 3, 8, 8))


@pytest.mark.parametrize(
    ("layer", "inputs", "message"),
    [
        (
            Convolution("Conv", slots=(None, "W"), parameters={"W": WeightType((4, 3, 9, 9))}),
            (FLOAT,),
            "a window covers 9 cells, but the axis has only 8",
        ),
        (
            Convolution(
                "Conv", slots=(None, "W", "B"), parameters={"W": WeightType((4, 3, 3, 3)), "B": WeightType((5,))}
            ),
            (FLOAT,),
            "the size of its bias is 5, but the number of filters is 4",
        ),
        (
            TransposedConvolution(
                "ConvTranspose", pads=(9,) * 4, slots=(None, "W"), parameters={"W": WeightType((3, 4, 2, 2))}
            ),
            (FLOAT,),
            "its output would have the size -9: the padding crops all of it",
        ),
        (
            Pooling("MaxPool", (2,)),
            (FLOAT,),
            "the input of a pooling must have 3 axes, but has the shape (2, 3, 8, 8)",
        ),
        (
            MatrixProduct("MatMul", slots=(None, None)),
            (TensorType((2, 3)), TensorType((4, 5))),
            "the factors (2, 3) and (4, 5) do not fit: 3 against 4",
        ),
        (
            Einsum("Einsum", "ij,jk->ik", slots=(None, None)),
            (TensorType((2, 3)), TensorType((4, 5))),
            "the letter 'j' of 'ij,jk->ik' has the sizes 3 and 4",
        ),
        (
            Pointwise("Add", slots=(None, None)),
            (TensorType((2, 3)), TensorType((2, 4))),
            "its operands (2, 3) and (2, 4) do not broadcast: 3 against 4",
        ),
        (Reduction("ReduceSum", (4,)), (FLOAT,), "axis 4 is not one of the 4 axes of its input"),
        (
            Recurrent(
                "LSTM",
                5,
                slots=(None, "W", "R"),
                parameters={"W": WeightType((1, 20, 3)), "R": WeightType((1, 20, 5))},
            ),
            (TensorType((7, 2, 4)),),
            "the size of axis 2 of W is 3, but what hidden_size, direction and X ask for is 4",
        ),
        (
            Attention("Attention", 3, 3, slots=(None, None, None)),
            (TensorType((1, 4, 8)),) * 3,
            "the 8 features of the queries cannot be split into 3 heads",
        ),
        (Resize("Resize", sizes=(None, 5)), (FLOAT,), "has 2 sizes or scales, but its input the 4 axes (2, 3, 8, 8)"),
    ],
    ids=lambda value: value.kind if hasattr(value, "kind") else None,
)
def test_operands_that_do_not_fit(layer, inputs, message):
    with pytest.raises(ShapeError) as caught:
        layer.out(*inputs)
    assert str(caught.value) == message


def test_an_equation_that_is_none():
    with pytest.raises(LayerscopeError) as caught:
        Einsum("Einsum", "i1,jk->ik", slots=(None, None))
    assert str(caught.value) == "Einsum: 'i1,jk->ik' is no equation: 'i1' is no list of letters"
    with pytest.raises(LayerscopeError) as caught:
        Einsum("Einsum", "ij->ik")
    assert str(caught.value) == "Einsum: in 'ij->ik' each letter of the output must occur once, and in an operand"


def test_open_sizes_stay_open():
    """Sizes that a file leaves open go through all families that only shrink, stretch or keep them."""
    n, h = named("batch"), named("height")
    x = TensorType((n, 3, h, h * 2))
    kernel = {"W": WeightType((4, 3, 3, 3))}
    (same,) = Convolution("Conv", (2, 2), auto_pad="SAME_UPPER", slots=(None, "W"), parameters=kernel).out(x)
    assert str(same) == "(batch, 4, floor((height + 1) / 2), height)"
    (up,) = Pooling("MaxPool", (2, 2), (2, 2), ceil_mode=True).out(x)
    assert str(up) == "(batch, 3, floor((height + 1) / 2), height)"
    (twice,) = Resize("Resize", scales=(None, None, 2.0, 1.5)).out(x)
    assert str(twice) == "(batch, 3, 2·height, 3·height)"
    (flat,) = Reduction("ReduceMean", (-1,), keepdims=False).out(x)
    assert str(flat) == "(batch, 3, height)"


def test_types_of_all_nodes_of_a_graph_with_operators():
    case = Convolution.examples()[0]
    assert types(graph_of(case))[-1] == case.outputs


# --- figures by hand: cases that other tools get wrong, operations, and what is kept ---


def weighted(cls, kind, weights: dict, fed: int = 1, **told):
    """An operator of which the first operands are fed and the others are weights."""
    parameters = {role: WeightType(shape) for role, shape in weights.items()}
    return cls(kind, slots=(*(None,) * fed, *weights), parameters=parameters, **told)


TRANSPOSED = weighted(TransposedConvolution, "ConvTranspose", {"W": (8, 4, 4, 4)}, strides=(2, 2), pads=(1, 1, 1, 1))
GROUPED = weighted(TransposedConvolution, "ConvTranspose", {"W": (8, 2, 3, 3)}, strides=(2, 2), group=4)
SAME = weighted(Convolution, "Conv", {"W": (16, 3, 3, 3)}, auto_pad="SAME_UPPER")
LSTM_1 = weighted(Recurrent, "LSTM", {"W": (1, 256, 32), "R": (1, 256, 64), "B": (1, 512)}, hidden_size=64, layout=1)
LSTM_2 = weighted(Recurrent, "LSTM", {"W": (1, 256, 64), "R": (1, 256, 64), "B": (1, 512)}, hidden_size=64, layout=1)


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (TRANSPOSED, (1, 8, 8, 8), 32_768),
        (GROUPED, (1, 8, 4, 4), 2_304),
        (SAME, (8, 3, 32, 32), 3_538_944),
        (weighted(MatrixProduct, "MatMul", {"B": (64, 128)}), (2, 10, 64), 163_840),
        (LSTM_1, (2, 10, 32), 1_146_880 - 2 * 10 * 256 * 128),
        (LSTM_2, (2, 10, 64), 2 * 10 * 256 * 128),
    ],
    ids=["transposed", "grouped", "same", "linear", "lstm", "lstm of two"],
)
def test_products_that_other_tools_get_wrong(layer, shape, macs):
    assert layer.macs(TensorType(shape)) == macs


def test_a_projection_and_attention():
    """One 64→64 projection, then attention of four heads with itself."""
    attention = Attention("Attention", q_num_heads=4, kv_num_heads=4, slots=(None,) * 3)
    projection = weighted(MatrixProduct, "MatMul", {"B": (64, 64)})
    x = TensorType((2, 10, 64))
    assert projection.macs(x) + attention.macs(x, x, x) == 107_520


X = TensorType((2, 6, 4, 4))


@pytest.mark.parametrize(
    ("layer", "types", "expected"),
    [
        # bias, pointwise, normalisation, pooling
        (Pointwise("Relu"), (X,), (0, 192, 0, 0)),
        (Pointwise("Sum", None, slots=(None,) * 3), (X,) * 3, (0, 384, 0, 0)),
        (Pointwise("Mean", 3, slots=(None,) * 3), (X,) * 3, (0, 576, 0, 0)),
        (Softmax("Softmax", 1), (X,), (0, 192, 0, 0)),
        (Dropout("Dropout"), (X,), (0, 0, 0, 0)),
        (Pooling("MaxPool", (3, 3), (2, 2), (1, 1, 1, 1)), (X,), (0, 0, 0, 2 * 6 * 2 * 2 * 9)),
        (Pooling("MaxPool", (2, 2), channel_axis=-1), (X,), (0, 0, 0, 2 * 5 * 3 * 4 * 4)),
        (GlobalPooling("GlobalAveragePool"), (X,), (0, 0, 0, 192)),
        (Reduction("ReduceMean", (2, 3)), (X,), (0, 0, 0, 192)),
        (Reduction("ReduceL2", (2, 3), before=1, after=1), (X,), (0, 192 + 12, 0, 192)),
        (Normalization("LayerNormalization", (-1,)), (X,), (0, 0, 192, 0)),
        (GroupNormalization("GroupNormalization", 3), (X,), (0, 0, 192, 0)),
        (Resize("Resize", scales=(1, 1, 2, 2)), (X,), (0, 0, 0, 0)),
        (Resize("Resize", scales=(1, 1, 2, 2), mode="linear"), (X,), (0, 768, 0, 0)),
        (weighted(Convolution, "Conv", {"W": (5, 6, 1, 1), "B": (5,)}), (X,), (160, 0, 0, 0)),
        (weighted(Convolution, "Conv", {"W": (5, 6, 1, 1)}, after=1), (X,), (0, 160, 0, 0)),
        # an LSTM's step: two biases of four gates; five functions, four sums, f⊙c, i⊙g, their sum, o⊙tanh(c)
        (LSTM_1, (TensorType((2, 10, 32)),), (20 * 64 * 8, 20 * 64 * 13, 0, 0)),
        (Einsum("Einsum", "bchw->bc"), (X,), (0, 0, 0, 192)),
        (Einsum("Einsum", "bchw,c->bchw", slots=(None, None)), (X, TensorType((6,))), (0, 192, 0, 0)),
    ],
    ids=lambda value: value.kind if hasattr(value, "kind") else None,
)
def test_operations_by_hand(layer, types, expected):
    found = layer.operations(*types)
    assert (found.bias, found.pointwise, found.normalisation, found.pooling) == expected


LEARNED = {"B": WeightType((4,))}


@pytest.mark.parametrize(
    ("layer", "types", "inputs", "outputs", "extra"),
    [
        (Pointwise("Relu", keeps="outputs"), (X,), (), (0,), ()),
        (Pointwise("Add", keeps="nothing", slots=(None, None)), (X, X), (), (), ()),
        (Pointwise("Mul", keeps="partners", slots=(None, None)), (X, X), (0, 1), (), ()),
        # the other factor is a constant: nothing of the input is needed; where it is learned, the input is
        (Pointwise("Mul", keeps="partners", slots=(None, TensorType((4,)))), (X,), (), (), ()),
        (Pointwise("Mul", keeps="partners", slots=(None, "B"), parameters=LEARNED), (X,), (0,), (), ()),
        (Pointwise("Less", keeps="inputs", dtype="bool", slots=(None, None)), (X, X), (), (), ()),
        (Dropout("Dropout", results=1), (X,), (), (), ((2, 6, 4, 4),)),
        (Pooling("MaxPool", (2, 2)), (X,), (), (), ((2, 6, 3, 3),)),
        (Pooling("MaxPool", (2, 2), indices=True), (X,), (), (1,), ()),
        (Pooling("AveragePool", (2, 2)), (X,), (), (), ()),
        (Reduction("ReduceMean"), (X,), (), (), ()),
        (Softmax("Softmax"), (X,), (), (0,), ()),
        (MatrixProduct("MatMul", slots=(None, None)), (X, X), (0, 1), (), ()),
        (Resize("Resize", scales=(1, 1, 2, 2), mode="linear"), (X,), (), (), ()),
    ],
    ids=lambda value: value.kind if hasattr(value, "kind") else None,
)
def test_what_a_backward_pass_keeps(layer, types, inputs, outputs, extra):
    saved = layer.saved(*types)
    assert (saved.inputs, saved.outputs, tuple(one.shape for one in saved.extra)) == (inputs, outputs, extra)
