"""The elements of small tensors, out of the many forms in which they are stored. Those of large ones are not read."""

from __future__ import annotations

import struct
from typing import Any

from layerscope.sources._onnx import wire
from layerscope.sources._onnx.structures import Tensor
from layerscope.sources._onnx.wire import Field, Span, Store, span

MOST_INTEGERS = 1024
MOST_FLOATS = 64
WIDTH = {
    "uint8": "B", "int8": "b", "uint16": "H", "int16": "h", "int32": "i", "int64": "q", "bool": "?", "uint32": "I",
    "uint64": "Q", "float16": "e", "float32": "f", "float64": "d",
}  # fmt: skip
"""Element formats of the payloads that may be read."""
WHOLE = ("uint8", "int8", "uint16", "int16", "int32", "int64", "bool", "uint32", "uint64")
FLOATS = ("float32", "float64", "float16", "bfloat16")


def numbers(made: Tensor, payload: list[Field], place: Span) -> tuple[int | float, ...] | None:
    """The elements of a small tensor; None where they are not wanted."""
    most = MOST_INTEGERS if made.dtype in WHOLE else MOST_FLOATS if made.dtype in FLOATS else 0
    if made.size > most or most == 0:
        return None
    if made.size == 0:
        return ()
    found = list[int | float]()
    for field in payload:
        what = f"the payload of tensor {made.name!r}"
        if field[0] == 9:
            found += _raw(made, span(field, what), place.store)
        elif field[0] in (4, 10):
            found += wire.floats(field, most, what, "f" if field[0] == 4 else "d")
        else:
            found += _converted(made.dtype, wire.varints(field, most, what))
    if len(found) != made.size:
        raise wire.damaged(
            place.store, place.start, f"tensor {made.name!r} has {len(found)} elements for sizes of {made.size}"
        )
    return tuple(int(n) for n in found) if made.dtype in WHOLE else tuple(found)


def _raw(made: Tensor, payload: Span, store: Store) -> list[int | float]:
    form = WIDTH.get(made.dtype, "H")  # bfloat16: the upper half of a float32
    if payload.size != made.size * struct.calcsize(form):
        raise wire.damaged(
            store, payload.start, f"tensor {made.name!r} has {payload.size} bytes for {made.size} of {made.dtype}"
        )
    found = struct.unpack(f"<{made.size}{form}", payload.bytes())
    return _converted("bfloat16", found) if made.dtype == "bfloat16" else list(found)


def _converted(dtype: str, whole: Any) -> list[int | float]:
    """Integers of int32_data and the like: of half precisions they are the bits."""
    if dtype == "bfloat16":
        return [struct.unpack("<f", struct.pack("<I", (n & 0xFFFF) << 16))[0] for n in whole]
    if dtype == "float16":
        return [struct.unpack("<e", struct.pack("<H", n & 0xFFFF))[0] for n in whole]
    if dtype == "uint64":
        return [n % (1 << 64) for n in whole]
    return list(whole)
