"""ONNX files that are damaged, malicious or enormous: refused with the place, or read at the cost of their graph."""

import os
import random

import pytest

import onnx_writer as w
from layerscope import trace
from layerscope.core.errors import SourceError
from layerscope.core.sizes import MOST_FACTORS
from layerscope.sources import onnx
from layerscope.sources._onnx import wire
from test_architecture import probe
from test_onnx_files import CONV, WEIGHTS, small

MEGABYTES = 40
"""What reading a file may take, the interpreter included."""
HOSTILE_MEGABYTES = 200


def refused(data, name="bad.onnx"):
    with pytest.raises(SourceError) as error:
        onnx.read_bytes(data, name)
    return str(error.value)


def graph_of(*nodes, inputs=(), outputs=(), initializers=(), values=()):
    given = [*inputs] or [w.value("x", (2, 3))]
    return w.model(w.Graph(nodes, given, [*outputs] or [w.value("y", None)], initializers, values))


RELU = w.node("Relu", "x", "y")
DAMAGE = {
    "empty": (b"", "bad.onnx: the file is empty"),
    "no graph": (w.message((1, 8), (2, "tests")), "bad.onnx: not a readable ONNX file: there is no graph in it"),
    "no version": (
        w.message((7, w.Graph([RELU]).data)),
        "bad.onnx: its IR version is 0; known are versions of ONNX from 1 on",
    ),
    "cut off": (
        graph_of(RELU)[:40],
        "bad.onnx: not a readable ONNX file: a field of 51 bytes where 29 are left; it may be cut off (at byte 11)",
    ),
    "endless number": (
        b"\x08" + b"\xff" * 12,
        "bad.onnx: not a readable ONNX file: a number of more than ten bytes (at byte 11)",
    ),
    "number cut off": (b"\x08\x80", "bad.onnx: not a readable ONNX file: a number that is cut off (at byte 2)"),
    "group": (b"\x0b\x01", "bad.onnx: not a readable ONNX file: a field of wire type 3 (at byte 1)"),
    "field zero": (b"\x00\x01", "bad.onnx: not a readable ONNX file: a field of number 0 (at byte 2)"),
    "wrong wire type": (
        w.message((1, 8), (7, 3)),
        "not a readable ONNX file: the graph (field 7) has the wire type 0",
    ),
    "a text as a version": (
        w.message((1, "eight")),
        "bad.onnx: not a readable ONNX file: the IR version (field 1) has the wire type 2 (at byte 2)",
    ),
    "no text": (
        w.message((1, 8), (2, b"\xff\xfe")),
        "bad.onnx: not a readable ONNX file: a text that is not UTF-8 (at byte 4)",
    ),
    "nameless operator": (
        w.message((1, 8), (7, w.message((1, w.message((1, "x"), (2, "y")))))),
        "bad.onnx: not a readable ONNX file: a node '' without the name of its operator (at byte 6)",
    ),
    "negative size": (
        graph_of(RELU, initializers=[w.tensor("w", (3, -3))]),
        "bad.onnx: not a readable ONNX file: tensor 'w' has the negative size -3 (at byte 32)",
    ),
    "huge sizes": (
        graph_of(RELU, initializers=[w.tensor("w", (1 << 40, 1 << 40))]),
        f"bad.onnx: not a readable ONNX file: tensor 'w' has {1 << 80} elements (at byte 32)",
    ),
    "many axes": (
        graph_of(RELU, initializers=[w.tensor("w", (1,) * 65)]),
        "bad.onnx: not a readable ONNX file: tensor 'w' has more than 64 axes (at byte 34)",
    ),
    "unknown elements": (
        graph_of(RELU, initializers=[w.tensor("w", (3,), kind=77)]),
        "bad.onnx: not a readable ONNX file: tensor 'w' has elements of the unknown type 77 (at byte 32)",
    ),
    "too few elements": (
        graph_of(RELU, initializers=[w.tensor("w", (3,), [1, 2], w.INT64)]),
        "bad.onnx: not a readable ONNX file: tensor 'w' has 16 bytes for 3 of int64 (at byte 41)",
    ),
    "negative size of a value": (
        graph_of(RELU, inputs=[w.value("x", (2, -7))]),
        "bad.onnx: not a readable ONNX file: the negative size -7 (at byte 49)",
    ),
    "cycle": (
        graph_of(w.node("Add", "x b", "a", "first"), w.node("Relu", "a", "b", "second"), w.node("Relu", "b", "y")),
        "bad.onnx: node 'first' (Add) reads 'b', which node 'second' (Relu) makes only behind it: the nodes form a "
        "cycle, or are out of order",
    ),
    "dangling": (
        graph_of(w.node("Add", "x b", "y")),
        "bad.onnx: the node that makes 'y' (Add) reads 'b', which nothing makes",
    ),
    "missing output": (graph_of(w.node("Relu", "x", "z")), "bad.onnx: the output 'y' is made by no node"),
    "no outputs": (
        w.model(w.Graph([RELU], [w.value("x", (2, 3))])),
        "bad.onnx: the graph has no outputs",
    ),
    "made twice": (
        graph_of(RELU, w.node("Exp", "x", "y")),
        "bad.onnx: the node that makes 'y' (Exp) makes 'y', which something before it made already",
    ),
    "unknown rank": (
        graph_of(RELU, inputs=[w.value("x", None)]),
        "bad.onnx: the input 'x' has no shape in the file, not even the number of its axes; write one into it "
        "(onnx.helper.make_tensor_value_info) and try again",
    ),
    "sequence": (
        graph_of(RELU, inputs=[w.message((1, "x"), (2, w.message((4, w.message((1, w.kind_of((2,))))))))]),
        "bad.onnx: the input 'x' is a sequence, of which only the data say how many tensors are in it",
    ),
    "unknown operator": (
        graph_of(w.node("Mystery", "x", "y", "magic")),
        "bad.onnx: node 'magic' (Mystery): no operator of this name is known here; and the file does not state the "
        "shape of its output 'y'",
    ),
    "sizes that do not fit": (
        graph_of(w.node("MatMul", "x w", "y"), initializers=[w.tensor("w", (4, 5))]),
        None,
    ),
    "attributes that make no sense": (graph_of(w.node("Concat", "x x", "y", axis="two")), None),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(name):
    data, message = DAMAGE[name]
    found = refused(data)
    if message is None:
        assert found.startswith("bad.onnx: the node that makes 'y' ")
        assert found.endswith("; and the file does not state the shape of its output 'y'")
    else:
        assert found == message


def nested(depth):
    """Branches within branches."""
    inner = w.Graph([w.node("Relu", "x", "o")], [], [w.value("o", None)])
    for _ in range(depth):
        inner = w.Graph([w.node("If", "c", "o", then_branch=inner, else_branch=inner)], [], [w.value("o", None)])
    return w.model(
        w.Graph([w.node("If", "c", "y", then_branch=inner, else_branch=inner)], [w.value("x", (2,)), w.value("c", (), 9)],
                [w.value("y", None)])
    )  # fmt: skip


def test_deep_nesting_is_refused():
    inner = w.Graph([w.node("Relu", "x", "o")], [], [w.value("o", None)])
    for _ in range(40):
        inner = w.Graph([w.node("If", "c", "o", then_branch=inner)], [], [w.value("o", None)])
    found = refused(w.model(inner))
    assert found.startswith("bad.onnx: not a readable ONNX file: graphs or types nested more than 32 deep (at byte ")


def test_every_beginning_of_a_file_is_refused(tmp_path):
    data = small(tmp_path / "small.onnx").read_bytes()
    end = len(data) - len(w.field(8, w.opset()))
    for length in range(end):
        assert refused(data[:length])


def test_damaged_bytes_give_a_network_or_a_reason(tmp_path):
    data, dice = small(tmp_path / "small.onnx").read_bytes(), random.Random(0)
    outcomes = set()
    for _ in range(1500):
        changed = bytearray(data)
        for _ in range(dice.choice((1, 2, 4))):
            changed[dice.randrange(len(changed))] = dice.choice((0, 1, 127, 128, 255, dice.randrange(256)))
        try:
            onnx.read_bytes(bytes(changed), "bad.onnx")
            outcomes.add("read")
        except SourceError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


HOSTILE = {
    "repeated doubling of a size": [
        w.node("Shape", "x", "s0"),
        *(w.node("Mul", f"s{n} s{n}", f"s{n + 1}") for n in range(60)),
        w.node("Reshape", "x s60", "y"),
    ],
    "a range without end": [
        w.node("Constant", "", "c", value=w.tensor("", (3,), [0, 1 << 62, 1], w.INT64)),
        w.node("Split", "c", "a b d", axis=0, num_outputs=3),
        w.node("Range", "a b d", "r"),
        w.node("Expand", "x r", "y"),
    ],
    "huge powers": [
        w.node("Constant", "", "c", value_int=9),
        w.node("Pow", "c c", "d"),
        w.node("Pow", "d d", "e"),
        w.node("ConstantOfShape", "e", "y"),
    ],
    "many parts": [w.node("SplitToSequence", "x one", "s", axis=0), w.node("SequenceAt", "s one", "y")],
    "tiles of nothing": [
        w.node("Constant", "", "c", value=w.tensor("", (2,), [0, 1 << 60], w.INT64)),
        w.node("ConstantOfShape", "c", "e", value=w.tensor("", (1,), [1], w.INT64)),
        w.node("Tile", "e c", "t"),
        w.node("Transpose", "t", "u"),
        w.node("Add", "u u", "y"),
    ],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_take_little_memory(name, tmp_path):
    path = tmp_path / "bad.onnx"
    one = w.tensor("one", (), [1], w.INT64)
    graph = w.Graph(HOSTILE[name], [w.value("x", (1 << 40, "N", "M"))], [w.value("y", None)], [one])
    path.write_bytes(w.model(graph))
    code = f"from layerscope import cli; cli.main(['trace', {str(path)!r}])"
    count, first, megabytes = probe(f"with contextlib.redirect_stderr(io.StringIO()): {code}")
    assert count == 0, first
    assert megabytes < HOSTILE_MEGABYTES


def test_sizes_that_are_squared_again_and_again_stay_short():
    nodes, last = [], "x"
    for number in range(60):
        nodes += [
            w.node("Shape", last, f"shape{number}"),
            w.node("Mul", f"shape{number} shape{number}", f"square{number}"),
            w.node("Expand", f"one square{number}", f"wide{number}"),
        ]
        last = f"wide{number}"
    graph = w.Graph(nodes, [w.value("x", ("n",))], [w.value(last, None)], [w.tensor("one", (), [1.0])])
    found = trace(onnx.read_bytes(w.model(graph), "net.onnx"))
    assert max(len(row["output_shape"][0]) for row in found.layers) < 10 * MOST_FACTORS


def test_branches_in_branches_are_read_once():
    graph = onnx.read_bytes(nested(6), "deep.onnx")
    assert len(graph.nodes) == 2 + 2 * (1 << 7) - 1


def enormous(path, size):
    """A network whose one weight has `size` bytes in the file: a hole, which takes no room on the disk."""
    tail = w.message(
        (1, [CONV, w.node("Relu", "c", "y")]), (11, w.value("x", ("N", 3, 8, 8))), (12, w.value("y", None))
    )
    head = w.message((1, [size // 4]), (2, w.FLOAT), (8, "ballast")) + w.varint(9 << 3 | 2) + w.varint(size)
    tensors = w.message((5, WEIGHTS))
    opening = w.varint(5 << 3 | 2) + w.varint(len(head) + size) + head
    length = len(tensors) + len(opening) + size + len(tail)
    with open(path, "wb") as file:
        file.write(w.message((1, 8), (8, w.opset())) + w.varint(7 << 3 | 2) + w.varint(length) + tensors + opening)
        file.seek(size, os.SEEK_CUR)
        file.write(tail)
    return path


@pytest.mark.parametrize("gigabytes", [0, 5])
def test_a_file_of_several_gigabytes_costs_megabytes(gigabytes, tmp_path):
    path = enormous(tmp_path / "huge.onnx", max(gigabytes << 30, 4))
    assert os.path.getsize(path) > gigabytes << 30
    code = f"from layerscope import cli; assert cli.main(['trace', {str(path)!r}]) == 0"
    count, first, megabytes = probe(code)
    assert count == 0, first
    assert megabytes < MEGABYTES


def test_of_an_enormous_file_only_the_graph_is_read(tmp_path, monkeypatch):
    path, asked = enormous(tmp_path / "huge.onnx", 3 << 30), []
    read = os.read
    monkeypatch.setattr(wire.os, "read", lambda file, count: asked.append(count) or read(file, count))
    graph = onnx.read(path)
    assert [node.label for node in graph.nodes] == ["x", "layer1/0/conv1", "relu"]
    assert sum(asked) < 100_000


def test_external_data_is_not_looked_for(tmp_path):
    path = tmp_path / "external.onnx"
    weight = w.tensor("w", (50_000, 50_000), external=True)
    graph = w.Graph([w.node("MatMul", "x w", "y")], [w.value("x", ("N", 50_000))], [w.value("y", None)], [weight])
    path.write_bytes(w.model(graph))
    assert onnx.read(path).parameters["w"].size == 2_500_000_000
