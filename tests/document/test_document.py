"""Every cell of the reference document, with tensorflow.keras replaced by layerscope and nothing else.

The cells stand beside this file as they are in the document, with what they print.
"""

import gzip
import re
import struct
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from layerscope.datasets import digits

HERE = Path(__file__).parent
PRINTED = re.compile(r"^'''\n(.*?)^'''", re.MULTILINE | re.DOTALL)
GIGABYTES = 4


def cell(name):
    """The cell's code for Layerscope, and what the document says it prints."""
    text = (HERE / f"{name}.py.txt").read_text("utf-8")
    code = PRINTED.sub("", text)
    code = code.replace("import tensorflow as tf", "import numpy as np\nimport layerscope")
    code = code.replace("tf.keras.", "layerscope.").replace("tensorflow.keras", "layerscope")
    code = code.replace("tf.zeros", "np.zeros").replace("tf.squeeze", "np.squeeze")
    assert "tensorflow" not in code
    assert "tf." not in code
    found = PRINTED.search(text)
    return code, found[1] if found else ""


def run(name, space=None):
    space = {} if space is None else space
    exec(compile(cell(name)[0], name, "exec"), space)
    return space


@pytest.mark.parametrize("name", ["condense", "enrich"])
def test_the_boxes_print_what_the_document_prints(name, capsys):
    run(name)
    assert capsys.readouterr().out == cell(name)[1]


def test_the_large_image_prints_the_same_under_4_gb():
    code = cell("convolution")[0] + "\nimport resource\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *lines, peak = done.stdout.splitlines()
    assert "\n".join(lines) + "\n" == cell("convolution")[1]
    assert int(peak) * 1024 < GIGABYTES * 10**9


def write_idx(path, array):
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """A few real digits in the four files of MNIST, so that fifty epochs take seconds."""
    (x, y), (x_test, y_test) = digits.load_data()
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part, images, labels in (("train", x[:48], y[:48]), ("t10k", x_test[:16], y_test[:16])):
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels.astype(np.uint8))
    monkeypatch.setenv("LAYERSCOPE_DATA", str(tmp_path))


ROW = re.compile(r"\((?:None, )?([\d, ]+)\)\]?\s+│?\s*([\d,]+)")


def table(text):
    """(shape, parameters) of each row of a summary."""
    rows = ROW.findall(text)
    return [([int(n) for n in shape.split(", ")], int(count.replace(",", ""))) for shape, count in rows]


def test_the_autoencoders(small_mnist, capsys, monkeypatch):
    mpl.use("Agg")
    space = run("loading")
    assert space["x_train"].shape == (48, 28, 28, 1)
    assert space["x_test"].dtype == np.float32
    for name, rows in (("autoencoder", 14), ("transpose", 13)):
        run(name, space)
        printed, expected = capsys.readouterr().out, cell(name)[1]
        assert len(table(expected)) == rows
        assert table(printed) == table(expected)
        assert "Total params: 3,369" in printed
        assert "Total params: 3,369" in expected
        run("training", space)
        assert len(space["autoencoder"].history.epoch) == 50
        losses = space["autoencoder"].history.history
        assert losses["loss"][-1] < losses["loss"][0]
        run("reconstruction", space)
        assert space["x_test_hat"].shape == (10, 28, 28, 1)
        assert len(space["plt"].gcf().axes) == 20
        space["plt"].close("all")
        capsys.readouterr()


def test_the_cells_are_all_there():
    assert sorted(path.name for path in HERE.glob("*.py.txt")) == [
        f"{name}.py.txt"
        for name in (
            "autoencoder", "condense", "convolution", "enrich", "loading", "reconstruction", "training", "transpose",
        )
    ]  # fmt: skip
