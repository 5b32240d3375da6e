"""Data sets: finding, checking and downloading them, the last against a server on the loopback interface."""

from __future__ import annotations

import gzip
import hashlib
import os
import pickle
import re
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

from layerscope import datasets
from layerscope.core.errors import DataError, DatasetMissingError, OutputError, UnknownNameError
from layerscope.datasets import _download, _idx, fashion_mnist, mnist

REAL = os.environ.get("LAYERSCOPE_DATA")
STEMS = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
WANTED = "{}, {}, {} and {}, each with or without .gz".format(*STEMS)
IMAGES, LABELS, FIRST = *STEMS[:2], f"{STEMS[0]}.gz"
NOWHERE = "http://127.0.0.1:9"  # nothing listens on port 9


def idx(array):
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.astype("u1").tobytes()


def sha(data):
    return hashlib.sha256(data).hexdigest()


def said(error, call, *args):
    """The whole message of the error that a call must raise, for which no other may be shown as its cause."""
    with pytest.raises(error) as caught:
        call(*args)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


class Small:
    """A data set of 30 + 10 images: arrays, bytes of the files, and a source with their true checksums."""

    def __init__(self, name, seed=0):
        random = np.random.default_rng(seed)
        shapes = (30, 28, 28), (30,), (10, 28, 28), (10,)
        self.arrays = [random.integers(0, 10 if len(s) == 1 else 256, s).astype(np.uint8) for s in shapes]
        self.plain = {stem: idx(array) for stem, array in zip(STEMS, self.arrays, strict=True)}
        self.packed = {f"{stem}.gz": gzip.compress(data, mtime=0) for stem, data in self.plain.items()}
        pairs = zip(self.packed.items(), self.plain.values(), strict=True)
        files = [_download.File(file, len(data), sha(data), sha(plain)) for (file, data), plain in pairs]
        self.source = _download.Source(name, (NOWHERE,), tuple(files))

    def write(self, folder, files=None):
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in (self.packed if files is None else files).items():
            (folder / name).write_bytes(data)
        return folder

    def check(self, pairs):
        for got, expected in zip((*pairs[0], *pairs[1]), self.arrays, strict=True):
            assert (got.dtype, got.flags.writeable) == (np.uint8, True)
            np.testing.assert_array_equal(got, expected)


class Handler(BaseHTTPRequestHandler):
    """Serves `server.site`; each request takes the next of `server.faults`, if any is left."""

    def do_GET(self):
        asked, data = self.headers.get("Range"), self.server.site.get(self.path)
        self.server.log.append((self.path, asked))
        fault = self.server.faults.pop(0) if self.server.faults else ""
        threading.Event().wait(1.4 if fault == "silent" else 0)
        if fault.isdigit() or data is None:
            return self.send_error(int(fault or 404))
        start = int(asked[6:-1]) if asked and fault != "no range" else 0
        self.send_response(206 if start else 200)
        if start:
            first = 0 if fault == "wrong range" else start
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : (start + len(data)) // 2 if fault == "cut" else None])

    def log_message(self, format, *args): ...


