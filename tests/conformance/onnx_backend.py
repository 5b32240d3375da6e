"""ONNX's own backend tests as cases for our reader: models with recorded inputs and outputs, and what reading gives.

A case is read as it is, and once more with its small inputs of whole numbers stored in the model, as real files have
them (the shape of a Reshape, for instance): `stored`.
"""

import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx.backend.test
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

from layerscope.core import propagate, sizes
from layerscope.core.binding import bind
from layerscope.core.errors import LayerscopeError, SourceError
from layerscope.operators.standing import Undescribed
from layerscope.sources import onnx as source
from layerscope.sources._onnx.structures import DTYPES

DATA = Path(onnx.backend.test.__file__).parent / "data"
KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator", "light")
FLOATS_TOO = ("Resize", "Upsample", "Range", "OneHot")
"""Operators whose floating operands decide shapes."""


@dataclass
class Case:
    """One model; `inputs` and `outputs` are arrays, lists of arrays (sequences) or None, `inputs` None if unknown."""

    kind: str
    name: str
    model: onnx.ModelProto
    inputs: list | None
    outputs: list

    @property
    def operator(self) -> str:
        return self.model.graph.node[0].op_type


@dataclass
class Verdict:
    """`status`: exact, open (fewer sizes known than recorded), refused, or wrong; `opaque` counts such nodes."""

    status: str
    detail: str = ""
    opaque: int = 0


def cases(*kinds: str) -> Iterator[Case]:
    """All cases of these kinds (all kinds where none are given)."""
    for kind in kinds or KINDS:
        yield from _light() if kind == "light" else _node() if kind == "node" else _folders(kind)


def _node() -> Iterator[Case]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some recorded casts overflow on purpose
        listed = load_model_tests(kind="node")
    for test in listed:
        inputs, outputs = test.data_sets[0]
        yield Case("node", test.name, test.model, list(map(_array, inputs)), list(map(_array, outputs)))


def _array(value):
    """Recorded data as arrays: the loader gives arrays or messages."""
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, onnx.SequenceProto):
        return numpy_helper.to_list(value)
    if isinstance(value, onnx.OptionalProto):
        return numpy_helper.to_optional(value)
    return value


def _folders(kind: str) -> Iterator[Case]:
    for test in load_model_tests(kind=kind):
        folder = Path(test.model_dir)
        model = onnx.load(folder / "model.onnx", load_external_data=False)
        data = sorted(folder.glob("test_data_set_*"))[0]
        yield Case(
            kind,
            test.name,
            model,
            [_recorded(data / f"input_{n}.pb", info) for n, info in enumerate(_fed(model))],
            [_recorded(data / f"output_{n}.pb", info) for n, info in enumerate(model.graph.output)],
        )


def _fed(model):
    stored = {tensor.name for tensor in model.graph.initializer}
    return [info for info in model.graph.input if info.name not in stored]


def _recorded(path: Path, info):
    form = info.type.WhichOneof("value")
    message = {"sequence_type": onnx.SequenceProto, "optional_type": onnx.OptionalProto}.get(form, onnx.TensorProto)()
    message.ParseFromString(path.read_bytes())
    return _array(message)


def _light() -> Iterator[Case]:
    """Nine well-known networks without their weights; only their outputs are recorded."""
    for path in sorted((DATA / "light").glob("*.onnx")):
        outputs = []
        for recorded in sorted(path.parent.glob(f"{path.stem}_output_*.pb")):
            message = onnx.TensorProto()
            message.ParseFromString(recorded.read_bytes())
            outputs.append(numpy_helper.to_array(message))
        yield Case("light", path.stem, onnx.load(path), None, outputs)


def stored(case: Case) -> Case | None:
    """The case with its small inputs that decide shapes stored in the model; None where it has none."""
    model, kept = onnx.ModelProto(), []
    model.CopyFrom(case.model)
    for info, value in zip(_fed(case.model), case.inputs or [], strict=True):
        small = isinstance(value, np.ndarray) and value.dtype != object and value.size <= 1024
        if small and (
            value.dtype.kind in "iub" or (case.operator in FLOATS_TOO and value.size <= 16 and value.ndim < 2)
        ):
            kind = info.type.tensor_type.elem_type
            if np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind)) != value.dtype or kind > 13:
                kept.append(value)
                continue
            model.graph.initializer.append(numpy_helper.from_array(value, info.name))
            model.graph.input.remove(next(i for i in model.graph.input if i.name == info.name))
        else:
            kept.append(value)
    if len(kept) == len(case.inputs or []):
        return None
    return Case(case.kind, case.name, model, kept, case.outputs)


