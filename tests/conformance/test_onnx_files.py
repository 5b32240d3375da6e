"""All of ONNX's backend tests: read with the recorded shapes, or refused with a reason; PyTorch's exports; binding."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from layerscope import trace
from layerscope.core import propagate
from layerscope.sources import json as graph_json
from layerscope.sources import onnx as source
from layerscope.sources._onnx import parse, wire
from layerscope.sources._onnx.structures import DTYPES, Tensor

from . import onnx_backend

PAGE = Path(__file__).parents[2] / "docs" / "onnx.md"
REASONS = [
    r"the input '\w+' is a sequence, of which only the data say how many tensors are in it",
    r"the input '\w+' is optional, and only the data say whether it is there",
    r".* \((\w+)\): [^;]*; and the file does not state the shape of its output '.*'",
    r".* \(If\): what it carries or gives is once \S+ \w+, once \S+ \w+",
    r".* \(If\): its branches give other numbers of tensors",
    r".* \(Scan\): the Scan of operator set 8, with its batch axis, is not described here",
    r".* \(SplitToSequence\): how long its parts are is known only when the network runs",
    r".* \(SplitToSequence\): the sum of \(0, 0, 0\) is 0, but the axis is batch",
]
"""Everything for which a backend test may be refused."""


@pytest.fixture(scope="module")
def verdicts():
    """What reading each case gives, by kind of case and way of reading."""
    found = {}
    for case in onnx_backend.cases():
        found.setdefault((case.kind, "as it is"), []).append((case, onnx_backend.judge(case)))
        stored = onnx_backend.stored(case) if case.inputs else None
        if stored is not None:
            found.setdefault((case.kind, "stored"), []).append((stored, onnx_backend.judge(stored)))
    return found


def test_no_recorded_shape_is_missed(verdicts):
    wrong = [(case.name, v.detail) for found in verdicts.values() for case, v in found if v.status == "wrong"]
    assert wrong == []


def test_what_is_refused_has_one_of_few_reasons(verdicts):
    details = [v.detail for found in verdicts.values() for _, v in found if v.status == "refused"]
    assert [d for d in details if not any(re.fullmatch(reason, d, re.DOTALL) for reason in REASONS)] == []


def test_the_page_counts_what_is_read(verdicts):
    """The table of docs/onnx.md; `python tests/conformance/onnx_backend.py --write` brings it up to date."""
    counted = onnx_backend.table({key: [v for _, v in found] for key, found in verdicts.items()})
    assert onnx_backend.page_table(PAGE.read_text("utf-8")) == counted


def test_well_known_networks_are_read_to_the_last_node(verdicts):
    found = verdicts["light", "as it is"]
    assert Counter(v.status for _, v in found) == {"exact": 9}
    assert sum(v.opaque for _, v in found) == 0


@pytest.mark.parametrize(("name", "macs"), [("resnet50", 4_089_184_256), ("vgg19", 19_632_062_464)])
def test_macs_of_well_known_networks(name, macs):
    assert trace(onnx_backend.DATA / "light" / f"light_{name}.onnx").totals["macs"] == macs


def test_the_parser_reads_what_onnx_writes():
    """Every tensor, attribute and type of the backend tests, field by field against onnx's own parser."""
    count = 0
    for case in onnx_backend.cases():
        mine = parse.model(wire.Memory(case.model.SerializeToString(), case.name))
        assert mine.ir_version == case.model.ir_version
        assert mine.opsets == {o.domain.replace("ai.onnx", "") if o.domain == "ai.onnx" else o.domain: o.version
                               for o in case.model.opset_import}  # fmt: skip
        count += same_graph(mine.graph, case.model.graph)
    assert count > 4000


def same_graph(mine, graph):
    assert [(n.op, list(n.inputs), list(n.outputs)) for n in mine.nodes] == [
        (n.op_type, list(n.input), list(n.output)) for n in graph.node
    ]
    assert [name for name, _ in mine.inputs] == [info.name for info in graph.input]
    stored = [t for t in mine.initializers if t.name in {s.name for s in graph.initializer}]
    for tensor, given in zip(stored, graph.initializer, strict=True):
        same_tensor(tensor, given)
    for node, given in zip(mine.nodes, graph.node, strict=True):
        for attribute in given.attribute:
            if not attribute.ref_attr_name:
                same_value(node.attributes[attribute.name], helper.get_attribute_value(attribute))
    return len(mine.nodes)


