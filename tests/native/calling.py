"""Calling what was compiled for this processor."""

from __future__ import annotations

import ctypes

import numpy as np

from layerscope.engine.native import objects

I64 = ctypes.c_int64


def called(module, name, *arguments):
    """Compile for this processor, load and call; what was loaded."""
    loaded = objects.load(objects.compile(module.text(), objects.host()))
    kinds = [I64 if isinstance(a, int) else ctypes.c_void_p for a in arguments]
    values = [a if isinstance(a, int) else a.ctypes.data for a in arguments]
    ctypes.CFUNCTYPE(None, *kinds)(loaded.address(name))(*values)
    return loaded


def aligned(count):
    """Zeros that start at a multiple of 64 bytes."""
    memory = np.zeros(count + 16, np.float32)
    start = -memory.ctypes.data % 64 // 4
    return memory[start : start + count]
