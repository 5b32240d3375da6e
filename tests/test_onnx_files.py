"""ONNX files without onnx: what is read, named, folded, counted and bound."""

import pytest

import onnx_writer as w
from layerscope import trace
from layerscope.core import propagate
from layerscope.core.errors import SourceError
from layerscope.sources import json as graph_json
from layerscope.sources import onnx


def read(graph, **settings):
    return onnx.read_bytes(w.model(graph, **settings), "net.onnx")


def rows(graph):
    """Label, kind and output shapes of each node."""
    types = propagate.types(graph)
    return [(n.label, n.layer.kind, " ".join(map(str, t))) for n, t in zip(graph.nodes, types, strict=True)]


def chain(*nodes, given=("batch", 3, 8, 8), out=(), initializers=(), **settings):
    """A network with one input x and one output y."""
    return read(w.Graph(nodes, [w.value("x", given)], [w.value("y", out or None)], initializers), **settings)


CONV = w.node("Conv", "x w b", "c", "/layer1/layer1.0/conv1/Conv", pads=[1, 1, 1, 1], strides=[2, 2])
WEIGHTS = [w.tensor("w", (4, 3, 3, 3)), w.tensor("b", (4,))]


def small(path):
    """A file with a convolution, a BatchNormalization, and a flattening whose shape is computed."""
    norm = [w.tensor(name, (4,)) for name in ("scale", "shift", "mean", "var")]
    nodes = [
        CONV,
        w.node("BatchNormalization", "c scale shift mean var", "n", "/layer1/layer1.0/bn1/BatchNormalization"),
        w.node("Relu", "n", "r", "/layer1/layer1.0/Relu"),
        w.node("Shape", "r", "s"),
        w.node("Gather", "s zero", "first", axis=0),
        w.node("Unsqueeze", "first axes", "row"),
        w.node("Concat", "row rest", "target", axis=0),
        w.node("Reshape", "r target", "flat", "/Reshape"),
        w.node("Gemm", "flat fc bias", "y", "/fc/Gemm", transB=1),
    ]
    numbers = [
        w.tensor("zero", (), [0], w.INT64), w.tensor("axes", (1,), [0], w.INT64),
        w.tensor("rest", (1,), [-1], w.INT64), w.tensor("fc", (10, 64)), w.tensor("bias", (10,)),
    ]  # fmt: skip
    graph = w.Graph(nodes, [w.value("x", ("N", 3, 8, 8))], [w.value("y", ("N", 10))], [*WEIGHTS, *norm, *numbers])
    path.write_bytes(w.model(graph))
    return path


def test_a_file_from_beginning_to_end(tmp_path):
    found = trace(small(tmp_path / "small.onnx"))
    assert rows(found.graph) == [
        ("x", "InputLayer", "(batch, 3, 8, 8)"),
        ("layer1/0/conv1", "Conv", "(batch, 4, 4, 4)"),
        ("layer1/0/bn1", "BatchNormalization", "(batch, 4, 4, 4)"),
        ("layer1/0/Relu", "Relu", "(batch, 4, 4, 4)"),
        ("Reshape", "Reshape", "(batch, 64)"),
        ("fc", "Gemm", "(batch, 10)"),
    ]
    assert found.graph.name == "small"
    assert found.graph.nodes[0].layer.channel_axis == 1
    assert found.graph.nodes[1].weights == {"W": "w", "B": "b"}
    totals = found.totals
    assert totals["macs"] == 4 * 4 * 4 * 27 + 64 * 10
    assert totals["parameters"] == 4 * 27 + 4 + 16 + 650
    assert totals["trainable_parameters"] == totals["parameters"] - 8
    assert not totals["at_least"]


def test_batch_binds_computed_shapes_too(tmp_path):
    found = trace(small(tmp_path / "small.onnx"), batch=5)
    assert [row["output_shape"] for row in found.layers][-2:] == [[5, 64], [5, 10]]
    assert found.totals["macs"] == 5 * (4 * 4 * 4 * 27 + 64 * 10)
    assert found.to_json()["assumptions"] == []


def test_saved_as_json_it_is_the_same_network(tmp_path):
    found = trace(small(tmp_path / "small.onnx"))
    again = graph_json.load(graph_json.dump(found.graph))
    assert rows(again) == rows(found.graph)
    assert again.parameters == found.graph.parameters


def test_models_in_memory_are_read_without_onnx():
    class ModelProto:
        def SerializeToString(self):
            return w.model(w.Graph([w.node("Relu", "x", "y")], [w.value("x", (2, 3))], [w.value("y", None)]))

    assert onnx.handles(ModelProto())
    assert rows(onnx.read(ModelProto())) == [("x", "InputLayer", "(2, 3)"), ("relu", "Relu", "(2, 3)")]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("N", 3, "H", "W"), "(batch, 3, H, W)"),
        ((None, 3, None, None), "(batch, 3, height, width)"),
        (("batch_size", 3, "height", "2*height + 1"), "(batch, 3, height, 2·height + 1)"),
        (("time", "batch", 8), "(time, batch, 8)"),
        (("unk__614", 3, "some size!", "some.size"), "(batch, 3, some_size, some_size_1)"),
        ((1, 3, 224, -1), "(1, 3, 224, width)"),
        ((), "()"),
        ((2, 0), "(2, 0)"),
    ],
)
def test_sizes_of_inputs(given, expected):
    found = chain(w.node("Relu", "x", "y"), given=given)
    assert rows(found)[0][2] == rows(found)[1][2] == expected


