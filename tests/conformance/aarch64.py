"""The native engine on a processor that is not here: compiled for AArch64, linked by GCC, run by QEMU."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from layerscope.engine.native import compiled, driver, objects
from layerscope.engine.native.objects import Processor

ARM = Processor("aarch64-unknown-linux-gnu", "aarch64", "generic", (("neon", True),))
GCC = "aarch64-linux-gnu-gcc"
HARNESS = Path(__file__).with_suffix(".c")
OUTSIDE = {"sched_yield", "memset", "memcpy", "memmove"}
"""What compiled code may call: where the engine runs for real, a process has no compiler's own library."""
SETTINGS = (
    driver.ORDER, driver.SCALARS, driver.RESULTS, driver.PACKED, driver.FLAT, driver.KEPT, driver.MEMORY, driver.TEAMS,
)  # fmt: skip
"""Words of a job that are pointers, beside those from `driver.POINTERS` on."""
PAGE = 4096
LIMIT = 120
"""Seconds that one program may take."""


def tool(*names):
    """The first of these programs that is installed; without any, the test is skipped."""
    found = next((name for name in names if shutil.which(name)), None)
    if found is None:
        pytest.skip(f"{names[0]} is not installed (Debian: qemu-user-static, gcc-aarch64-linux-gnu)")
    return found


class Emulator:
    """Stands in for this processor while a test lasts: the engine compiles for AArch64, and QEMU runs it."""

    def __init__(self, folder, monkeypatch):
        self.qemu, self.gcc = tool("qemu-aarch64-static", "qemu-aarch64"), tool(GCC)
        self.folder, self.runs = folder, 0
        self.inner, self.call, self.size = compiled.run, None, 0
        monkeypatch.setattr(objects, "host", lambda: ARM)
        monkeypatch.setattr(objects, "load", self.load)
        monkeypatch.setattr(compiled, "run", self.run)
        monkeypatch.setattr(compiled, "_enter", self.enter)

    def load(self, data):
        return Linked(self.gcc, self.folder, data)

    def run(self, code, call, threads, watch):
        self.call, self.size = call, compiled.memory_size(code, threads, compiled.blocks_of(code, call))
        return self.inner(code, call, threads, watch)

    def enter(self, code, job, threads, watch, alone):
        """What the engine's threads would do: all memory of the job goes to QEMU and comes back."""
        call = self.call
        memory = np.ctypeslib.as_array((ctypes.c_uint8 * self.size).from_address(int(job[driver.MEMORY])))
        arrays = [memory, job, call.order, call.scalars, call.results]
        image = Image([*arrays, *call.tables, *call.arrays, *call.outputs])
        words = [*SETTINGS, *range(driver.POINTERS, len(job))]
        path = self.folder / "memory"
        image.write(path, job, [word for word in words if job[word]], threads)
        done = subprocess.run([self.qemu, code.loaded.program, path], capture_output=True, timeout=LIMIT)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        image.read(path)
        self.runs += 1
        watch(int(job[driver.DONE]))


class Linked:
    """A program for AArch64 in the place of `objects.Loaded`: nothing in this process can call it."""

    def __init__(self, gcc, folder, data):
        part, self.program = folder / "kernels.o", folder / f"program{len(list(folder.iterdir()))}"
        part.write_bytes(data)
        subprocess.run([gcc, "-O1", "-static", "-pthread", "-o", self.program, HARNESS, part], check=True)
        names = subprocess.run([gcc.replace("gcc", "nm"), "-u", part], capture_output=True, text=True, check=True)
        assert set(names.stdout.split()) - {"U"} <= OUTSIDE
        self.word = ctypes.c_int64()

    def address(self, name):
        return ctypes.addressof(self.word)


class Image:
    """Arrays put into one piece, each as far into a page as it is here."""

    def __init__(self, arrays):
        self.spans = list(dict.fromkeys(np.lib.array_utils.byte_bounds(array) for array in arrays))
        self.places, end = [], 0
        for low, high in self.spans:
            self.places.append(end + (low - end) % PAGE)
            end = self.places[-1] + high - low
        self.bytes = bytearray(end)
        for (low, high), place in zip(self.spans, self.places, strict=True):
            self.bytes[place : place + high - low] = ctypes.string_at(low, high - low)
        self.start = 0

    def place(self, address):
        """Where an address of this process is in the image."""
        return next(
            place + address - low
            for (low, high), place in zip(self.spans, self.places, strict=True)
            if low <= address < high
        )

    def write(self, path, job, words, threads):
        """The file that the harness reads."""
        own = self.place(job.ctypes.data)
        pointers = [own + 8 * word for word in words]
        for word, pointer in zip(words, pointers, strict=True):
            self.bytes[pointer : pointer + 8] = np.int64(self.place(int(job[word]))).tobytes()
        head = np.array([len(self.bytes), own, threads, len(pointers), *pointers], np.int64).tobytes()
        self.start, self.pointers = len(head), {p: job[w] for w, p in zip(words, pointers, strict=True)}
        path.write_bytes(head + self.bytes)

    def read(self, path):
        """Take over what the program changed."""
        made = bytearray(path.read_bytes()[self.start :])
        assert len(made) == len(self.bytes)
        for pointer, address in self.pointers.items():
            assert made[pointer : pointer + 8] == self.bytes[pointer : pointer + 8], "a pointer was overwritten"
            made[pointer : pointer + 8] = self.bytes[pointer : pointer + 8] = address.tobytes()
        for (low, high), place in zip(self.spans, self.places, strict=True):
            part = slice(place, place + high - low)
            if made[part] != self.bytes[part]:  # inputs may be where nobody can write
                ctypes.memmove(low, bytes(made[part]), high - low)
