"""The most that one core computes: fused multiply-adds in independent chains, nothing else, in registers.

The kernel is written and compiled as those of the native engine are. Run: python benchmarks/peak.py
"""

import ctypes
import sys
import time

from layerscope.engine.native import ir, objects

TURNS = 1 << 20
TRIALS = 15
SCRATCH = 4096


def kernel() -> tuple[objects.Loaded, int]:
    """Machine code with the function `peak(memory, turns)`, and the FLOPs of one turn."""
    host = objects.host()
    target = objects.chosen(host)
    fused = "fma" in target.features or target.name == "neon"
    module = ir.Module(lanes=target.lanes("float"), attributes=objects.attributes(target), fused=fused)
    code = ir.Code(module, [("memory", "ptr"), ("turns", "i64")])
    memory, turns = code.arguments
    array = ir.Array(memory, module.vector, SCRATCH // ir.bytes_of(module.vector))
    factor, term = code.load(array, 0), code.load(array, 1)  # loaded, so that they stay in registers
    with code.loop(turns, carry=[code.load(array, 2 + n) for n in range(target.sums)]) as (_, carry):
        carry.values = [code.fma(value, factor, term) for value in carry.values]
    for number, value in enumerate(carry.values):
        code.store(value, array, 2 + number)
    code.ret()
    module.add(code, export="peak")
    return objects.load(objects.compile(module.text(), host)), 2 * module.lanes * target.sums


def gigaflops() -> float:
    """10⁹ FLOPs a second on the core this runs on, a multiply-add counting two: the best of several trials."""
    loaded, flops = kernel()
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(loaded.address("peak"))
    memory = (ctypes.c_float * (SCRATCH // 4 + 16))(*[0.5] * (SCRATCH // 4 + 16))
    address = -(-ctypes.addressof(memory) // 64) * 64
    best = 0.0
    for _ in range(TRIALS):
        start = time.perf_counter()
        function(address, TURNS)
        best = max(best, TURNS * flops / (time.perf_counter() - start) / 1e9)
    return best


if __name__ == "__main__":
    found = gigaflops()
    print(found if "--bare" in sys.argv else f"{found:.1f} GFLOP/s of float32 on one core")
