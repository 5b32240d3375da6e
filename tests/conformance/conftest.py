"""The oracles' own settings, made before any of them is imported, and their memory, given back as tests go on."""

import ctypes
import gc
import os
import sys

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Oracles compute each thing once or twice: compiling is what takes time.
FLAGS = ("backend_optimization_level=0", "cpu_use_fusion_emitters=false", "cpu_multi_thread_eigen=false")
os.environ.setdefault("XLA_FLAGS", " ".join(f"--xla_{flag}" for flag in FLAGS))

MORE = 600 * 2**20
"""Bytes by which a process may grow before what frameworks keep of what they compiled is thrown away."""


LONGEST = ("test_trajectory.py", "test_resnet.py", "test_keras_models.py", "test_keras.py", "test_keras_layers.py")
"""Files that come first, so that no process waits for another one's last of them."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def resident() -> int:
    """Bytes that this process holds, as Linux says; 0 elsewhere."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def release() -> None:
    """Compiled functions and their graphs, and what the allocator keeps of them."""
    if jax := sys.modules.get("jax"):
        jax.clear_caches()
    if dynamo := sys.modules.get("torch._dynamo"):
        dynamo.reset()
    gc.collect()
    if sys.platform == "linux":
        getattr(ctypes.CDLL(None), "malloc_trim", bool)(0)


held = 0


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem):
    global held
    if resident() > held + MORE:
        release()
        held = resident()
