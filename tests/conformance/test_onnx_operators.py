"""Every operator of ONNX has a rule or a reason why not, and ONNX's own tests of operators are read exactly."""

from __future__ import annotations

import onnx.defs
import pytest

from layerscope.sources._onnx import control, rules, sequences

from . import onnx_backend

READER = {"Constant": "read as what it holds", "Identity": "vanishes: the reader looks through it"}
UNDESCRIBED = {
    "ai.onnx.ml": "classical models (trees, support vectors, tables): shown with the shapes that the file states",
    "ai.onnx.preview.training": "steps of training: shown with the shapes that the file states",
}
"""Domains of which no operator is described."""

OPEN = {
    "ImageDecoder": "the file that it decodes says how large the image is",
    "StringNormalizer": "how many texts are stop words depends on the texts",
    "StringSplit": "the longest list of pieces depends on the texts",
    "NonMaxSuppression": "how many boxes are chosen depends on their scores",
    "NonZero": "how many elements are not 0 depends on them",
    "Unique": "how many different elements there are depends on them",
    "Compress": "how many elements are chosen depends on the choice",
    "OneHot": "its depth is an input of these tests",
    **dict.fromkeys(("HannWindow", "HammingWindow", "BlackmanWindow", "MelWeightMatrix"), "their sizes are inputs"),
    "Range": "its ends are inputs of these tests",
}
"""Operators whose output has sizes that only the data decide."""


def known() -> set[str]:
    return {*rules.table(), *READER, *control.SPECIAL, *sequences.SPECIAL}


def test_every_operator_has_a_rule_or_a_reason():
    there = {
        f"{schema.domain}:{schema.name}" if schema.domain else schema.name
        for schema in onnx.defs.get_all_schemas()
        if schema.domain not in UNDESCRIBED
    }
    assert sorted(there - known()) == []


def test_no_rule_is_for_an_operator_that_there_is_not():
    """Old and present operators, and two that ONNX Runtime puts into ONNX's own domain."""
    ever = {
        f"{schema.domain}:{schema.name}" if schema.domain else schema.name
        for schema in onnx.defs.get_all_schemas_with_history()
    }
    strangers = {name for name in rules.table() if name not in ever and not name.startswith("com.microsoft:")}
    assert strangers == {"SimplifiedLayerNormalization"}


def operators_of(case) -> set[str]:
    return {f"{node.domain}:{node.op_type}" if node.domain else node.op_type for node in case.model.graph.node}


@pytest.fixture(scope="module")
def verdicts():
    """How each test of ONNX is read whose operators all compute or move data, with small operands stored."""
    found = []
    for case in onnx_backend.cases("node"):
        one = onnx_backend.stored(case) or case
        if operators_of(one) <= set(rules.table()):
            found.append((case.operator, case.name, onnx_backend.judge(one)))
    return found


def test_tests_of_operators_are_read_exactly(verdicts):
    assert len(verdicts) > 900
    wrong = [(name, v.status, v.detail) for op, name, v in verdicts if v.status not in ("exact", "open")]
    assert wrong == []
    assert {op for op, _, v in verdicts if v.status == "open"} <= set(OPEN)


def test_none_of_them_is_undescribed(verdicts):
    assert [name for _, name, v in verdicts if v.opaque] == []
