"""Weights of ONNX files that nodes move, cast or dequantise before they are read, and states that are none."""

import pytest

import layerscope as ls
import onnx_writer as w


def read(nodes, given, initializers, tmp_path=None, outputs=("y",)):
    data = w.model(w.Graph(nodes, [w.value("x", given)], [w.value(name, None) for name in outputs], initializers))
    if tmp_path is None:
        return ls.trace(ModelProto(data))
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    return ls.trace(path)


class ModelProto:
    """What an onnx.ModelProto has that is asked of it."""

    def __init__(self, data):
        self.data = data

    def SerializeToString(self):
        return self.data


def numbers(name, *items):
    return w.tensor(name, (len(items),), items, w.INT64)


def kinds(trace):
    return [node.layer.kind for node in trace.graph.nodes[1:]]


def weights(trace):
    return {row.id: (row.shape, row.dtype, row.trainable) for row in trace.graph.parameters.values()}


def test_a_transposed_weight_is_the_weight_of_the_product_that_reads_it():
    trace = read(
        [w.node("Transpose", "weight", "turned", perm=[1, 0]), w.node("MatMul", "x turned", "y")],
        ("N", 64),
        [w.tensor("weight", (10, 64))],
    )
    assert kinds(trace) == ["MatMul"]
    step = trace.journey.steps[1]
    assert str(step.outputs[0]) == "(batch, 10)"
    assert (step.weights, step.parameters, step.macs) == ({"B": (10, 64)}, 640, 640)
    memory = trace.journey.memory
    assert (memory.weights, memory.inputs, memory.outputs, memory.peak) == (2560, 256, 40, 296)
    assert memory.layers[1].saved == 256  # the input, for the gradient of the weight


