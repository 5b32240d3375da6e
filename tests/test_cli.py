"""The command line as a user meets it: what it prints, its exit codes, its messages for mistakes."""

import json
import os
import subprocess
import sys

import pytest
from tests.commands import layerscope, refused

import layerscope as ls

IMAGES = "28x28x1 | conv 1 3 same sigmoid"


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """However busy the machine is, compiling is not worth a line."""
    monkeypatch.setattr("layerscope.models.progress.PATIENCE", 600)


KINDS = (
    "Known: one of the reference document's networks, such as example:autoencoder; a function of JAX, or a module of Flax or Equinox, with input=(1, 224, 224, 3); a graph saved as JSON; a Keras 3 model; a file that Keras saved "
    "(.keras, .h5, JSON); a Model, or a file written by Model.save; an ONNX file; package.module:callable, a Python function that returns a model; one line of text, "
    "such as '28x28x1 | conv 16 3 same relu | maxpool 2'; a PyTorch module, function or exported program (.pt2), with "
    "input=(1, 3, 224, 224)."
)

MISTAKES = {
    "unknown layer": (
        ["trace", "28x28x1 | conf 16 3"],
        "unknown layer 'conf'. Did you mean 'conv' or 'convt' or 'deconv'?\n\n"
        "  28x28x1 | conf 16 3\n            ^^^^",
    ),
    "kernel too large": (
        ["trace", "28x28x1 | maxpool 2 | conv 16 15"],
        "Conv2D: the kernel covers 15 cells along its height, but the input has only 14. Use a smaller kernel or "
        "padding='same'.\nThe data's journey so far: input (28, 28, 1) → maxpool (14, 14, 1)\n\n"
        "  28x28x1 | maxpool 2 | conv 16 15\n                        ^^^^^^^^^^\n"
        "With one of these changes the whole network fits:\n"
        "  1. conv2d: padding='same' instead of 'valid' → (14, 14, 16)\n"
        "  2. conv2d: kernel_size=14 instead of 15 → (1, 1, 16)\n"
        "  3. max_pooling2d: strides=1 instead of 2 → (13, 13, 16)",
    ),
    "zero filters": (
        ["trace", "28x28x1 | conv 0 3"],
        "Conv2D: filters must be at least 1, not 0\n\n  28x28x1 | conv 0 3\n            ^^^^^^^^",
    ),
    "negative stride": (
        ["trace", "28x28x1 | conv 4 3 stride -1"],
        "Conv2D: strides must be at least 1, not -1\n\n"
        "  28x28x1 | conv 4 3 stride -1\n            ^^^^^^^^^^^^^^^^^^",
    ),
    "zero size": (
        ["trace", "28x0x1 | conv 1 3"],
        "a size of width must be at least 1, not 0\n\n  28x0x1 | conv 1 3\n  ^^^^^^",
    ),
    "missing file": (["trace", "nofile.json"], "nofile.json: there is no such file"),
    "missing file, like another": (
        ["trace", "{tmp}/filee"],
        "{tmp}/filee: there is no such file. Did you mean file?",
    ),
    "missing folder": (
        ["trace", "{tmp}/none/model.keras"],
        "{tmp}/none/model.keras: there is no such file, for there is no folder {tmp}/none",
    ),
    "missing path": (["trace", "{tmp}/model"], "{tmp}/model: there is no such file"),
    "no path": (["trace", "lenet"], f"'lenet' is neither a file here nor a network. {KINDS}"),
    "folder to save into": (
        ["trace", "8x8x1", "--save", "{tmp}/none/deep/net.json"],
        "cannot write {tmp}/none/deep/net.json: there is no folder {tmp}/none/deep; make it first",
    ),
    "file to save into": (
        ["trace", "8x8x1", "--save", "{tmp}/file/net.json"],
        "cannot write {tmp}/file/net.json: a part of this path is a file, not a folder",
    ),
    "folder": (["trace", "/"], "/ is a folder; give a model file in it"),
    "example": (
        ["trace", "example:autoencodr"],
        "unknown example 'autoencodr'. Did you mean 'autoencoder' or 'autoencoder-transpose'? "
        "List them with: layerscope examples",
    ),
    "format": (["trace", "example:autoencoder", "--format", "xml"], "unknown format 'xml'. Did you mean 'html'?"),
    "module": (
        ["trace", "nowhere.at_all:make"],
        f"nowhere.at_all:make: its import 'nowhere' cannot be found (searched here, {os.getcwd()}, and installed)",
    ),
    "layer to explain": (
        ["explain", "tranpose"],
        "unknown layer 'tranpose'. Did you mean 'transpose' or 'conv3dtranspose' or 'conv2dtranspose'?",
    ),
    "flatten is missing": (
        ["train", "28x28x1 | dense 10 softmax", "--data", "digits"],
        "the targets are one number per example, but sparse_categorical_crossentropy needs (28, 28) for the output "
        "(28, 28, 10). dense (Dense) acts on the last axis only, so it keeps the other axes of its input (28, 28, 1). "
        "Put Flatten before it: it then takes all 784 numbers.",
    ),
    "labels outside": (
        ["train", "28x28x1 | flatten | dense 5 softmax", "--data", "digits", "--out", "{tmp}/run"],
        "sparse_categorical_crossentropy: the output has 5 classes, so labels run from 0 to 4, but the targets run "
        "from 0 to 9",
    ),
    "size of the data": (
        ["train", "32x32x1 | conv 1 3 same sigmoid", "--data", "digits"],
        "the network takes (32, 32, 1), but the images of digits are (28, 28, 1). Start the network with 28x28x1, "
        "or bring the images to it with --size 32.",
    ),
    "data set": (
        ["train", IMAGES, "--data", "digitz"],
        "unknown data set 'digitz'. Did you mean 'digits'?",
    ),
    "optimizer": (
        ["train", IMAGES, "--data", "digits", "--optimizer", "adem"],
        "unknown optimizer 'adem'. Did you mean 'adam' or 'nadam' or 'adamw'?",
    ),
    "learning rate": (
        ["train", IMAGES, "--data", "digits", "--learning-rate", "-1"],
        "Adadelta: learning_rate must be a number of at least 0, not -1.0",
    ),
    "loss": (
        ["train", IMAGES, "--data", "digits", "--loss", "mean_squared_eror"],
        "unknown loss 'mean_squared_eror'. Did you mean 'mean_squared_error' or "
        "'mean_squared_logarithmic_error' or 'mean_absolute_error'?",
    ),
    "loss for images": (
        ["train", "28x28x1 | flatten | dense 10", "--data", "digits", "--loss", "mse"],
        "mean_squared_error compares the output with the images, but the output is (10,) and an image (28, 28, 1). "
        "For labels (0 to 9) use --loss sparse_categorical_crossentropy.",
    ),
    "run folder": (
        ["reconstruct", "{tmp}/none"],
        "{tmp}/none: there is no such run folder; layerscope train makes one",
    ),
    "picture": (
        ["demo", "-o", "{tmp}/none/ten.png"],
        "cannot write {tmp}/none/ten.png: there is no folder {tmp}/none; make it first",
    ),
    "unwritable folder": (
        ["train", IMAGES, "--data", "digits", "--out", "{tmp}/file/run"],
        "cannot write into {tmp}/file/run: a part of this path is a file, not a folder",
    ),
    "suffix of an export": (
        ["export", "{tmp}/none", "-o", "{tmp}/model.tflite"],
        "{tmp}/model.tflite: .tflite is none of the formats that can be written; name it .onnx (ONNX), .keras (Keras) "
        "or .pt2 (PyTorch)",
    ),
    "export without a suffix": (
        ["export", "{tmp}/none", "-o", "{tmp}/model"],
        "{tmp}/model: without a suffix it is none of the formats that can be written; name it .onnx (ONNX), .keras "
        "(Keras) or .pt2 (PyTorch)",
    ),
    "export of nothing": (
        ["export", "{tmp}/none", "-o", "{tmp}/model.onnx"],
        "{tmp}/none: there is no such run folder or model file; layerscope train makes one, Model.save the other",
    ),
    "export into a folder that is not there": (
        ["export", "{tmp}/none", "-o", "{tmp}/no/model.onnx"],
        "cannot write {tmp}/no/model.onnx: there is no folder {tmp}/no; make it first",
    ),
    "export of another folder": (
        ["export", "{tmp}", "-o", "{tmp}/model.onnx"],
        "{tmp} is not a run folder: it holds no model.npz",
    ),
    "export of another file": (
        ["export", "{tmp}/file", "-o", "{tmp}/model.onnx"],
        "{tmp}/file: not a model of Layerscope, or cut short: it is no zip archive",
    ),
    "nan": (
        [
            "train", "28x28x1 | conv 1 3 same", "--data", "digits", "--optimizer", "sgd", "--learning-rate", "1e30",
            "--epochs", "2", "--out", "{tmp}/nan",
        ],
        "the loss became inf in epoch 1, batch 2 of 6. The weights are those before that batch. "
        "Try a smaller learning rate (it is 1e+30; try 1e+29).",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    arguments, message = MISTAKES[name]
    arguments = [a.format(tmp=tmp_path) for a in arguments]
    expected = message.replace("{tmp}", str(tmp_path))
    assert refused(capsys, *arguments) == f"layerscope {arguments[0]}: {expected}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "layerscope: the following arguments are required: COMMAND\nTry: layerscope --help\n"),
        (["trace"], "layerscope trace: the following arguments are required: WHAT\nTry: layerscope trace --help\n"),
        (
            ["trace", "3", "--batch", "0"],
            "layerscope trace: argument --batch: must be at least 1, not 0\nTry: layerscope trace --help\n",
        ),
        (
            ["train", IMAGES, "--epochs", "two"],
            "layerscope train: argument --epochs: a whole number is needed, not 'two'\nTry: layerscope train --help\n",
        ),
    ],
)
def test_mistakes_in_the_arguments(arguments, message, capsys):
    assert refused(capsys, *arguments) == message


