"""What convolutions become on AArch64; tests/conformance/test_neon.py runs it."""

from __future__ import annotations

import re

import pytest

import layerscope as ls
from layerscope.engine.native import assembly, driver, objects
from layerscope.engine.native.engine import options_for
from layerscope.engine.native.objects import Processor
from layerscope.engine.native.targets import TARGETS

NETWORKS = {
    "same": "16x16x16 | conv 32 3 same relu | conv 32 3 same relu | conv 16 3 same",
    "pooled": "14x14x12 | conv 16 3 same relu | maxpool 2 | conv 24 3 relu | maxpool 2 | conv 8 1",
    "strided": "15x15x24 | conv 24 3 stride 2 relu | upsample 2 | conv 16 3 same | convt 16 2 stride 2",
}


@pytest.fixture(autouse=True)
def unchecked(monkeypatch):
    """The comparisons of checked code need registers of their own."""
    monkeypatch.delenv("LAYERSCOPE_CHECKED", raising=False)


def kernels(network, processor, precision, monkeypatch):
    """The assembly of a training program."""
    monkeypatch.setattr(objects, "host", lambda: processor)
    model = ls.Model.from_graph(ls.trace(NETWORKS[network]).graph)
    model.compile("adadelta", "mean_squared_error", precision=precision)
    options = options_for(precision, ("float32",) * 2, (-1,))
    assert (options.lanes, options.fused) == ({"float32": 4, "float64": 2}[precision], True)
    assert options.pause == "call void @llvm.aarch64.hint(i32 1)"
    return objects.assembly(driver.write(assembly.assembled(model._job.training, options)), processor)


def loops(text):
    """The lines of each innermost loop."""
    labels, lines = {}, text.splitlines()
    for number, line in enumerate(lines):
        if label := re.match(r"(\.?\w+):", line):
            labels[label[1]] = number
        jump = re.match(r"\tc?[bt]\S*\t(?:.*, )?(\.L\w+)$", line)
        if jump and jump[1] in labels:
            body = lines[labels[jump[1]] + 1 : number + 1]
            if not any(inner.startswith(".L") for inner in body):
                yield body


def sums(body, shape):
    """The registers that a loop adds products to from turn to turn: nothing else in it writes them."""
    made, written = set(), set()
    for line in body:
        name, _, operands = line.strip().partition("\t")
        registers = re.findall(r"\b[vqds](\d+)", operands)
        if name == "fmla" and f".{shape}" in operands:
            made.add(registers[0])
        elif registers and not name.startswith("st"):
            written.update(registers[: 2 if name == "ldp" else 1])
    return made - written


@pytest.mark.parametrize("cpu", ["generic", "apple-m1", "neoverse-n1"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("network", NETWORKS)
def test_sums_stay_in_registers(network, precision, cpu, monkeypatch):
    processor = Processor("aarch64-unknown-linux-gnu", "aarch64", cpu, (("neon", True),))
    text = kernels(network, processor, precision, monkeypatch)
    shape = {"float32": "4s", "float64": "2d"}[precision]
    tiles = [(body, found) for body in loops(text) if len(found := sums(body, shape)) >= 8]
    assert max(len(found) for _, found in tiles) == TARGETS["neon"].sums
    for body, _ in tiles:
        assert not [line for line in body if "[sp" in line]


def test_the_test_of_registers_can_fail(monkeypatch):
    processor = Processor("aarch64-unknown-linux-gnu", "aarch64", "generic", (("neon", True),))
    monkeypatch.setitem(TARGETS, "neon", type(TARGETS["neon"])("neon", "aarch64", 16, 40, ("neon",)))
    text = kernels("same", processor, "float32", monkeypatch)
    assert any("[sp" in line for body in loops(text) for line in body)
