"""Which kind of file is which, by its content; broken and hostile ones are refused with a reason."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile

import pytest
from tests.keras_configs import DATA, OF_THREE, THREE, TWO, archived, entry, layer, model, refused, shapes

import layerscope as ls
from layerscope.core.errors import LayerscopeError, SourceError
from layerscope.sources import _files
from layerscope.sources._keras import files as keras_file

# --- which file is which ---


def test_kinds_go_by_content_and_not_by_name(tmp_path):
    graph = tmp_path / "graph.keras"
    ls.trace(THREE).save(graph)
    for name, data in {
        "a.onnx": archived(THREE.read_text()),
        "b.txt": THREE.read_bytes(),
        "c": TWO.read_bytes(),
    }.items():
        (tmp_path / name).write_bytes(data)
        assert "input_1" in shapes(tmp_path / name) or "image" in shapes(tmp_path / name)
    assert shapes(graph) == OF_THREE
    (tmp_path / "late.json").write_text('{"note": "handwritten", "layerscope": 2}')
    assert refused(tmp_path / "late.json") == (
        f"{tmp_path}/late.json: schema version 2 is not known here; this program reads version 1"
    )


def zipped(*names) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        for name in names:
            file.writestr(name, b"x")
    return held.getvalue()


OTHERS = {
    "torch": zipped("archive/data.pkl", "archive/data/0"),
    "torchscript": zipped("net/data.pkl", "net/code/net.py"),
    "npz": zipped("a.npy", "b.npy"),
    "zip": zipped("readme.txt"),
    "damaged-zip": zipped("config.json")[:40],
    "tflite": b"\x1c\x00\x00\x00TFL3" + bytes(40),
    "pickle": b"\x80\x04\x95" + bytes(20),
    "safetensors": (40).to_bytes(8, "little") + b'{"w":{"dtype":"F32"}}',
    "gguf": b"GGUF" + bytes(20),
    "npy": b"\x93NUMPY\x01\x00",
    "picture": b"\x89PNG\r\n\x1a\n",
    "pdf": b"%PDF-1.7",
    "gzip": b"\x1f\x8b\x08",
    "markup": b"<html>",
    "empty": b"",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_files_are_refused_with_what_they_are(tmp_path, kind):
    path = tmp_path / "model.keras"
    path.write_bytes(OTHERS[kind])
    assert refused(path) == f"{path} is {_files.REFUSED[kind]}."


def test_folders_and_devices(tmp_path):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")
    assert refused(tmp_path / "saved") == f"{tmp_path}/saved is {_files.REFUSED['savedmodel']}."
    (tmp_path / "face").mkdir()
    (tmp_path / "face" / "config.json").write_text("{}")
    (tmp_path / "face" / "model.safetensors").write_bytes(b"")
    assert refused(tmp_path / "face") == f"{tmp_path}/face is {_files.REFUSED['hugging-face']}."
    assert refused(tmp_path) == f"{tmp_path} is a folder; give a model file in it"
    assert refused("/dev/null") == "/dev/null is no regular file."
    assert set(OTHERS) | {"savedmodel", "hugging-face", "device"} == set(_files.REFUSED), "each has its test"
    (tmp_path / "notes.txt").write_text("nothing")
    assert refused(tmp_path / "notes.txt").startswith(f"{tmp_path}/notes.txt: of no kind that is known here. Known: ")
    assert "a file that Keras saved (.keras, .h5, JSON)" in refused(tmp_path / "notes.txt")


# --- broken files ---


def broken(data, **settings) -> str:
    with pytest.raises(LayerscopeError) as caught:
        keras_file.read_bytes(data if isinstance(data, bytes) else json.dumps(data).encode(), **settings)
    return str(caught.value)


def cyclic():
    first, second = layer("Add", "first", "x", "second"), layer("Dense", "second", "first", units=4)
    return model(entry(), first, second)


def laughing(depth=40):
    """Models that each call the one within twice: a few lines, 2^depth layers."""
    part = layer("Dense", "deep", "x", units=4)
    for number in range(depth):
        twice = {**part, "name": f"m{number}"}
        one, two = layer("D", "d", "x")["inbound_nodes"][0], layer("D", "d", f"m{number}")["inbound_nodes"][0]
        twice["inbound_nodes"] = [one, two]
        inner = model(entry(), twice, name=f"m{number + 1}", outputs=[f"m{number}"])
        inner["config"]["output_layers"] = [[f"m{number}", 1 + (number > 0), 0]]
        part = inner
    return part


BROKEN = {
    "an empty object": ({}, 'the configuration is no layer or model of Keras: the key "class_name" is missing'),
    "a list": ([], 'the configuration is no layer or model of Keras: the key "class_name" is missing'),
    "a subclassed model": (
        {"module": "own", "class_name": "Net", "config": {"name": "net"}, "registered_name": "own>Net"},
        "Net (net) is a subclassed model: the file holds its settings, but what it computes is Python code that is not "
        "in it. Build the model in Python and say layerscope.trace(model)",
    ),
    "a cycle": (cyclic(), "net: its layers form a cycle: 'first' depends on its own output"),
    "a missing layer": (
        model(entry(), layer("Dense", "d", "y", units=1)),
        "net: there is no layer 'y', from which a tensor should come",
    ),
    "two of a name": (model(entry(), entry(), outputs=["x"]), "two layers of net are called 'x'"),
    "an output of a call that is not": (
        model(entry(), layer("Dense", "d", units=1)),
        "net: 'd' is called 0 times, so there is no call 0 of it",
    ),
    "no inputs": (
        model(entry(), layer("Dense", "d", "x", units=1), inputs=()),
        "net: input_layers must list [layer, call, output], not []",
    ),
    "an input that is none": (
        model(entry(), layer("Dense", "d", "x", units=1), inputs=("d",)),
        "net: its input 'd' is no InputLayer of it",
    ),
    "an input that is not listed": (
        model(entry(), entry("y"), layer("Add", "a", "x", "y")),
        "a reads 'y', which is not among the model's inputs",
    ),
    "a size without end": (
        model(entry(shape=(None, 2**63)), outputs=["x"]),
        "x (InputLayer): 9223372036854775808 is no size of a tensor",
    ),
    "a negative size": (model(entry(shape=(None, -1)), outputs=["x"]), "x (InputLayer): -1 is no size of a tensor"),
    "a size that is text": (model(entry(shape=(None, "a")), outputs=["x"]), "x (InputLayer): 'a' is no size of a tensor"),
    "no batch": (model(entry(shape=()), outputs=["x"]), "x (InputLayer): a shape needs at least the batch"),
    "axes without end": (
        model(entry(shape=(None,) * 99), outputs=["x"]),
        "x (InputLayer): a shape of 99 axes; at most 64 are read",
    ),
    "a layer without a name": (
        model(entry(), {"class_name": "Dense", "config": {}}, outputs=["x"]),
        "a layer of net (Dense) has no name",
    ),
    "a layer that is a number": (
        model(entry(), {"class_name": "Dense", "config": 3, "name": "d"}, outputs=["x"]),
        'layer 1 of net (Dense): "config" must be an object',
    ),
    "more layers than there are": (
        laughing(),
        "the model calls more than 10,000 layers, nested models written out",
    ),
    "text": (b"{", "its text is not readable as JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    "digits": (
        b'{"class_name": ' + b"9" * 5000 + b"}",
        "the number 999999999999... has 5000 digits, more than any size",
    ),
    "values": (b"[" + b"0," * 1_000_000, "its text has more than 1,000,000 values"),
    "bytes": (b'"' + b"x" * (16 << 20), "its text is larger than 16 MiB"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_broken_configurations_are_refused(case):
    data, message = BROKEN[case]
    assert broken(data) == message


def test_nesting_without_end_is_refused():
    deep = b'{"class_name":' * 5000
    assert broken(deep).startswith("its text is not readable as JSON: ")
    text = b'{"module":"keras","class_name":"Sequential","config":{"name":"s","layers":[' * 900 + b"]}}" * 900
    assert "recursion" in broken(text)


def test_archives_that_are_broken_or_hostile(tmp_path):
    path = tmp_path / "model.keras"
    whole = archived(THREE.read_text())
    for cut in range(0, len(whole), 97):
        path.write_bytes(whole[:cut])
        assert refused(path).startswith(str(path))
    spoilt = bytearray(whole)
    place = whole.index(b"config.json") + 60
    spoilt[place : place + 40] = bytes(40)
    path.write_bytes(spoilt)
    assert refused(path).startswith(f"{path}: damaged: ")
    path.write_bytes(archived("{}", **{"..__..__..__escaped.txt": "outside"}))
    assert refused(path) == (
        f'{path}: the configuration is no layer or model of Keras: the key "class_name" is missing'
    )
    assert [one.name for one in tmp_path.rglob("*")] == ["model.keras"], "nothing is unpacked"
    path.write_bytes(zipped("metadata.json", "model.weights.h5"))
    assert refused(path) == f"{path}: an archive without config.json: no whole Keras model"


def test_a_zip_bomb_is_read_to_the_limit_and_no_further(tmp_path):
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("config.json", "w") as entry_:
        for _ in range(256):
            entry_.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        assert refused(path) == f"{path}: its config.json is larger than 16 MiB"
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def answer(path) -> str:
    """Of a refusal, the words behind the path up to the next colon; nothing for a file that is read."""
    try:
        ls.trace(path)
    except SourceError as error:
        return str(error).removeprefix(f"{path}: ").partition(":")[0]
    return ""


def test_hdf5_files_that_are_broken(tmp_path):
    path = tmp_path / "model.h5"
    whole = (DATA / "corpus" / "h5" / "nested.h5").read_bytes()
    answers = set()
    for cut in range(8, len(whole), 211):
        path.write_bytes(whole[:cut])
        answers.add(answer(path))
    assert answers <= {"", "a damaged HDF5 file", "its model_config is not readable as JSON"}
    assert "a damaged HDF5 file" in answers
    path.write_bytes(whole.replace(b"model_config", b"modem_config"))
    assert refused(path) == (
        f"{path}: an HDF5 file without model_config: weights by themselves, or no Keras file. Trace the model that "
        "they belong to"
    )
    path.write_bytes(whole[:8] + b"\x09" + whole[9:])
    assert refused(path) == f"{path}: a damaged HDF5 file: version 9 of the format is not known; 0 to 3 are"
    path.write_bytes(whole[:13] + b"\x03" + whole[14:])
    assert refused(path) == f"{path}: a damaged HDF5 file: addresses of 3 bytes and lengths of 8"