def same_value(mine, given):
    if isinstance(given, onnx.TensorProto):
        same_tensor(mine, given)
    elif isinstance(given, onnx.GraphProto):
        same_graph(mine, given)
    elif isinstance(given, bytes):
        assert mine == given.decode("utf-8", "replace")
    elif isinstance(given, int | float):
        assert mine == given
    elif isinstance(given, list):
        assert len(mine) == len(given)
        for one, other in zip(mine, given, strict=True):
            same_value(one, other)


def same_tensor(mine: Tensor, given):
    assert mine.dims == tuple(given.dims)
    assert mine.dtype == DTYPES[given.data_type]
    if mine.numbers is not None and given.data_type != TensorProto.STRING:
        np.testing.assert_array_equal(np.array(mine.numbers), numpy_helper.to_array(given).ravel().astype(np.float64))


@pytest.mark.parametrize("kind", ["float_data", "int32_data", "int64_data", "double_data", "uint64_data"])
def test_payloads_in_fields_of_their_own(kind):
    """The typed fields of a payload, packed or not, beside raw bytes."""
    codes = {
        "float_data": (TensorProto.FLOAT, [1.5, -2.0]), "double_data": (TensorProto.DOUBLE, [0.1, 7.0]),
        "int32_data": (TensorProto.INT32, [-3, 5]), "int64_data": (TensorProto.INT64, [-(1 << 40), 5]),
        "uint64_data": (TensorProto.UINT64, [1 << 63, 5]),
    }  # fmt: skip
    code, numbers = codes[kind]
    tensor = helper.make_tensor("w", code, (2,), numbers)
    assert len(getattr(tensor, kind)) == 2
    graph = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["y"])], "g", [], [helper.make_empty_tensor_value_info("y")], [tensor]
    )
    model = helper.make_model(graph)
    read = parse.model(wire.Memory(model.SerializeToString(), "m"))
    assert read.graph.initializers[0].numbers == tuple(numbers)


def test_halves_in_int32_data():
    """float16 and bfloat16 are stored as their bits."""
    for code, bits in ((TensorProto.FLOAT16, 0x3E00), (TensorProto.BFLOAT16, 0x3FC0)):
        tensor = TensorProto(name="w", data_type=code, dims=[1], int32_data=[bits])
        graph = onnx.GraphProto(initializer=[tensor])
        found = parse.model(wire.Memory(onnx.ModelProto(ir_version=8, graph=graph).SerializeToString(), "m"))
        assert found.graph.initializers[0].numbers == (1.5,)


def test_a_model_in_memory_is_read_like_its_file(tmp_path):
    case = next(onnx_backend.cases("light"))
    onnx.save(case.model, tmp_path / "model.onnx")
    assert source.handles(case.model)
    one, other = source.read(case.model), source.read(tmp_path / "model.onnx")
    assert [n.label for n in one.nodes] == [n.label for n in other.nodes]
    assert propagate.output_types(one) == propagate.output_types(other)


def test_networks_saved_as_json_are_the_same(verdicts):
    """Every fourth case that can be read and has an input: labels, types, costs and parameters survive."""
    count = 0
    for case, verdict in [pair for found in verdicts.values() for pair in found][::4]:
        if verdict.status == "refused":
            continue
        graph = source.read_bytes(case.model.SerializeToString(), case.name)
        if not graph.inputs:
            continue
        again = graph_json.load(json.loads(json.dumps(graph_json.dump(graph))))
        assert facts(again) == facts(graph), case.name
        assert again.parameters == graph.parameters, case.name
        count += 1
    assert count > 500


def facts(graph):
    types = propagate.types(graph)
    nodes = zip(graph.nodes, types, propagate.fed_types(graph, types), strict=True)
    return [(n.label, n.layer.kind, out, n.layer.macs(*fed), n.layer.operations(*fed)) for n, out, fed in nodes]