def test_mismatched_add_in_a_graph(capsys, tmp_path):
    node = {"settings": {}, "weights": {}, "scope": []}
    data = {
        "layerscope": 1,
        "inputs": ["a", "b"],
        "outputs": [["sum", 0]],
        "nodes": [
            {"name": "a", "kind": "InputLayer", "inputs": [], **node, "settings": {"shape": [8, 8, 4]}},
            {"name": "b", "kind": "InputLayer", "inputs": [], **node, "settings": {"shape": [8, 7, 3]}},
            {"name": "sum", "kind": "Add", "inputs": [["a", 0], ["b", 0]], **node},
        ],
    }
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(data))
    assert refused(capsys, "trace", str(path)) == (
        f"layerscope trace: {path}: sum (Add): cannot add (batch, 8, 8, 4) and (batch, 8, 7, 3): "
        "axis 2 has 8 against 7; axis 3 has 4 against 3\n"
        "The way there: a 8·8·4 = 256 → b 8·7·3 = 168\n"
        "With this change the whole network fits:\n"
        "  1. put Cropping2D(cropping=(0, (0, 1))) between a and sum; "
        "put Conv2D(filters=3, kernel_size=1) between cropping2d and sum → (8, 7, 3)\n"
    )


def test_module_and_callable(capsys, tmp_path, monkeypatch):
    (tmp_path / "nets_for_test.py").write_text(
        "import layerscope as ls\nfrom layerscope.layers import Dense, Input\n"
        "def model():\n    x = Input((3,))\n    return ls.Model(x, Dense(2)(x))\n"
        "def broken():\n    return 1 / 0\n"
        "def number():\n    return 3\n"
        "LINE = '8x8x1 | conv 2 3'\n"
    )
    monkeypatch.chdir(tmp_path)
    assert layerscope(capsys, "trace", "nets_for_test:model")[0] == 0
    assert layerscope(capsys, "trace", "nets_for_test:LINE")[0] == 0
    assert refused(capsys, "trace", "nets_for_test:broken") == (
        "layerscope trace: nets_for_test:broken() failed: ZeroDivisionError: division by zero "
        f"({tmp_path}/nets_for_test.py, line 7)\n"
    )
    assert refused(capsys, "trace", "nets_for_test:number") == (
        "layerscope trace: nets_for_test:number gives an object of type int; expected a Model, a Graph, a Keras, PyTorch or JAX model or one line of text\n"
    )
    assert "unknown name 'modell'. Did you mean 'model'?" in refused(capsys, "trace", "nets_for_test:modell")


