"""ONNX files with functions, conditions, loops and sequences, read without onnx."""

import pytest

import onnx_writer as w
from layerscope import trace
from layerscope.core.errors import SourceError
from test_onnx_files import read, rows

X = w.value("x", ("N", 4))
Y = w.value("y", None)
SMALL, LARGE = w.tensor("small", (4, 4)), w.tensor("large", (4, 4))


def branch(*nodes, out="o", initializers=(), inputs=(), more=()):
    return w.Graph(nodes, inputs, [w.value(out, None), *more], initializers)


THEN = branch(w.node("MatMul", "x small", "o", "product"), initializers=[SMALL])
ELSE = branch(w.node("MatMul", "x large", "p"), w.node("MatMul", "p large", "o"), initializers=[LARGE])


def test_functions_stand_in_the_scope_of_their_call():
    twice = w.function(
        "Twice", "my.own", "a k", "c",
        [w.node("Add", "a k", "b"), w.node("LeakyRelu", "b", "c", alpha=0.5)], ["alpha"],
    )  # fmt: skip
    graph = read(
        w.Graph(
            [w.node("Twice", "x -", "z", "block", "my.own"), w.node("Twice", "z b", "y", "", "my.own")],
            [X], [Y], [w.tensor("b", (4,))],
        ),
        functions=[twice], domains=["my.own"],
    )  # fmt: skip
    assert [row[:2] for row in rows(graph)][1:] == [
        ("block/add", "Add"), ("block/leaky_relu", "LeakyRelu"), ("Twice/add", "Add"), ("Twice/leaky_relu", "LeakyRelu"),
    ]  # fmt: skip


def test_a_function_that_calls_itself_is_refused():
    body = w.function("F", "my.own", "a", "b", [w.node("F", "a", "b", "", "my.own")])
    with pytest.raises(SourceError) as refused:
        read(w.Graph([w.node("F", "x", "y", "", "my.own")], [X], [Y]), functions=[body], domains=["my.own"])
    assert str(refused.value) == "net.onnx: the function 'F' calls itself"


def test_functions_that_double_are_refused_before_they_are_read():
    functions = [
        w.function(f"F{n}", "my.own", "a", "c", [
            w.node(f"F{n + 1}", "a", "b", "", "my.own"), w.node(f"F{n + 1}", "b", "c", "", "my.own")
        ])
        for n in range(25)
    ]  # fmt: skip
    functions.append(w.function("F25", "my.own", "a", "c", [w.node("Relu", "a", "c")]))
    with pytest.raises(SourceError) as refused:
        read(w.Graph([w.node("F0", "x", "y", "", "my.own")], [X], [Y]), functions=functions, domains=["my.own"])
    assert str(refused.value) == (
        "net.onnx: 100663295 nodes, with those of functions in place of each call; at most 300000 are read"
    )


def test_of_two_branches_the_one_with_fewer_macs_counts():
    graph = read(
        w.Graph(
            [w.node("If", "c", "z", "choice", then_branch=THEN, else_branch=ELSE), w.node("Relu", "z", "y")],
            [X, w.value("c", (), w.BOOL)], [Y],
        )
    )  # fmt: skip
    assert rows(graph)[2:] == [
        ("choice/then/product", "MatMul", "(batch, 4)"),
        ("choice/else/mat_mul", "MatMul", "(batch, 4)"),
        ("choice/else/mat_mul_1", "MatMul", "(batch, 4)"),
        ("choice", "If", "(batch, 4)"),
        ("relu", "Relu", "(batch, 4)"),
    ]
    found = trace(graph)
    assert [row["macs"] for row in found.layers][2:] == [16, None, None, None, 0]
    assert (found.totals["macs"], found.totals["at_least"], found.totals["parameters"]) == (16, True, 32)


def test_a_condition_that_follows_from_sizes_is_decided():
    graph = read(
        w.Graph(
            [w.node("Size", "x", "n"), w.node("Greater", "n zero", "c"),
             w.node("If", "c", "y", then_branch=THEN, else_branch=ELSE)],
            [X], [Y], [w.tensor("zero", (), [0], w.INT64)],
        )
    )  # fmt: skip
    assert rows(graph)[1:] == [("if/then/product", "MatMul", "(batch, 4)")]


