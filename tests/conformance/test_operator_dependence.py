"""What any operator of ONNX reads, against ONNX Runtime: change one element of an input, and see which outputs change.

A relation must never miss a dependence. Where an operator reads a box (most do), it must be that box and no more.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from layerscope.core.reach import Everything, Fixed, Indices

from .operator_oracle import operation

RNG = np.random.default_rng(5)


def some(*shape: int) -> np.ndarray:
    return RNG.uniform(0.5, 1.5, shape).astype("float32")


def eye_grid() -> np.ndarray:
    return RNG.uniform(-0.9, 0.9, (1, 2, 2, 2)).astype("float32")


LSTM = [some(1, 8, 3), some(1, 8, 2), some(1, 16)]
EXACT = {
    "MatMul": ("MatMul", [some(2, 3, 4), some(4, 2)], [], {}),
    "MatMul of a stack": ("MatMul", [some(2, 1, 3, 2), some(3, 2, 2)], [], {}),
    "MatMul of vectors": ("MatMul", [some(4), some(4)], [], {}),
    "MatMul of a row": ("MatMul", [some(4), some(2, 4, 3)], [], {}),
    "Gemm": ("Gemm", [some(3, 4), some(2, 3), some(2)], [], {"transA": 1, "transB": 1}),
    "Einsum": ("Einsum", [some(2, 3, 4), some(2, 5, 4)], [], {"equation": "bik,bjk->bij"}),
    "Einsum, transposed": ("Einsum", [some(2, 3), some(3, 4)], [], {"equation": "ij,jk->ki"}),
    "Einsum of a sum": ("Einsum", [some(2, 3, 4)], [], {"equation": "ijk->ki"}),
    "Add": ("Add", [some(2, 3, 4), some(3, 1)], [], {}),
    "Sum": ("Sum", [some(3), some(2, 3), some(1)], [], {}),
    "Softmax": ("Softmax", [some(2, 3, 4)], [], {"axis": 1}),
    "LogSoftmax": ("LogSoftmax", [some(2, 3)], [], {}),
    "LayerNormalization": ("LayerNormalization", [some(2, 3, 4)], [some(3, 4), some(3, 4)], {"axis": 1}),
    "InstanceNormalization": ("InstanceNormalization", [some(2, 2, 5)], [some(2), some(2)], {}),
    "BatchNormalization": ("BatchNormalization", [some(2, 3, 2)], [some(3), some(3), some(3), some(3)], {}),
    "LpNormalization": ("LpNormalization", [some(2, 3, 2)], [], {"axis": 1}),
    "MeanVarianceNormalization": ("MeanVarianceNormalization", [some(2, 3, 2, 2)], [], {}),
    "LRN": ("LRN", [some(1, 6, 2, 2)], [], {"size": 3}),
    "ReduceMean": ("ReduceMean", [some(2, 3, 4)], [np.array([1], "int64")], {}),
    "ReduceL2": ("ReduceL2", [some(2, 3, 4)], [np.array([0, -1], "int64")], {"keepdims": 0}),
    "GlobalAveragePool": ("GlobalAveragePool", [some(2, 3, 2, 2)], [], {}),
    "GlobalLpPool": ("GlobalLpPool", [some(2, 2, 3)], [], {}),
    "AffineGrid": ("AffineGrid", [some(2, 2, 3)], [np.array([2, 1, 2, 4], "int64")], {}),
    "Gather": ("Gather", [some(2, 5, 2)], [np.array([3, 0, -1], "int64")], {"axis": 1}),
    "Gather of one": ("Gather", [some(2, 5, 2)], [np.array(-2, "int64")], {"axis": 1}),
    "Compress": ("Compress", [some(2, 5, 2)], [np.array([True, False, False, True, True])], {"axis": 1}),
    "Compress of the first": ("Compress", [some(2, 5)], [np.array([False, True, True])], {"axis": -1}),
    "Slice from behind": (
        "Slice",
        [some(2, 5)],
        [np.array([4], "int64"), np.array([0], "int64"), np.array([1], "int64"), np.array([-2], "int64")],
        {},
    ),
    "Dropout": ("Dropout", [some(2, 3)], [], {}),
    "Clip": ("Clip", [some(2, 3)], [np.float32(-9), np.float32(9)], {}),
}
SOUND = {
    "STFT": ("STFT", [some(1, 12, 1)], [np.array(4, "int64"), None, np.array(5, "int64")], {}),
    "GroupNormalization": ("GroupNormalization", [some(1, 4, 3)], [some(4), some(4)], {"num_groups": 2}),
    "CumSum": ("CumSum", [some(2, 4)], [np.array(1, "int64")], {}),
    "LSTM": ("LSTM", [some(3, 2, 3)], LSTM, {"hidden_size": 2}),
    "GRU": ("GRU", [some(3, 2, 3)], [some(1, 6, 3), some(1, 6, 2)], {"hidden_size": 2}),
    "Attention": ("Attention", [some(1, 2, 3, 2), some(1, 2, 3, 2), some(1, 2, 3, 2)], [], {}),
    "Attention of three axes": (
        "Attention",
        [some(2, 2, 4), some(2, 3, 4), some(2, 3, 4)],
        [],
        {"q_num_heads": 2, "kv_num_heads": 2},
    ),
    "DFT": ("DFT", [some(1, 4, 1)], [], {}),
    "GridSample": ("GridSample", [some(1, 1, 3, 3), eye_grid()], [], {}),
    "Det": ("Det", [some(2, 3, 3)], [], {}),
    "ReduceMax": ("ReduceMax", [some(2, 3, 4)], [np.array([1], "int64")], {}),
    "Where": ("Where", [np.array([[True], [False]]), some(2, 3), some(3)], [], {}),
    "RotaryEmbedding": ("RotaryEmbedding", [some(1, 2, 3, 4)], [some(1, 3, 2), some(1, 3, 2)], {}),
}
NEW = {"Attention": 23, "RotaryEmbedding": 23}


def changes(made, name: str) -> list[tuple[tuple[int, ...], np.ndarray]]:
    """For each element of this input, which elements of the first output follow it."""
    session = made.session()
    before = session.run(None, made.feeds)[0]
    found = []
    for place in np.ndindex(*made.feeds[name].shape):
        moved = made.feeds[name].copy()
        moved[place] += 0.37
        after = session.run(None, made.feeds | {name: moved})[0]
        found.append((place, np.abs(after - before) > 1e-6))
    return found


def claimed(reads, place: tuple[int, ...], out: tuple[int, ...], shape: tuple[int, ...]) -> set[tuple[int, ...]]:
    """The input positions on which an output position is said to depend."""
    if reads is None:
        return set()
    axes = []
    for relation, size in zip(reads, shape, strict=True):
        if isinstance(relation, Everything):
            axes.append((relation.index,) if isinstance(relation, Fixed) else range(size))
            continue
        o = place[relation.axis]
        pulled = relation.pull(Indices(((o, o),))).clip(size)
        axes.append([i for low, high in pulled.intervals for i in range(low, high + 1)])
    return set(itertools.product(*axes))


@pytest.mark.parametrize("case", [*EXACT, *SOUND])
def test_dependence(case):
    op, fed, stored, attributes = (EXACT | SOUND)[case]
    made = operation(op, fed, stored, opset=NEW.get(op, 21 if op != "Det" else 22), **attributes)
    read = made.read()
    reads = read.layer.reach(0, *read.inputs)
    for number, (name, array) in enumerate(made.feeds.items()):
        if array.dtype == bool:
            continue
        truth: dict[tuple[int, ...], set[tuple[int, ...]]] = {}
        for place, changed in changes(made, name):
            for where in zip(*np.nonzero(changed), strict=True) if changed.ndim else [()] * bool(changed):
                truth.setdefault(tuple(map(int, where)), set()).add(place)
        out = read.outputs[0].shape
        for position in np.ndindex(*out):
            ours = claimed(reads[number], position, out, array.shape)
            assert truth.get(position, set()) <= ours, (name, position)
            if case in EXACT:
                assert truth.get(position, set()) == ours, (name, position)


def test_some_claims_are_narrow():
    """What is only sound must not say "everything" throughout."""
    wide = []
    for case, (op, fed, stored, attributes) in SOUND.items():
        made = operation(op, fed, stored, opset=NEW.get(op, 21 if op != "Det" else 22), **attributes)
        read = made.read()
        relations = [relation for reads in read.layer.reach(0, *read.inputs) if reads for relation in reads]
        if all(isinstance(relation, Everything) for relation in relations):
            wide.append(case)
    assert wide == []