def test_train_and_reconstruct(capsys, tmp_path):
    run = str(tmp_path / "run")
    text = "28x28x1 | conv 4 3 same relu | maxpool 2 | upsample 2 | conv 1 3 same sigmoid"
    code, out, _ = layerscope(capsys, "train", text, "--data", "digits", "--epochs", "2", "--out", run)
    assert code == 0
    assert out.splitlines()[-1] == f"Next: layerscope reconstruct {run} -o ten.png"
    files = ["README.md", "history.csv", "model.npz", "network.json", "pictures", "report.html", "settings.json"]
    assert sorted(os.listdir(run)) == files
    assert (tmp_path / "run" / "history.csv").read_text().splitlines()[0] == "epoch,loss,val_loss"
    picture = tmp_path / "ten.png"
    code, out, _ = layerscope(capsys, "reconstruct", run, "-o", str(picture), "--count", "4")
    assert code == 0
    assert "Mean squared error" in out
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "holds a run already" in refused(capsys, "train", text, "--data", "digits", "--out", run)
    assert layerscope(capsys, "trace", f"{run}/model.npz")[0] == 0


def test_train_on_labels(capsys, tmp_path):
    text = "28x28x1 | conv 4 3 relu | maxpool 4 | flatten | dense 10 softmax"
    arguments = ["--data", "digits", "--optimizer", "adam", "--batch-size", "32", "--out", str(tmp_path / "run")]
    code, out, _ = layerscope(capsys, "train", text, *arguments, "--epochs", "3")
    assert code == 0
    assert float(out.split("val_accuracy ")[-1].split()[0]) > 0.6
    assert "learned labels" in refused(capsys, "reconstruct", str(tmp_path / "run"))