def test_sizes_of_several_inputs_share_names_and_only_the_first_batch_is_the_batch():
    graph = read(
        w.Graph(
            [w.node("Relu", "a", "b"), w.node("Relu", "k", "l")],
            [w.value("a", ("N", "past", None)), w.value("k", ("batch", "past + 1", "N"))],
            [w.value("b", None), w.value("l", None)],
        )
    )
    assert [row[2] for row in rows(graph)] == [
        "(batch, past, a_size_2)", "(batch_1, past + 1, batch)", "(batch, past, a_size_2)", "(batch_1, past + 1, batch)",
    ]  # fmt: skip


def test_an_input_that_only_gives_sizes_is_no_input_of_the_network():
    graph = read(
        w.Graph(
            [w.node("Shape", "like", "s"), w.node("Expand", "x s", "y")],
            [w.value("x", (1, 4)), w.value("like", ("N", 4))],
            [w.value("y", None)],
        )
    )
    assert rows(graph) == [("x", "InputLayer", "(1, 4)"), ("expand", "Expand", "(batch, 4)")]


def test_dead_nodes_identity_and_constants_vanish():
    graph = chain(
        w.node("Constant", "", "two", value=w.tensor("", (), [2.0])),
        w.node("Identity", "x", "same"),
        w.node("Exp", "x", "unused"),
        w.node("Mul", "same two", "z", "scaled"),
        w.node("Identity", "z", "y"),
    )
    assert rows(graph)[1:] == [("scaled", "Mul", "(batch, 3, 8, 8)")]
    assert graph.parameters == {}


def test_what_counts_as_a_weight():
    stored = [
        w.tensor("weight", (3, 1, 1)), w.tensor("number", (), [2.0]), w.tensor("one", (1,), [2.0]),
        w.tensor("places", (2,), [0, 1], w.INT64), w.tensor("bytes", (8, 3, 1, 1), kind=w.INT8),
        w.tensor("scale", (), [0.5]),
    ]  # fmt: skip
    graph = chain(
        w.node("Constant", "", "c", value=w.tensor("", (1, 3, 1, 1), [1.0, 2.0, 3.0])),
        w.node("Constant", "", "d", value_floats=[1.0]),
        w.node("Mul", "x weight", "p"),
        w.node("Add", "p number", "q"),
        w.node("Sub", "q one", "r"),
        w.node("Div", "r c", "t"),
        w.node("Add", "t d", "u"),
        w.node("Gather", "u places", "v", axis=1),
        w.node("DequantizeLinear", "bytes scale", "k"),
        w.node("Conv", "u k", "n"),
        w.node("Concat", "v n", "y", axis=1),
        initializers=stored,
    )
    assert {row.id: (row.shape, row.dtype, row.trainable) for row in graph.parameters.values()} == {
        "weight": ((3, 1, 1), "float32", True),
        "one": ((1,), "float32", True),
        "c": ((1, 3, 1, 1), "float32", True),
        "bytes": ((8, 3, 1, 1), "int8", False),
    }


def test_thresholds_and_values_are_no_weights():
    nodes = [
        w.node("OneHot", "x depth values", "hot"),
        w.node("NonMaxSuppression", "boxes scores most overlap least", "y"),
    ]
    stored = [
        w.tensor("depth", (1,), [7], w.INT64), w.tensor("values", (2,), [0.0, 1.0]),
        w.tensor("most", (1,), [10], w.INT64), w.tensor("overlap", (1,), [0.5]), w.tensor("least", (1,), [0.5]),
    ]  # fmt: skip
    inputs = [w.value("x", (2, 3), w.INT64), w.value("boxes", (1, 5, 4)), w.value("scores", (1, 3, 5))]
    graph = read(w.Graph(nodes, inputs, [w.value("hot", None), w.value("y", None)], stored))
    assert graph.parameters == {}


def test_a_shared_weight_is_one_parameter():
    graph = chain(
        w.node("MatMul", "x w", "a", "first"), w.node("MatMul", "a w", "y", "second"),
        given=("N", 4), initializers=[w.tensor("w", (4, 4))],
    )  # fmt: skip
    assert [node.weights for node in graph.nodes[1:]] == [{"B": "w"}, {"B": "w"}]
    assert trace(graph).totals["parameters"] == 16
    assert trace(graph).totals["macs"] == 32


def test_weights_that_are_also_inputs_as_in_old_files():
    graph = read(
        w.Graph([CONV], [w.value("x", (1, 3, 8, 8)), w.value("w", (4, 3, 3, 3))], [w.value("c", None)], WEIGHTS), ir=3
    )
    assert [node.label for node in graph.nodes] == ["x", "layer1/0/conv1"]
    assert len(graph.parameters) == 2