CHAINS = [
    ([w.node("Reshape", "v shape", "m")], [w.tensor("v", (640,)), numbers("shape", 64, 10)], ("v", (640,), "float32")),
    ([w.node("Cast", "v", "m", to=1)], [w.tensor("v", (64, 10), kind=w.FLOAT16)], ("v", (64, 10), "float16")),
    (
        [w.node("Unsqueeze", "v axes", "a"), w.node("Squeeze", "a axes", "b"), w.node("Identity", "b", "c"),
         w.node("Transpose", "c", "m")],
        [w.tensor("v", (10, 64)), numbers("axes", 0)],
        ("v", (10, 64), "float32"),
    ),
    (
        [w.node("Slice", "v from to axes", "m")],
        [w.tensor("v", (64, 30)), numbers("from", 10), numbers("to", 20), numbers("axes", 1)],
        ("v", (64, 30), "float32"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("nodes", "stored", "parameter"), CHAINS)
def test_what_only_moves_a_weight_vanishes(nodes, stored, parameter):
    trace = read([*nodes, w.node("MatMul", "x m", "y")], ("N", 64), stored)
    assert kinds(trace) == ["MatMul"]
    assert str(trace.journey.steps[1].outputs[0]) == "(batch, 10)"
    id, shape, dtype = parameter
    assert weights(trace) == {id: (shape, dtype, True)}
    assert trace.journey.steps[1].macs == 640


def test_parts_of_one_weight_are_one_parameter():
    """The projections of an attention, stored side by side and split: counted whole, where they are first read."""
    trace = read(
        [
            w.node("Split", "all lengths", "q k", axis=0),
            w.node("Transpose", "q", "qt"),
            w.node("Transpose", "k", "kt"),
            w.node("MatMul", "x qt", "a"),
            w.node("MatMul", "x kt", "b"),
            w.node("Add", "a b", "y"),
        ],
        ("N", 8),
        [w.tensor("all", (16, 8)), numbers("lengths", 8, 8)],
    )
    assert kinds(trace) == ["MatMul", "MatMul", "Add"]
    assert weights(trace) == {"all": ((16, 8), "float32", True)}
    assert [(row.parameters, row.shared, row.macs) for row in trace.journey.steps[1:]] == [
        (128, False, 64), (128, True, 64), (0, False, 0),
    ]  # fmt: skip
    assert trace.journey.cost.parameters == 128


def test_a_weight_put_together_of_several_has_all_of_them():
    trace = read(
        [
            w.node("Concat", "one two", "both", axis=0),
            w.node("Transpose", "both", "m"),
            w.node("MatMul", "x m", "y"),
        ],
        ("N", 8),
        [w.tensor("one", (3, 8)), w.tensor("two", (4, 8))],
    )
    assert kinds(trace) == ["MatMul"]
    assert trace.journey.steps[1].weights == {"B": (3, 8), "B.input_1": (4, 8)}
    assert (trace.journey.cost.parameters, trace.journey.cost.macs) == (56, 56)


def test_rows_in_another_order_are_each_weight_once():
    """As PyTorch's gates i, f, g, o come to ONNX's order i, o, f, g, and then both directions behind each other."""
    nodes, cut = [], [numbers(f"n{n}", n) for n in range(0, 25, 5)]
    for name in ("one", "two"):
        nodes += [w.node("Slice", f"{name} n{n} n{n + 5} n0", f"{name}{n}") for n in range(0, 20, 5)]
        nodes.append(w.node("Concat", f"{name}0 {name}15 {name}5 {name}10", f"{name}_turned", axis=0))
        nodes.append(w.node("Unsqueeze", f"{name}_turned n0", f"{name}_deep"))
    nodes += [w.node("Concat", "one_deep two_deep", "W", axis=0)]
    nodes += [w.node("Unsqueeze", f"{name} n0", f"{name}_deep") for name in ("three", "four", "five", "six")]
    nodes += [w.node("Concat", "three_deep four_deep", "first", axis=1)]
    nodes += [w.node("Concat", "five_deep six_deep", "second", axis=1)]
    nodes += [w.node("Concat", "first second", "B", axis=0)]
    nodes += [w.node("LSTM", "x W R B", "y", hidden_size=5, direction="bidirectional")]
    shapes = {
        "one": (20, 3),
        "two": (20, 3),
        "R": (2, 20, 5),
        "three": (20,),
        "four": (20,),
        "five": (20,),
        "six": (20,),
    }
    trace = read(nodes, (7, "N", 3), [*cut, *(w.tensor(name, shape) for name, shape in shapes.items())])
    assert kinds(trace) == ["LSTM"]
    assert trace.journey.steps[1].weights == {
        "W": (20, 3), "W.input_1": (20, 3), "R": (2, 20, 5),
        "B": (20,), "B.input_1": (20,), "B.input_1_2": (20,), "B.input_1_3": (20,),
    }  # fmt: skip
    assert trace.journey.cost.parameters == 2 * 60 + 200 + 80


QUANTISED = [
    [w.node("DequantizeLinear", "bytes scale", "f", axis=0), w.node("Transpose", "f", "m")],
    [w.node("Transpose", "bytes", "t"), w.node("DequantizeLinear", "t scale", "m", axis=1)],
]


@pytest.mark.parametrize("nodes", QUANTISED)
def test_a_dequantised_weight_is_stored_in_bytes_with_its_scales(nodes):
    trace = read(
        [*nodes, w.node("MatMul", "x m", "y")],
        ("N", 64),
        [w.tensor("bytes", (10, 64), kind=w.INT8), w.tensor("scale", (10,))],
    )
    assert kinds(trace) == ["MatMul"]
    assert weights(trace)["bytes"] == ((10, 64), "int8", False)
    assert weights(trace)["scale"][:2] == ((10,), "float32")
    step = trace.journey.steps[1]
    assert (step.parameters, step.macs, step.outputs[0].dtype) == (650, 640, "float32")
    assert trace.journey.memory.weights == 640 + 40


def test_a_moved_weight_of_whole_numbers_is_one_where_it_is_read_as_one():
    product = w.node("MatMulInteger", "x t", "y")
    nodes, stored = [w.node("Transpose", "bytes", "t"), product], [w.tensor("bytes", (10, 64), kind=w.INT8)]
    data = w.model(w.Graph(nodes, [w.value("x", ("N", 64), w.INT8)], [w.value("y", None)], stored))
    trace = ls.trace(ModelProto(data))
    assert kinds(trace) == ["MatMulInteger"]
    assert weights(trace) == {"bytes": ((10, 64), "int8", False)}


def test_what_the_data_decide_about_a_weight_stays_a_node():
    """So does what computes with weights: only what gives them another form is part of them."""
    trace = read(
        [w.node("Shape", "x", "s"), w.node("Expand", "token s", "e"), w.node("Mul", "weight weight", "m"),
         w.node("MatMul", "e m", "y")],
        ("N", 8),
        [w.tensor("token", (1, 8)), w.tensor("weight", (8, 8))],
    )  # fmt: skip
    assert [node.layer.kind for node in trace.graph.nodes] == ["Expand", "Mul", "MatMul"]
    assert trace.journey.cost.parameters == 72


def test_a_moved_weight_as_output_is_a_constant():
    trace = read(
        [w.node("Transpose", "weight", "z"), w.node("Relu", "x", "y")],
        ("N", 8),
        [w.tensor("weight", (3, 8))],
        outputs=("y", "z"),
    )
    assert kinds(trace) == ["Relu", "Constant"]
    assert str(trace.journey.steps[2].outputs[0]) == "(8, 3)"
    assert weights(trace) == {"weight": ((3, 8), "float32", True)}


def test_a_malformed_move_says_so():
    with pytest.raises(ls.LayerscopeError) as caught:
        read(
            [w.node("Reshape", "v shape", "m", "broken"), w.node("MatMul", "x m", "y")],
            ("N", 64),
            [w.tensor("v", (641,)), numbers("shape", 64, 10)],
        )
    assert "broken" in str(caught.value)
    assert "641" in str(caught.value)


def test_saved_as_json_it_is_the_same_network(tmp_path):
    trace = read(
        [w.node("DequantizeLinear", "bytes scale", "f", axis=0), w.node("Transpose", "f", "m"),
         w.node("MatMul", "x m", "y")],
        ("N", 64),
        [w.tensor("bytes", (10, 64), kind=w.INT8), w.tensor("scale", (10,))],
        tmp_path,
    )  # fmt: skip
    trace.save(tmp_path / "net.json")
    again = ls.trace(tmp_path / "net.json")
    assert again.to_json() == trace.to_json()
    assert again.graph.parameters == trace.graph.parameters


# --- states that recurrent operators start from ---

CELL = [w.tensor("W", (1, 20, 3)), w.tensor("R", (1, 20, 5))]
COUNT = 20 * 3 + 20 * 5
ZEROS = [0.0] * 5


def sequence(nodes, *, node="LSTM", fed="x W R - - h c", extra=(), outputs=("y",), cell=CELL):
    made = w.node(node, fed, "y", hidden_size=5)
    return read([*nodes, made], (7, "N", 3), [*cell, *extra], outputs=outputs)


SIZES = [
    w.node("Shape", "x", "s", start=1, end=2),
    w.node("Concat", "one s five", "dims", axis=0),
]
DIMS = [numbers("one", 1), numbers("five", 5)]


def constant(name):
    return w.node("Constant", "", name, value=w.tensor("", (1, 1, 5), ZEROS))


@pytest.mark.parametrize(
    ("nodes", "extra"),
    [
        ([constant("z"), *SIZES, w.node("Expand", "z dims", "h"), w.node("Expand", "z dims", "c")], DIMS),
        ([*SIZES, w.node("Expand", "z dims", "h"), w.node("Identity", "h", "c")], [*DIMS, w.tensor("z", (1, 1, 5))]),
        ([*SIZES, w.node("ConstantOfShape", "dims", "h"), w.node("ConstantOfShape", "dims", "c")], DIMS),
        ([], [w.tensor("h", (1, 2, 5)), w.tensor("c", (1, 2, 5))]),
        (
            [w.node("Unsqueeze", "z one0", "u"), *SIZES, w.node("Expand", "u dims", "h"), w.node("Expand", "u dims", "c")],
            [*DIMS, numbers("one0", 0), w.tensor("z", (1, 5), [0.0] * 5)],
        ),
    ],
)  # fmt: skip
def test_a_state_to_start_from_is_no_parameter(nodes, extra):
    trace = sequence(nodes, extra=extra)
    assert (trace.journey.cost.parameters, sorted(weights(trace))) == (COUNT, ["R", "W"])


def test_so_it_is_for_a_gru():
    gates = [w.tensor("W", (1, 15, 3)), w.tensor("R", (1, 15, 5))]
    nodes = [constant("z"), *SIZES, w.node("Expand", "z dims", "h")]
    trace = sequence(nodes, node="GRU", fed="x W R - - h", extra=DIMS, cell=gates)
    assert (trace.journey.cost.parameters, sorted(weights(trace))) == (15 * 3 + 15 * 5, ["R", "W"])


def test_a_tensor_that_something_else_reads_too_is_a_weight():
    nodes = [*SIZES, w.node("Expand", "z dims", "h"), w.node("Mul", "h h", "other")]
    trace = sequence(nodes, fed="x W R - - h", extra=[*DIMS, w.tensor("z", (1, 1, 5))], outputs=("y", "other"))
    assert weights(trace)["z"] == ((1, 1, 5), "float32", True)
    trace = sequence([], fed="x W R - - h", extra=[w.tensor("h", (1, 2, 5))], outputs=("y", "h"))
    assert weights(trace)["h"] == ((1, 2, 5), "float32", True)