class Server(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.daemon_threads = False  # so that server_close waits for them
        self.site, self.faults, self.log = {}, [], []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def asked(self):
        return [span for path, span in self.log if path == f"/mnist/{FIRST}"]

    def handle_error(self, request, client_address): ...  # a client that hung up


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, none of our variables, no pauses, no proxy; returns MNIST's folder in the cache."""
    for name in ("DATA", "MIRROR", "OFFLINE"):
        monkeypatch.delenv(f"LAYERSCOPE_{name}", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda app: str(tmp_path / "cache" / app))
    monkeypatch.setattr(_download, "sleep", lambda seconds: None)
    return tmp_path / "cache/layerscope/datasets/mnist"


@pytest.fixture
def small(monkeypatch):
    data = Small("mnist")
    monkeypatch.setattr(mnist, "SOURCE", data.source)
    return data


@pytest.fixture
def server(small, monkeypatch):
    with Server() as server:
        server.site = {f"/mnist/{name}": data for name, data in small.packed.items()}
        monkeypatch.setenv("LAYERSCOPE_MIRROR", server.url + "/")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_mnist_where_it_is(tmp_path, monkeypatch):
    counts = (60000, 10000) if REAL else (30, 10)
    monkeypatch.setenv("LAYERSCOPE_OFFLINE", "1")
    monkeypatch.setenv("LAYERSCOPE_DATA", REAL or str(Small("mnist").write(tmp_path / "mnist").parent))
    for (x, y), count in zip(mnist.load_data(), counts, strict=True):
        assert (x.shape, x.dtype, y.shape, y.dtype) == ((count, 28, 28), np.uint8, (count,), np.uint8)
        assert (x.min(), x.max(), y.max() <= 9) == (0, 255, True)


@pytest.mark.parametrize("dash", ["-idx", ".idx"])
@pytest.mark.parametrize("form", ["packed", "plain"])
def test_spellings_in_a_given_folder(small, tmp_path, form, dash):
    files = {name.replace("-idx", dash): data for name, data in getattr(small, form).items()}
    small.check(mnist.load_data(str(small.write(tmp_path / "given", files))))


def test_order_of_places(tmp_path, cache, monkeypatch):
    folders = [tmp_path / "given", tmp_path / "data/mnist", tmp_path / "data", cache]
    sets = [Small("mnist", seed) for seed in range(len(folders))]
    layers = {data.write(folder): data for folder, data in zip(folders, sets, strict=True)}
    monkeypatch.setattr(mnist, "SOURCE", layers[folders[2]].source)  # only there must the checksums be right
    monkeypatch.setenv("LAYERSCOPE_DATA", str(tmp_path / "data"))
    layers[folders[0]].check(mnist.load_data(folders[0]))
    for folder in folders[1:]:
        layers[folder].check(mnist.load_data())
        (folder / f"{STEMS[3]}.gz").unlink()


def test_mixed_folder_goes_by_checksum(small, tmp_path, monkeypatch):
    clothes, folder = Small("fashion_mnist", 1), tmp_path / "data"
    monkeypatch.setattr(fashion_mnist, "SOURCE", clothes.source)
    monkeypatch.setenv("LAYERSCOPE_OFFLINE", "1")
    monkeypatch.setenv("LAYERSCOPE_DATA", str(folder))
    recompressed = {name: gzip.compress(gzip.decompress(data), 1) for name, data in clothes.packed.items()}
    assert recompressed != clothes.packed
    for files in (clothes.packed, recompressed, clothes.plain):
        clothes.write(folder, files)
        clothes.check(fashion_mnist.load_data())
        reason = f"its {next(iter(files))} has not the checksum of mnist's"
        assert f"\n  $LAYERSCOPE_DATA = {folder}: {reason}\n" in said(DatasetMissingError, mnist.load_data)
        for name in files:
            (folder / name).unlink()
    unknown = tuple(replace(file, content_sha256=None) for file in clothes.source.files)
    monkeypatch.setattr(fashion_mnist, "SOURCE", replace(clothes.source, files=unknown))
    clothes.write(folder, clothes.plain)
    assert "has not the checksum of fashion_mnist's" in said(DatasetMissingError, fashion_mnist.load_data)
    clothes.write(folder)
    clothes.check(fashion_mnist.load_data())


def test_given_folder_without_the_files(small, cache, tmp_path):
    small.write(cache)
    some = small.write(tmp_path / "some", {name: small.plain[name] for name in STEMS[1:3]})
    cases = {tmp_path / "mnist.npz": "no such folder", tmp_path: "none of the four files"}
    cases |= {some: f"lacks {STEMS[0]}, {STEMS[3]}", some / STEMS[1]: "this is a file"}
    for folder, reason in cases.items():
        assert said(DatasetMissingError, mnist.load_data, folder) == (
            f"mnist is not in {folder}: {reason}.\nThe path is that of a folder with {WANTED}.\n"
            "(Keras's path is the name of a cache file.) Without a path they are sought in the usual places "
            "and downloaded if they are in none."
        )


WRONG = ": not an IDX file of unsigned bytes with {}, for it begins with {}, expected 00 00 08 0{}."
WEB_PAGE = ": not a gzip file, for it begins with 3c 68 74 6d where gzip begins with 1f 8b. "
WEB_PAGE += "If it is not compressed, take .gz off its name; else get it again."
GZIPPED = WRONG.format("3 axes", "1f 8b 08 00", 3) + " It is gzip: add .gz to its name."
SHORT = ": its header announces 30×28×28 elements, so 23,536 bytes, but it has 23,535."
BROKEN = {  # which file, what becomes of its bytes, what is said of it
    "cut": (FIRST, lambda d: d[:99], ": cut off, for its gzip data go on after its 99 bytes. Get it again."),
    "web page": (FIRST, lambda d: b"<html>", WEB_PAGE),
    "check": (FIRST, lambda d: d[:-8] + bytes(8), ": damaged gzip data (CRC check failed). Get it again."),
    "gzip": (IMAGES, gzip.compress, GZIPPED),
    "axes": (LABELS, lambda d: b"\0\0\x08\3" + d[4:], WRONG.format("1 axis", "00 00 08 03", 1)),
    "type": (IMAGES, lambda d: b"\0\0\x0d\3" + d[4:], WRONG.format("3 axes", "00 00 0d 03", 3)),
    "empty": (IMAGES, lambda d: b"", WRONG.format("3 axes", "nothing", 3)),
    "header": (IMAGES, lambda d: d[:9], ": 9 bytes, too few for the IDX header of 16 bytes."),
    "size": (IMAGES, lambda d: idx(np.zeros((30, 32, 27))), ": images of 32×27, expected 28×28."),
    "none": (LABELS, lambda d: idx(np.zeros(0)), ": its header announces 0 elements."),
    "short": (IMAGES, lambda d: d[:-1], SHORT),
    "long": (LABELS, lambda d: d + b"0", ": its header announces 30 elements, so 38 bytes, but it has 39."),
    "label": (LABELS, lambda d: d[:-1] + b"\x0b", ": label 11 at position 29; labels run from 0 to 9."),
}


@pytest.mark.parametrize("case", BROKEN)
def test_damaged_files(small, tmp_path, case):
    name, spoil, message = BROKEN[case]
    folder = small.write(tmp_path / "given", small.plain | {name: spoil((small.packed | small.plain)[name])})
    assert said(DataError, mnist.load_data, folder) == f"{folder / name}{message}"


def test_other_damage(small, tmp_path, cache):
    folder = small.write(tmp_path / "given", small.plain | {STEMS[3]: idx(np.arange(9))})
    counts = f"{folder / STEMS[2]} holds 10 images but {folder / STEMS[3]} holds 9 labels."
    assert said(DataError, mnist.load_data, folder) == counts
    assert said(DataError, _idx.content, tmp_path) == f"{tmp_path}: cannot be read (Is a directory)."
    small.write(cache, small.packed | {FIRST: b"no"})
    assert "\nDelete it from the cache to have it downloaded again." in said(DataError, mnist.load_data)


def test_download_then_cache(small, server, cache, capfd, monkeypatch):
    small.check(mnist.load_data())
    assert server.log == [(f"/mnist/{name}", None) for name in small.packed]
    assert {path.name for path in cache.iterdir()} == {".lock", *small.packed}
    size, where = sum(map(len, small.packed.values())) / 1e6, f"{server.url}/mnist or {server.url} to {cache}"
    assert capfd.readouterr() == ("", f"layerscope: downloading mnist ({size:.1f} MB) from {where}\n")
    small.check(mnist.load_data())
    assert (len(server.log), capfd.readouterr().err) == (4, "")
    (cache / FIRST).unlink()  # only what is lacking is fetched again, also from a mirror without subfolders
    server.site = {f"/{FIRST}": small.packed[FIRST]}
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    small.check(mnist.load_data())
    assert re.search(f"{FIRST}.*kB", capfd.readouterr().err)
    assert server.log[4:] == [(f"/mnist/{FIRST}", None), (f"/{FIRST}", None)]


@pytest.mark.parametrize(("fault", "tries"), [("", 2), ("no range", 2), ("wrong range", 3), ("416", 3)])
def test_resume_after_a_cut(small, server, fault, tries):
    server.faults = ["cut", "404", fault]
    small.check(mnist.load_data())
    assert server.asked() == [None, f"bytes={len(small.packed[FIRST]) // 2}-", None][:tries]


@pytest.mark.parametrize(("keep", "extra", "asked"), [(1, 0, []), (1, 1, [None]), (0, 9, ["bytes=9-", None])])
def test_part_of_an_earlier_download(small, server, cache, keep, extra, asked):
    small.write(cache, {f"{FIRST}.part": keep * small.packed[FIRST] + bytes(extra)})
    small.check(mnist.load_data())
    assert server.asked() == asked


@pytest.mark.parametrize(
    ("faults", "reason", "tries"),
    [
        ("503 404 500 502", "HTTP 502 Bad Gateway", 3),
        ("404", "HTTP 404 Not Found", 1),
        ("silent 404 503 silent", "timed out", 3),
        ("cut 404 416 cut", "the connection ended after {half:,} of {size:,} bytes", 3),
    ],
)
def test_refusals(small, server, monkeypatch, faults, reason, tries):
    pauses, size, server.faults = [], len(small.packed[FIRST]), faults.split()
    monkeypatch.setattr(_download, "sleep", pauses.append)
    monkeypatch.setattr(_download, "TIMEOUT", 1.0)
    first = f"{server.url}/mnist/{FIRST}: {reason.format(half=size // 2, size=size)}"
    lines = f"Download:\n  {first}\n  {server.url}/{FIRST}: HTTP 404 Not Found\nWhat"
    assert lines in said(DatasetMissingError, mnist.load_data)
    assert (len(server.asked()), pauses) == (tries, [1.0, 2.0][: tries - 1])


@pytest.mark.parametrize("lacking", [0, 1])
def test_wrong_content(small, server, cache, lacking):
    size = len(small.packed[FIRST])
    wrong = server.site[f"/mnist/{FIRST}"] = bytes(size - lacking)
    checksum = f"wrong checksum (SHA-256), expected {sha(small.packed[FIRST])}, got {sha(wrong)}"
    reason = f"has {size - 1:,} bytes, expected {size:,}" if lacking else checksum
    assert f"\n  {server.url}/mnist/{FIRST}: {reason}\n" in said(DatasetMissingError, mnist.load_data)
    assert [path.name for path in cache.iterdir()] == [".lock"]


@pytest.mark.parametrize("offline", [False, True])
def test_missing(small, cache, tmp_path, monkeypatch, offline):
    places, reason = "  $LAYERSCOPE_DATA: not set\n", f"{NOWHERE}/{FIRST}: Connection refused"
    if offline:
        monkeypatch.setenv("LAYERSCOPE_OFFLINE", "1")
        monkeypatch.setenv("LAYERSCOPE_DATA", str(tmp_path))
        reason, places = "LAYERSCOPE_OFFLINE forbids it", f"  $LAYERSCOPE_DATA/mnist = {tmp_path}/mnist: "
        places += f"no such folder\n  $LAYERSCOPE_DATA = {tmp_path}: none of the four files\n"
    assert said(DatasetMissingError, mnist.load_data) == (
        "mnist is not on this machine and was not downloaded.\n"
        f"Looked for {WANTED}, in\n{places}  the cache {cache}: no such folder\nDownload:\n  {reason}\n"
        f"What you can do:\n  - put the four files, from {NOWHERE}/, into {cache}\n"
        "  - or into a folder mnist within a folder that you name in LAYERSCOPE_DATA\n"
        "  - or use digits: 1,797 real handwritten digits that need no download"
    )


def test_interrupted_by_the_user(small, server, cache, monkeypatch):
    def arriving():
        yield small.packed[FIRST][:100]
        raise KeyboardInterrupt

    chunks = arriving()
    with monkeypatch.context() as patch:
        patch.setattr(_download, "_chunk", lambda response: next(chunks))
        said(KeyboardInterrupt, mnist.load_data)
    assert (cache / f"{FIRST}.part").read_bytes() == small.packed[FIRST][:100]
    small.check(mnist.load_data())
    assert server.asked() == [None, "bytes=100-"]


PROCESS = """
import sys, pickle, platformdirs, layerscope.datasets.mnist as mnist
source, folder = pickle.load(sys.stdin.buffer)
mnist.SOURCE, platformdirs.user_cache_dir = source, lambda app: folder
print(mnist.load_data()[0][0].sum())
"""


def test_a_second_process_waits(small, server, cache):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    cache.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", PROCESS], **pipes) as other:
        with _download._alone(cache, "mnist"):
            with other.stdin:
                pickle.dump((small.source, str(cache.parents[1])), other.stdin)
            assert b": waiting for another process that is downloading mnist\n" in other.stderr.readline()
            small.write(cache)
        assert int(other.stdout.read()) == small.arrays[0].sum()
    assert (other.returncode, server.log) == (0, [])


def test_settings_that_do_not_work(small, server, cache, monkeypatch):
    rest = "Put the files elsewhere and name that folder in LAYERSCOPE_DATA."
    small.write(cache.parent, {"mnist": b""})
    assert said(OutputError, mnist.load_data) == f"cannot write {cache}: File exists. {rest}"
    cache.unlink()
    (part := cache / f"{FIRST}.part").mkdir(parents=True)
    assert said(OutputError, mnist.load_data) == f"cannot write {part}: Is a directory. {rest}"
    monkeypatch.setenv("LAYERSCOPE_MIRROR", "file:///data")
    assert said(DataError, mnist.load_data) == (
        "LAYERSCOPE_MIRROR is 'file:///data'; it must begin with http:// or https://. "
        "For a folder of this machine set LAYERSCOPE_DATA."
    )


def test_names_and_load(small, tmp_path):
    assert {"digits", "fashion_mnist", "kmnist", "mnist"} <= {*datasets.names()}
    assert re.findall(r"^\| `(\w+)`", datasets.__doc__, re.M) == datasets.names()
    assert {*datasets.names()} < {*dir(datasets)}
    small.check(datasets.load("mnist", small.write(tmp_path / "given")))
    unknown = said(UnknownNameError, datasets.load, "fashion-mnist")
    assert unknown == "unknown data set 'fashion-mnist'. Did you mean 'fashion_mnist' or 'mnist' or 'kmnist'?"
    code = "import sys; from layerscope.datasets import mnist, digits; print('numpy' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
    no_attribute = said(AttributeError, getattr, datasets, "cifar")
    assert no_attribute == "module 'layerscope.datasets' has no attribute 'cifar'"


def test_published_tables():
    for name, known in (("fashion_mnist", 2), ("kmnist", 1), ("mnist", 2)):
        module, files = getattr(datasets, name), getattr(datasets, name).SOURCE.files
        assert [file.name for file in files] == [f"{stem}.gz" for stem in STEMS]
        assert f"({sum(file.size for file in files) / 1e6:.1f} MB)" in module.SUMMARY
        hashes = {text for file in files for text in (file.sha256, file.content_sha256)[:known]}
        assert sum(re.fullmatch("[0-9a-f]{64}", text) is not None for text in hashes) == 4 * known


def test_digits(tmp_path):
    original, arrays = load_digits(), [array for pair in datasets.load("digits") for array in pair]
    assert [array.shape for array in arrays] == [(1437, 28, 28), (1437,), (360, 28, 28), (360,)]
    assert {array.dtype for array in arrays} == {np.dtype(np.uint8)}
    x, y = np.concatenate(arrays[::2]), np.concatenate(arrays[1::2])
    np.testing.assert_array_equal(y, original.target)
    twin = zoom(original.images * 255 / 16, (1, 2.5, 2.5), order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(x[:, 4:24, 4:24], twin, atol=0.5 + 1e-9)
    assert x.sum() == x[:, 4:24, 4:24].sum()
    pin = "31d94ccad30269ca6b3fe34a877754f9944d62fadcad9acf50e17f632b870b3b"  # on every machine
    assert sha(x.tobytes() + y.tobytes()) == pin
    where = f"digits come with scikit-learn and are read from no folder, so {str(tmp_path)!r} cannot be."
    assert said(DataError, datasets.load, "digits", tmp_path) == where