@pytest.mark.parametrize(
    ("suffix", "package", "message"),
    [
        (".onnx", "onnx", "writing ONNX needs the package onnx: pip install onnx"),
        (
            ".pt2",
            "torch",
            "writing a PyTorch module needs the package torch: see https://pytorch.org/get-started",
        ),
    ],
)
def test_export_says_which_package_is_missing(suffix, package, message, capsys, tmp_path, monkeypatch):
    ls.Sequential([ls.Input((3,)), ls.layers.Dense(2)]).save(tmp_path / "model.npz")
    monkeypatch.setitem(sys.modules, package, None)
    code, out, err = layerscope(capsys, "export", f"{tmp_path}/model.npz", "-o", f"{tmp_path}/model{suffix}")
    assert (code, out, err) == (2, "", f"layerscope export: {message}\n")
    assert os.listdir(tmp_path) == ["model.npz"]


def test_explain_every_layer(capsys):
    _, out, _ = layerscope(capsys, "explain")
    names = [line.split()[0] for line in out.splitlines()]
    assert names == list(ls.layers.kinds())
    for name in names:
        code, text, _ = layerscope(capsys, "explain", name)
        assert code == 0
        for part in ("Shape law", "Settings (Keras's names)", "Example", "Elsewhere", "Keras 3", "PyTorch", "ONNX"):
            assert part in text


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -m layerscope.cli explain | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


COMMANDS = (
    "demo",
    "trace",
    "check",
    "field",
    "explain",
    "examples",
    "train",
    "reconstruct",
    "encode",
    "score",
    "plot",
    "compare",
    "export",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command, capsys):
    code, out, _ = layerscope(capsys, command, "--help")
    assert code == 0
    assert f"layerscope {command}" in out.split("example", 1)[1]


def test_what_no_memory_holds_is_said_in_one_line(capsys, tmp_path):
    """No machine has 57 TiB."""
    words = ["28x28x1 | flatten | dense 9999999999", "--data", "digits", "--out", str(tmp_path / "run")]
    code, _, err = layerscope(capsys, "train", *words)
    assert code == 2
    assert "layerscope train: not enough memory: Unable to allocate 57.0 TiB" in err
    assert "Traceback" not in err