def loop(body, count, condition="on", given="x", outputs="y"):
    return read(
        w.Graph(
            [w.node("Loop", f"{count} {condition} {given}", outputs, "again", body=body)],
            [X, w.value("open", (), w.INT64)], [w.value(name, None) for name in outputs.split()],
            [w.tensor("three", (), [3], w.INT64), w.tensor("on", (), [True], w.BOOL)],
        )
    )  # fmt: skip


STEP = branch(
    w.node("Identity", "going", "still"), w.node("MatMul", "state small", "next"), w.node("ReduceSum", "next", "sum"),
    out="still", initializers=[SMALL], more=[w.value("next", None), w.value("sum", None)],
    inputs=[w.value("turn", (), w.INT64), w.value("going", (), w.BOOL), w.value("state", None)],
)  # fmt: skip


def test_a_loop_counts_as_often_as_it_runs():
    graph = loop(STEP, "three", outputs="y sums")
    assert rows(graph)[1:] == [
        ("again/body/mat_mul", "MatMul", "(batch, 4)"),
        ("again/body/reduce_sum", "ReduceSum", "(1, 1)"),
        ("again", "Loop", "(batch, 4) (3, 1, 1)"),
    ]
    assert (trace(graph).totals["macs"], trace(graph).totals["at_least"]) == (48, False)


def test_a_loop_of_open_length_counts_once_and_says_at_least():
    graph = loop(STEP, "open", outputs="y sums")
    assert rows(graph)[-1] == ("again", "Loop", "(batch, 4) (trip_count, 1, 1)")
    assert (trace(graph).totals["macs"], trace(graph).totals["at_least"]) == (16, True)


def test_a_size_that_grows_in_a_loop_is_open():
    grow = branch(
        w.node("Identity", "going", "still"), w.node("Concat", "state x", "next", axis=1),
        out="still", more=[w.value("next", None)],
        inputs=[w.value("turn", (), w.INT64), w.value("going", (), w.BOOL), w.value("state", None)],
    )  # fmt: skip
    assert rows(loop(grow, "three"))[1:] == [
        ("again/carried_0", "Loop", "(batch, carried_0_1)"),
        ("again/body/concat", "Concat", "(batch, carried_0_1 + 4)"),
        ("again", "Loop", "(batch, carried_0_1)"),
    ]


def test_scan_counts_once_for_each_row():
    body = branch(
        w.node("MatMul", "row small", "r"), w.node("Add", "state r", "next"),
        out="next", initializers=[SMALL], more=[w.value("r", None)],
        inputs=[w.value("state", None), w.value("row", None)],
    )  # fmt: skip
    graph = read(
        w.Graph(
            [w.node("Scan", "start x", "last y", "scan", body=body, num_scan_inputs=1)],
            [w.value("x", ("time", 5, 4)), w.value("start", (5, 4))], [w.value("last", None), Y],
        )
    )  # fmt: skip
    assert rows(graph)[2:] == [
        ("scan/element", "Scan", "(5, 4)"),
        ("scan/body/mat_mul", "MatMul", "(5, 4)"),
        ("scan/body/add", "Add", "(5, 4)"),
        ("scan", "Scan", "(5, 4) (time, 5, 4)"),
    ]
    assert trace(graph).to_json()["totals"]["macs"] == "80·time"


def test_sequences_are_followed_part_by_part():
    body = branch(w.node("Relu", "part", "o"), inputs=[w.value("part", None)])
    graph = read(
        w.Graph(
            [
                w.node("SplitToSequence", "x one", "s", axis=1),
                w.node("SequenceLength", "s", "n"),
                w.node("SequenceMap", "s", "t", body=body),
                w.node("SequenceErase", "t minus", "u"),
                w.node("SequenceInsert", "u x", "v"),
                w.node("ConcatFromSequence", "v", "w", axis=1),
                w.node("Expand", "n target", "k"),
                w.node("Optional", "w", "some"),
                w.node("OptionalGetElement", "some", "y"),
            ],
            [w.value("x", ("N", 3))], [Y, w.value("k", None)],
            [w.tensor("one", (), [1], w.INT64), w.tensor("minus", (), [-1], w.INT64), w.tensor("target", (1,), [2], w.INT64)],
        )
    )  # fmt: skip
    assert [row[1:] for row in rows(graph)][1:5] == [
        ("SplitToSequence", "(batch, 1) (batch, 1) (batch, 1)"), ("Relu", "(batch, 1)"), ("Relu", "(batch, 1)"),
        ("ConcatFromSequence", "(batch, 5)"),
    ]  # fmt: skip