@pytest.mark.parametrize(
    ("nodes", "axis"),
    [
        ([w.node("Relu", "x", "a"), w.node("MaxPool", "a", "y", kernel_shape=[2, 2])], 1),
        ([w.node("Transpose", "x", "a", perm=[0, 3, 1, 2]), w.node("Cast", "a", "b", to=1),
          w.node("GlobalAveragePool", "b", "y")], 3),
        ([w.node("Transpose", "x", "y", perm=[0, 3, 1, 2])], -1),
    ],
)  # fmt: skip
def test_which_axis_of_an_input_is_the_channels(nodes, axis):
    assert chain(*nodes).nodes[0].layer.channel_axis == axis


def test_names_of_nodes():
    graph = chain(
        w.node("Relu", "x", "a"),
        w.node("Relu", "a", "b"),
        w.node("Relu", "b", "c", "Relu_7"),
        w.node("Relu", "c", "d", "/stem/act/Relu"),
        w.node("Relu", "d", "e", "/stem/act/Relu"),
        w.node("Relu", "e", "y", "x"),
    )
    labels = [node.label for node in graph.nodes]
    assert labels == ["x", "relu", "relu_1", "Relu_7", "stem/act/Relu", "stem/act/Relu_1", "x_1"]


def test_an_operator_that_nobody_described_is_shown_with_the_shape_of_the_file():
    graph = w.Graph(
        [w.node("Mystery", "x w", "m", "magic", "com.example"), w.node("Relu", "m", "y")],
        [w.value("x", ("N", 3))], [w.value("y", None)], [w.tensor("w", (3, 7))], [w.value("m", ("N", 7))],
    )  # fmt: skip
    found = read(graph, domains=["com.example"])
    assert rows(found)[1:] == [("magic", "Mystery", "(batch, 7)"), ("relu", "Relu", "(batch, 7)")]
    totals = trace(found).totals
    assert (totals["parameters"], totals["at_least"]) == (21, True)


def test_folding_follows_open_sizes():
    graph = chain(
        w.node("Shape", "x", "s", start=2),
        w.node("Cast", "s", "f", to=1),
        w.node("Mul", "f two", "g"),
        w.node("Floor", "g", "h"),
        w.node("Cast", "h", "i", to=7),
        w.node("Shape", "x", "t", end=2),
        w.node("Concat", "t i", "u", axis=0),
        w.node("Resize", "x - - u", "y"),
        given=("N", 3, "H", None),
        initializers=[w.tensor("two", (), [2.0])],
    )
    assert rows(graph)[1:] == [("resize", "Resize", "(batch, 3, 2·H, 2·width)")]


def test_scales_in_constant_nodes_are_folded_as_exporters_write_them():
    graph = chain(
        w.node("Constant", "", "still", value=w.tensor("", (2,), [1.0, 1.0])),
        w.node("Constant", "", "twice", value=w.tensor("", (2,), [2.0, 2.0])),
        w.node("Concat", "still twice", "scales", axis=0),
        w.node("Resize", "x - scales", "y"),
    )
    assert rows(graph)[1:] == [("resize", "Resize", "(batch, 3, 16, 16)")]
    assert graph.parameters == {}


def test_shapes_that_only_the_data_decide_are_new_sizes():
    graph = read(
        w.Graph(
            [w.node("NonZero", "x", "n"), w.node("Transpose", "n", "t"), w.node("Reshape", "x s", "r")],
            [w.value("x", ("N", 4)), w.value("s", (3,), w.INT64)], [w.value("t", None), w.value("r", None)],
        )
    )  # fmt: skip
    assert [row[1:] for row in rows(graph)[2:]] == [
        ("NonZero", "(2, nonzero)"), ("Transpose", "(nonzero, 2)"), ("Reshape", "(reshape_0, reshape_1, reshape_2)"),
    ]  # fmt: skip


def test_a_shape_as_output_is_a_node():
    graph = chain(
        w.node("Shape", "x", "s"), w.node("Add", "s one", "y"), initializers=[w.tensor("one", (), [1], w.INT64)]
    )
    assert rows(graph)[1:] == [("shape", "Shape", "(4,)"), ("add", "Add", "(4,)")]


def test_a_weight_as_output_is_a_constant():
    graph = read(w.Graph([], [], [w.value("w", (3, 4))], [w.tensor("w", (3, 4))]))
    assert rows(graph) == [("w", "Constant", "(3, 4)")]
    assert list(graph.parameters) == ["w"]


def test_not_onnx_is_not_taken(tmp_path):
    for name, data in (
        ("text", b"28x28x1 | flatten"),
        ("zip", b"PK\3\4abc"),
        ("empty", b""),
        ("png", b"\x89PNG\r\n"),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        assert not onnx.handles(path)
    assert onnx.handles(small(tmp_path / "anything.bin"))
    assert not onnx.handles(tmp_path / "missing.onnx")
    with pytest.raises(SourceError, match=r"missing\.onnx: cannot be read: No such file or directory"):
        onnx.read(tmp_path / "missing.onnx")
