"""Machine code: processors, targets, compiling and loading."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys

import numpy as np
import pytest

from layerscope.core.errors import SettingError
from layerscope.engine.native import objects
from layerscope.engine.native.ir import Array, Code, Module
from layerscope.engine.native.objects import Processor
from layerscope.engine.native.targets import TARGETS, loads

from .calling import I64, aligned

BASE = ("64bit", "cx8", "fxsr", "mmx", "sse", "sse2", "sse3", "ssse3", "sse4.1", "sse4.2", "popcnt")
WIDE = ("avx", "avx2", "fma", "f16c", "vaes", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512fp16", "amx-tile")
INTEL = Processor(
    "x86_64-unknown-linux-gnu", "x86_64", "rocketlake", tuple(sorted((name, True) for name in BASE + WIDE))
)
BARE = Processor("x86_64-unknown-linux-gnu", "x86_64", "x86-64", tuple((name, True) for name in sorted(BASE)))
ARM = Processor("aarch64-linux-gnu", "aarch64", "generic", (("neon", True),))


def module_for(processor, **settings):
    target = objects.chosen(processor)
    return Module(target.lanes("float"), attributes=objects.attributes(target), **settings)


def tile(processor, rows, columns, taps=9, width=32):
    """The heart of a convolution: rows x columns sums in registers."""
    module = module_for(processor)
    code = Code(module, [("x", "ptr"), ("w", "ptr"), ("y", "ptr")])
    x, w, y = code.arguments
    pixels = Array(x, "float", taps * width + rows * width)
    weights = Array(w, module.vector, taps * width * columns)
    with code.loop(taps, carry=[code.constant(0.0)] * (rows * columns)) as (tap, outer):
        with code.loop(width, carry=outer.values) as (channel, inner):
            place = code.dot([tap, channel], [width, 1])
            factors = [code.load(weights, code.add(code.mul(place, columns), c)) for c in range(columns)]
            sums = []
            for row in range(rows):
                pixel = code.broadcast(pixels, code.add(place, row * width))
                sums += [code.fma(pixel, f, inner.values[row * columns + c]) for c, f in enumerate(factors)]
            inner.values = sums
        outer.values = inner.values
    for index, value in enumerate(outer.values):
        code.store(value, Array(y, module.vector, rows * columns), index)
    code.ret()
    module.add(code, "tile")
    return module.text()


# --- processors ---


def test_host_is_described():
    processor = objects.host()
    assert list(processor.features) == sorted(processor.features)
    assert processor.architecture in processor.triple
    assert objects.chosen(processor) in TARGETS.values()


def test_nothing_loads_llvmlite_before_it_is_needed():
    script = "import sys, layerscope, layerscope.engine.native.cache; print('llvmlite' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("processor", "name", "message"),
    [
        (INTEL, "avx3", "'avx3'; it must be one of avx512, avx2, neon, plain"),
        (BARE, "avx2", r"\(x86-64\) lacks avx2, fma"),
        (INTEL, "neon", "for aarch64; this is x86_64"),
        (ARM, "avx2", "for x86_64; this is aarch64"),
    ],
)
def test_targets_that_are_refused(processor, name, message, monkeypatch):
    monkeypatch.setattr(objects, "_detected", lambda: processor)
    monkeypatch.setenv("LAYERSCOPE_TARGET", name)
    with pytest.raises(SettingError, match=message):
        objects.host()


@pytest.mark.parametrize("name", ["", " "])
def test_no_target_means_the_best(name, monkeypatch):
    monkeypatch.setattr(objects, "_detected", lambda: INTEL)
    monkeypatch.setenv("LAYERSCOPE_TARGET", name)
    assert objects.host() == INTEL
    assert objects.chosen(objects.host()).name == "avx512"


@pytest.mark.parametrize("name", ["avx512", "avx2", "plain"])
def test_target_of_the_environment(name, monkeypatch):
    monkeypatch.setattr(objects, "_detected", lambda: INTEL)
    monkeypatch.setenv("LAYERSCOPE_TARGET", name)
    processor = objects.host()
    assert objects.chosen(processor).name == name
    on = {feature for feature, value in processor.features if value}
    listed = {"avx512": set(WIDE) - {"avx512fp16", "amx-tile"}, "avx2": {"avx", "avx2", "fma", "f16c", "vaes"}}
    assert on == {*BASE, *listed.get(name, {"vaes"})}


def test_plain_on_arm():
    assert objects.chosen(ARM).name == "neon"
    assert objects.chosen(objects.restricted(ARM, "plain")).name == "plain"


# --- code ---


def test_sums_stay_in_registers():
    text = objects.assembly(tile(INTEL, 12, 2), INTEL)
    (inner,) = [block for block in re.split(r"\n(?=\.L\w+:)", text) if block.count("vfmadd") == 24]
    inner = inner[: inner.index("\tj")]  # the first jump closes the loop
    assert inner.count("vfmadd") == 24
    assert len(set(re.findall(r"%zmm\d+$", inner, re.MULTILINE))) >= 24
    assert "(%rsp)" not in inner
    assert "(%rbp)" not in inner


@pytest.mark.parametrize(
    ("name", "has", "lacks"),
    [
        ("avx512", "%zmm", "fmaf"),
        ("avx2", "%ymm", r"%zmm|%[xy]mm(1[6-9]|[23]\d)|%k\d|fmaf"),
        ("plain", "%xmm", r"%[yz]mm|%xmm(1[6-9]|[23]\d)|\bv[a-z0-9]+[ps]s\b"),
    ],
)
def test_restricted_code(name, has, lacks):
    processor = objects.restricted(INTEL, name)
    text = objects.assembly(tile(processor, 3, 2), processor)
    assert re.search(has, text)
    assert not re.search(lacks, text)


def test_compiling_again_gives_the_same_bytes():
    text = tile(INTEL, 4, 2)
    assert objects.compile(text, INTEL) == objects.compile(text, INTEL)
    assert objects.compile(text, INTEL, fast=False) != objects.compile(text, INTEL)


def test_object_for_arm():
    data = objects.compile(tile(ARM, 4, 4), ARM)
    assert data[:4] == b"\x7fELF"
    assert int.from_bytes(data[18:20], "little") == 183
    assert re.search(r"fmla\s+v\d+\.4s", objects.assembly(tile(ARM, 4, 4), ARM))


@pytest.mark.parametrize("text", ["define i32 @f() { ret i64 0 }", "nonsense", "define void @f() { br label %gone }"])
def test_text_that_is_not_ir(text):
    with pytest.raises(RuntimeError):
        objects.compile(text, objects.host())


@pytest.mark.parametrize("data", [b"", b"junk", b"\x7fELF" + bytes(100)])
def test_what_is_no_object_is_not_loaded(data):
    with pytest.raises(RuntimeError):
        objects.load(data)


def test_names_that_are_not_there():
    text = "declare void @nowhere()\ndefine void @f() {\n call void @nowhere()\n ret void\n}"
    loaded = objects.load(objects.compile(text, objects.host()))
    with pytest.raises(KeyError, match="other"):
        loaded.address("other")
    with pytest.raises(KeyError, match="f: Failed to materialize"):
        loaded.address("f")


@pytest.mark.parametrize("fast", [True, False])
def test_a_tile_computes(fast):
    rows, columns, taps, width = 3, 2, 9, 32
    processor = objects.host()
    lanes = objects.chosen(processor).lanes("float")
    random = np.random.default_rng(1)
    x, w, y = (
        aligned(taps * width + rows * width),
        aligned(taps * width * columns * lanes),
        aligned(rows * columns * lanes),
    )
    x[:], w[:] = random.integers(-4, 5, x.size), random.integers(-4, 5, w.size)
    loaded = objects.load(objects.compile(tile(processor, rows, columns), processor, fast))
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3)
    kind(loaded.address("tile"))(x.ctypes.data, w.ctypes.data, y.ctypes.data)
    shifted = np.stack([x[row * width : row * width + taps * width] for row in range(rows)])
    np.testing.assert_array_equal(y.reshape(rows, -1), shifted @ w.reshape(taps * width, -1))


def test_what_is_loaded_lives_apart():
    text = "@state = global i64 {}\ndefine i64 @f() {{\n %v = load i64, ptr @state\n ret i64 %v\n}}"
    made = [objects.load(objects.compile(text.format(n), objects.host())) for n in (5, 7)]
    functions = [ctypes.CFUNCTYPE(I64)(loaded.address("f")) for loaded in made]
    I64.from_address(made[0].address("state")).value = 11
    assert [f() for f in functions] == [11, 7]
    del functions[0]
    made.pop(0)
    assert made[0].address("f") == made[0].address("f")
    assert functions[0]() == 7


def test_the_process_lends_its_functions():
    text = """declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
    define void @fill(ptr %p, i64 %n) {
      call void @llvm.memset.p0.i64(ptr %p, i8 3, i64 %n, i1 false)
      ret void
    }"""
    loaded = objects.load(objects.compile(text, objects.host()))
    memory = (ctypes.c_uint8 * 6)()
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, I64)(loaded.address("fill"))(ctypes.addressof(memory), 4)
    assert list(memory) == [3, 3, 3, 3, 0, 0]


def test_a_load_is_worth_less_where_registers_are_computed_in_two_turns():
    assert loads("znver4", TARGETS["avx512"]) < loads("znver5", TARGETS["avx512"])
    assert loads("znver4", TARGETS["avx2"]) == loads("generic", TARGETS["avx2"]) == loads("znver5", TARGETS["avx512"])