def judge(case: Case) -> Verdict:
    """What reading the case gives, compared with the recorded outputs."""
    try:
        graph = source.read_bytes(case.model.SerializeToString(), case.name)
    except SourceError as error:
        return Verdict("refused", str(error).removeprefix(f"{case.name}: "))
    opaque = sum(isinstance(node.layer, Undescribed) for node in graph.nodes)
    try:
        found = propagate.output_types(bind(graph, _values(case, graph)))
    except LayerscopeError as error:
        return Verdict("wrong", f"{type(error).__name__}: {error}", opaque)
    recorded = [array for value in case.outputs for array in (value if isinstance(value, list) else [value])]
    recorded = [array for array in recorded if array is not None]
    if len(found) != len(recorded):
        return Verdict("wrong", f"{len(found)} outputs for {len(recorded)}", opaque)
    status = "exact"
    stated = [DTYPES[info.type.tensor_type.elem_type] for info in case.model.graph.output] if _plain(case) else []
    for number, (kind, array) in enumerate(zip(found, recorded, strict=True)):
        shape = np.shape(array)
        fits = kind.rank == len(shape) and all(
            not isinstance(a, int) or a == b for a, b in zip(kind.shape, shape, strict=True)
        )
        if not fits:
            return Verdict("wrong", f"output {number}: {kind} for {shape}", opaque)
        if stated and kind.dtype != stated[number]:
            return Verdict("wrong", f"output {number}: {kind.dtype} for {stated[number]}", opaque)
        if any(not isinstance(size, int) for size in kind.shape):
            status = "open"
    return Verdict(status, "", opaque)


def _plain(case: Case) -> bool:
    return all(info.type.WhichOneof("value") == "tensor_type" for info in case.model.graph.output)


def _values(case: Case, graph) -> dict[str, int]:
    """The open sizes of the inputs, as recorded."""
    if case.inputs is None:
        return {}
    given = {info.name: value for info, value in zip(_fed(case.model), case.inputs, strict=True)}
    found: dict[str, int] = {}
    for number in graph.inputs:
        node = graph.nodes[number]
        array = given.get(node.name)
        if isinstance(array, np.ndarray):
            for size, n in zip(node.layer.out()[0].shape, array.shape, strict=True):
                if not isinstance(size, int) and sizes.names(size) == {str(size)}:
                    found[str(size)] = n
    return found


def table(verdicts: dict[tuple[str, str], list[Verdict]]) -> list[tuple[str, ...]]:
    """Rows of counts: kind of case, how it was read, number, exact, open, with undescribed nodes, refused, wrong."""
    rows = []
    for (kind, way), found in verdicts.items():
        count = Counter(verdict.status for verdict in found)
        opaque = sum(verdict.opaque > 0 for verdict in found)
        numbers = (len(found), count["exact"], count["open"], opaque, count["refused"], count["wrong"])
        rows.append((kind, way, *map(str, numbers)))
    return rows


HEAD = ("cases", "read", "models", "exact", "open sizes", "with unknown nodes", "refused", "wrong")


def page_table(text: str) -> list[tuple[str, ...]]:
    """The rows of the table in a page of the documentation."""
    lines = iter(text.splitlines())
    next(line for line in lines if line.startswith(f"| {HEAD[0]} | {HEAD[1]} |"))
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(tuple(cell.strip().replace(",", "") for cell in line.strip("|").split("|")))
    return rows


def written(text: str, rows: list[tuple[str, ...]]) -> str:
    """The page with these rows in its table."""
    start = text.index(f"| {HEAD[0]} | {HEAD[1]} |")
    end = text.index("\n\n", start)
    cells = [f"| {' | '.join(f'{int(cell):,}' if cell.isdigit() else cell for cell in row)} |" for row in rows]
    return text[:start] + "\n".join([f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|", *cells]) + text[end:]


def main() -> None:
    """Print the table, and all that is not exact; with --write put the table into docs/onnx.md."""
    verdicts: dict[tuple[str, str], list[Verdict]] = {}
    for case in cases():
        for way, one in (("as it is", case), ("stored", stored(case) if case.inputs else None)):
            if one is not None:
                verdict = judge(one)
                verdicts.setdefault((case.kind, way), []).append(verdict)
                if verdict.status != "exact" or verdict.opaque:
                    told = (case.kind, way, case.operator, case.name, verdict.status, verdict.opaque, verdict.detail)
                    print(*told, sep="\t")
    rows = table(verdicts)
    for row in rows:
        print(*row, sep="\t")
    if "--write" in sys.argv:
        page = Path(__file__).parents[2] / "docs" / "onnx.md"
        page.write_text(written(page.read_text("utf-8"), rows), "utf-8")


if __name__ == "__main__":
    main()
