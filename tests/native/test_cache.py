"""Objects on disk: what is stored, what is refused, and what goes wrong in silence."""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from layerscope.engine.native import cache
from layerscope.engine.native.cache import Cache
from layerscope.engine.native.objects import Processor

HERE = Processor("x86_64-unknown-linux-gnu", "x86_64", "skylake", (("avx2", True), ("fma", True)))
KEY = "ab" * 32

WRITER = """
import sys
from pathlib import Path
from layerscope.engine.native.cache import Cache
store, seed = Cache(Path(sys.argv[1])), int(sys.argv[2])
for turn in range(150):
    for key in ("a" * 64, "b" * 64):
        store.put(key, key.encode() * 500 + bytes([seed, turn]) * 4000)
        data = store.get(key)
        assert data is not None
        assert data[:32000] == key.encode() * 500
        assert len(data) == 40000 and data[32000:] == data[32000:32002] * 4000
"""


@pytest.fixture
def store(tmp_path):
    return Cache(tmp_path / "new" / "kernels")


def only_file(store):
    (path,) = store.folder.iterdir()
    return path


def test_what_is_put_is_got(store):
    assert store.get(KEY) is None
    store.put(KEY, b"object")
    assert store.get(KEY) == b"object"
    assert Cache(store.folder).get(KEY) == b"object"
    assert store.get("cd" * 32) is None
    store.put(KEY, b"")
    assert store.get(KEY) == b""
    assert only_file(store).name == KEY + ".object"


def test_default_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / name))
    store = Cache()
    assert store.folder == tmp_path / "layerscope" / "kernels"
    assert not store.folder.exists()  # until something is stored


@pytest.mark.parametrize("left", [0, 1, 19, 20, 51, 52, 53, 151])
def test_truncated_file(store, left):
    store.put(KEY, b"x" * 100)
    path = only_file(store)
    path.write_bytes(path.read_bytes()[:left])
    assert store.get(KEY) is None
    store.put(KEY, b"y")
    assert store.get(KEY) == b"y"


def test_each_flipped_bit_is_seen(store):
    store.put(KEY, b"object")
    path = only_file(store)
    good = path.read_bytes()
    for place in range(8 * len(good)):
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
        path.write_bytes(bad)
        assert store.get(KEY) is None
    path.write_bytes(good)
    assert store.get(KEY) == b"object"


def test_foreign_files(store):
    store.put(KEY, b"object")
    path = only_file(store)
    other = "cd" * 32
    path.rename(path.with_name(other + ".object"))  # whole, but of another key
    assert store.get(other) is None
    path.mkdir()
    assert store.get(KEY) is None
    store.put(KEY, b"object")  # a folder is in the way
    assert store.get(KEY) is None
    assert sorted(p.name for p in store.folder.iterdir()) == sorted([path.name, other + ".object"])


def test_two_processes_at_once(tmp_path):
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    both = [
        subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) for seed in (1, 2)
    ]
    for process in both:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err.decode()
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{c * 64}.object" for c in "ab"]


def test_file_in_place_of_the_folder(tmp_path):
    place = tmp_path / "kernels"
    place.write_text("a file")
    for store in (Cache(place), Cache(place / "below")):
        store.put(KEY, b"object")
        assert store.get(KEY) is None
    assert place.read_text() == "a file"


@pytest.mark.parametrize("function", ["open", "replace", "mkdir", "fdopen", "scandir"])
def test_errors_of_the_system(store, function, monkeypatch):
    def fails(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, function, fails)
        store.put(KEY, b"object")
    assert store.get(KEY) == (b"object" if function == "scandir" else None)
    left = [p.name for p in store.folder.iterdir()] if store.folder.exists() else []
    assert left == ([KEY + ".object"] if function == "scandir" else [])


def test_disk_that_fills_while_writing(store, monkeypatch):
    class Full:
        def __init__(self, handle, mode):
            self.handle = handle

        def __enter__(self):
            return self

        def __exit__(self, *_):
            os.close(self.handle)

        def write(self, content):
            os.write(self.handle, content[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

    store.put(KEY, b"before")
    monkeypatch.setattr(os, "fdopen", Full)
    store.put(KEY, b"after")
    assert store.get(KEY) == b"before"
    assert only_file(store).name == KEY + ".object"


def test_reading_where_times_cannot_be_set(store, monkeypatch):
    def fails(*_, **__):
        raise PermissionError

    store.put(KEY, b"object")
    monkeypatch.setattr(os, "utime", fails)
    assert store.get(KEY) == b"object"


def test_the_longest_unused_are_deleted(store, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 4000)
    keys = [f"{n:064}" for n in range(5)]
    for age, key in enumerate(keys[:3]):
        store.put(key, bytes(1000))
        os.utime(store.folder / (key + ".object"), (age, age))
    foreign, stale = store.folder / "notes.txt", store.folder / "left.part"
    foreign.write_bytes(bytes(5000))
    stale.write_bytes(bytes(100))
    os.utime(stale, (0.5, 0.5))
    assert store.get(keys[0]) is not None  # now the youngest
    store.put(keys[3], bytes(1000))
    store.put(keys[4], bytes(500))
    assert [store.get(key) is not None for key in keys] == [True, False, True, True, True]
    assert not stale.exists()  # of a process that was killed
    assert foreign.exists()
    store.put("ef" * 32, bytes(4001))
    assert store.get("ef" * 32) is None
    assert store.get(keys[0]) is not None


def test_keys_tell_all_apart(monkeypatch):
    store = Cache(Path("unused"))

    def key(*parts, **changes):
        return store.key(*parts, processor=replace(HERE, **changes))

    base = key("a", "bc")
    assert base == key("a", "bc")
    assert len(base) == 64
    keys = {
        base,
        key("ab", "c"),
        key("a", "bc", ""),
        key("abc"),
        key(),
        key("a", "bc", cpu="rocketlake"),
        key("a", "bc", triple="x86_64-pc-windows-msvc"),
        key("a", "bc", features=(("avx2", True), ("fma", False))),
        key("a", "bc", features=(("avx2", True),)),
    }
    for name, value in (("__version__", "9.9"), ("_llvm", lambda: "9.9"), ("_sources", lambda: "other")):
        with monkeypatch.context() as patch:
            patch.setattr(cache, name, value)
            keys.add(key("a", "bc"))
    assert len(keys) == 12


def test_key_follows_the_environment(monkeypatch):
    monkeypatch.delenv("LAYERSCOPE_TARGET", raising=False)
    best = Cache(Path("unused")).key("a")
    monkeypatch.setenv("LAYERSCOPE_TARGET", "plain")
    assert Cache(Path("unused")).key("a") != best


def test_sources_are_those_of_the_generator(tmp_path, monkeypatch):
    for name in ("native", "primitives"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.py").write_text("1")
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "native" / "cache.py"))
    digest = cache._sources.__wrapped__
    seen = [digest()]
    (tmp_path / "native" / "one.py").write_text("2")
    seen.append(digest())
    (tmp_path / "primitives" / "one.py").write_text("2")
    seen.append(digest())
    (tmp_path / "primitives" / "one.py").rename(tmp_path / "primitives" / "two.py")
    seen.append(digest())
    assert len(set(seen)) == 4
    assert digest() == seen[-1]


def test_version_of_llvmlite():
    assert cache._llvm() == importlib.metadata.version("llvmlite")


def test_checksum_is_sha256(store):
    store.put(KEY, b"object")
    stored = only_file(store).read_bytes()
    assert stored == b"layerscope object 1\n" + hashlib.sha256(KEY.encode() + b"\nobject").digest() + b"object"
