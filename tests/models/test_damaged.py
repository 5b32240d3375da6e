"""Model files that are cut, altered, foreign or hostile: refused with a reason, and nothing in them runs."""

import io
import json
import os
import pickle
import random
import tracemalloc
import zipfile

import numpy as np
import pytest

import layerscope as ls
from layerscope import load_model
from layerscope.core.errors import LayerscopeError, SourceError

from .helpers import equal, image_model, numbers, refuses

X = numbers(6, 8, 8, 1)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The bytes of a trained model's file, and what the model predicts."""
    model = image_model()
    model.fit(X, np.arange(6) % 3, epochs=2, verbose=0)
    path = tmp_path_factory.mktemp("saved") / "m.npz"
    model.save(path)
    return path.read_bytes(), model.predict(X), model.get_weights()


def loads_or_refuses(path, wanted, weights):
    """Whether the file loads, as exactly what was saved; whatever else is raised must be ours."""
    model = reason = None
    try:
        model = load_model(path)
    except LayerscopeError as error:
        reason = error
    if model is None:
        assert type(reason) is SourceError
        assert str(reason).startswith(f"{path}: ")
        return False
    assert equal(model.get_weights(), weights)
    assert np.array_equal(model.predict(X), wanted)
    return True


@pytest.mark.parametrize("part", range(20))
def test_a_file_that_was_cut(part, saved, tmp_path):
    content, *_ = saved
    path = tmp_path / "m.npz"
    path.write_bytes(content[: len(content) * part // 20])
    with refuses(SourceError, f"{path}: not a model of Layerscope, or cut short: it is no zip archive"):
        load_model(path)


@pytest.mark.parametrize("seed", range(8))
def test_a_file_with_altered_bytes_is_refused_or_unharmed(seed, saved, tmp_path):
    """A checksum guards every array and the graph; what loads is what was saved."""
    content, wanted, weights = saved
    chance, path, refused = random.Random(seed), tmp_path / "m.npz", 0
    for _ in range(50):
        altered = bytearray(content)
        for _ in range(chance.choice([1, 1, 1, 4, 40])):
            altered[chance.randrange(len(altered))] ^= 1 << chance.randrange(8)
        path.write_bytes(altered)
        refused += not loads_or_refuses(path, wanted, weights)
    assert refused > 25


def test_every_byte_of_the_directory(saved, tmp_path):
    """The archive's own directory steers how the rest is read."""
    content, wanted, weights = saved
    begin, path = content.rindex(b"PK\x01\x02"), tmp_path / "m.npz"
    for place in range(begin, len(content)):
        altered = bytearray(content)
        altered[place] ^= 0xFF
        path.write_bytes(altered)
        loads_or_refuses(path, wanted, weights)


def rewritten(saved, path, **entries):
    """The file with other entries, by name ("/" written "__"); None removes one."""
    with zipfile.ZipFile(io.BytesIO(saved[0])) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    for name, change in entries.items():
        name = name.replace("__", "/").replace("_json", ".json").replace("_npy", ".npy")
        held[name] = change(held[name]) if callable(change) else change
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in held.items():
            if content is not None:
                archive.writestr(name, content)
    return path


def changed(**values):
    """A change of some keys of a JSON object."""
    return lambda content: json.dumps({**json.loads(content), **values})


def recompiled(**values):
    def change(content):
        about = json.loads(content)
        return json.dumps({**about, "compiled": {**about["compiled"], **values}})

    return change


def array(value, **settings):
    buffer = io.BytesIO()
    np.save(buffer, value, **settings)
    return buffer.getvalue()


def claiming(shape, kind="<f4", held=4 * 27):
    """An .npy whose header claims this shape, whatever it holds."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": kind, "fortran_order": False, "shape": shape})
    return header.getvalue() + bytes(held)


def deep(content):
    return "[" * 100_000 + "]" * 100_000


ALTERED = {
    "schema version 2": (
        {"graph_json": changed(layerscope=2)},
        "schema version 2 is not known here; this program reads version 1",
    ),
    "no graph": ({"graph_json": None}, "an archive, but no model of Layerscope: it has no graph.json"),
    "no state": ({"state_json": None}, "damaged: There is no item named 'state.json' in the archive"),
    "no weight": (
        {"weights__0_npy": None}, "damaged: There is no item named 'weights/0.npy' in the archive"
    ),
    "no slot": ({"slots__3_npy": None}, "damaged: There is no item named 'slots/3.npy' in the archive"),
    "graph is no JSON": ({"graph_json": b"{"}, None),
    "graph is deep": ({"graph_json": deep}, None),
    "state is deep": ({"state_json": deep}, None),
    "state is a list": ({"state_json": b"[]"}, "damaged: its state.json is not complete"),
    "other weights": (
        {"state_json": changed(weights=["conv/kernel"])}, "damaged: its weights are not those of its graph"
    ),
    "another order": (
        {"state_json": changed(weights=["conv/bias", "conv/kernel", "classes/kernel", "classes/bias"])},
        "damaged: its weights are not those of its graph",
    ),
    "precision": ({"state_json": changed(precision="float16")}, "damaged: unknown precision 'float16'"),
    "another precision": (
        {"state_json": changed(precision="float64")},
        "damaged: weights/2.npy has 704 bytes, but its array needs 1152",
    ),
    "negative step": ({"state_json": changed(step=-1)}, "damaged: unknown step -1"),
    "step of text": ({"state_json": changed(step="2")}, "damaged: unknown step '2'"),
    "unknown slot": (
        {"state_json": changed(slots=[["conv/kernel", "deltas"]])}, "damaged: Adam keeps no 'deltas' of 'conv/kernel'"
    ),
    "slot of nothing": ({"state_json": changed(slots=[["conv", "momentum"]])}, "damaged: Adam keeps no 'momentum' of 'conv'"),
    "unknown optimizer": (
        {"state_json": recompiled(optimizer={"optimizer": "Adamm", "settings": {}})},
        "unknown optimizer 'Adamm'. Did you mean 'adam' or 'nadam' or 'adamw'?",
    ),
    "optimizer setting": (
        {"state_json": recompiled(optimizer={"optimizer": "Adam", "settings": {"learning_rate": -1}})},
        "Adam: learning_rate must be a number of at least 0, not -1",
    ),
    "unknown loss": (
        {"state_json": recompiled(losses=["mean_square"])},
        "unknown loss 'mean_square'. Did you mean 'mean_squared_error' or 'mean_squared_logarithmic_error' or 'squared_hinge'?",
    ),
    "weight of another shape": (
        {"weights__0_npy": array(numbers(3, 3, 3, 1))},
        "damaged: weights/0.npy is float32 (3, 3, 3, 1), not float32 (3, 3, 1, 3)",
    ),
    "weight of another size": (
        {"weights__0_npy": array(numbers(2, 2, 1, 3))},
        None,
    ),
    "weight of another type": (
        {"weights__0_npy": array(numbers(3, 3, 1, 3).astype(">f4"))},
        "damaged: weights/0.npy is >f4 (3, 3, 1, 3), not float32 (3, 3, 1, 3)",
    ),
    "weight in another order": (
        {"weights__2_npy": array(np.asfortranarray(numbers(48, 3)))},
        "damaged: weights/2.npy lies in Fortran's order",
    ),
    "header claims more": (
        {"weights__0_npy": claiming((10**12,))},
        "damaged: weights/0.npy is float32 (1000000000000,), not float32 (3, 3, 1, 3)",
    ),
    "header promises more than is there": (
        {"weights__0_npy": claiming((3, 3, 1, 3), held=100) + b""},
        "damaged: weights/0.npy has 100 bytes of 108",
    ),
    "header of nonsense": ({"weights__0_npy": b"\x93NUMPY\x01\x00\x76\x00" + b"{" * 300}, None),
    "header of text": ({"weights__0_npy": b"no array at all, but long enough to be one" * 5}, None),
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERED)
def test_an_archive_with_altered_entries(name, saved, tmp_path):
    entries, message = ALTERED[name]
    path = rewritten(saved, tmp_path / "m.npz", **entries)
    if message is not None:
        with refuses(SourceError, f"{path}: {message}"):
            load_model(path)
    assert not loads_or_refuses(path, None, None)


def test_an_unaltered_rewriting_loads(saved, tmp_path):
    _, wanted, weights = saved
    assert loads_or_refuses(rewritten(saved, tmp_path / "m.npz"), wanted, weights)


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize(("entry", "shape"), [("weights__0_npy", (3, 3, 1, 3)), ("slots__0_npy", (3,))])
def test_a_pickle_in_the_archive_is_not_read(entry, shape, saved, tmp_path):
    struck = str(tmp_path / "struck")
    hostile = np.array([Payload(struck)] * 27, object)[: int(np.prod(shape))].reshape(shape)
    path = rewritten(saved, tmp_path / "m.npz", **{entry: array(hostile, allow_pickle=True)})
    name = entry.replace("__", "/").replace("_npy", ".npy")
    with refuses(SourceError, f"{path}: damaged: {name} is object {shape}, not float32 {shape}"):
        load_model(path)
    assert not os.path.exists(struck)
    pickle.loads(pickle.dumps(Payload(struck)))
    assert os.path.exists(struck), "the payload would have struck"


def vast(content):
    """The graph with a Dense of 10^12 weights."""
    graph = json.loads(content)
    graph["nodes"][-1]["settings"]["units"] = 10**12 // 48
    for id, row in graph["parameters"].items():
        if id.startswith("classes"):
            row["shape"][-1] = 10**12 // 48
    return json.dumps(graph)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            {"graph_json": vast},
            "damaged: weights/2.npy has 704 bytes, but its array needs 3999999999936",
        ),
        ({"state_json": b"[" + b" " * (65 << 20) + b"]"}, "damaged: its state.json is larger than 64 MiB"),
        ({"graph_json": b"{" + b" " * (65 << 20) + b"}"}, "its graph.json is larger than 32 MiB"),
        (
            {"weights__0_npy": claiming((3, 3, 1, 3), held=80 << 20)},
            f"damaged: weights/0.npy has {128 + (80 << 20)} bytes, but its array needs 108",
        ),
    ],
    ids=["vast graph", "vast state", "vast JSON", "vast array"],
)
def test_claims_of_size_are_not_believed(entries, message, saved, tmp_path):
    path = rewritten(saved, tmp_path / "m.npz", **entries)
    tracemalloc.start()
    try:
        with refuses(SourceError, f"{path}: {message}"):
            load_model(path)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def foreign_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


NO_ZIP = "{path}: not a model of Layerscope, or cut short: it is no zip archive"
NO_MODEL = "{path}: an archive, but no model of Layerscope: it has no graph.json"
FOREIGN = {
    "zip": (foreign_zip, NO_MODEL),
    "npz": (lambda path: np.savez(path, a=np.ones(3)), NO_MODEL),
    "npy": (lambda path: np.save(path, np.ones(3)), NO_ZIP),
    "text": (lambda path: path.write_text("28x28x1 | flatten"), NO_ZIP),
    "pickle": (lambda path: path.write_bytes(pickle.dumps(Payload(str(path) + ".struck"))), NO_ZIP),
    "empty": (lambda path: path.write_bytes(b""), NO_ZIP),
    "folder": (lambda path: path.mkdir(), "{path} is a folder; give the model file in it"),
    "missing": (lambda path: None, "{path}: there is no such file"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_model(name, tmp_path):
    make, message = FOREIGN[name]
    path = (
        tmp_path / "given.npz" if name == "npz" else tmp_path / "given.npy" if name == "npy" else tmp_path / "given"
    )
    make(path)
    for given in (path, str(path)):
        with refuses(SourceError, message.format(path=path)):
            load_model(given)
    assert not os.path.exists(f"{path}.struck")


@pytest.mark.parametrize("kind", ["stream", "deep"])
def test_tracing_a_damaged_model_is_refused_too(kind, saved, tmp_path):
    path = tmp_path / "m.npz"
    if kind == "deep":
        rewritten(saved, path, graph_json=deep)
    else:
        content = bytearray(saved[0])
        place = content.index(b"graph.json") + len(b"graph.json")
        content[place : place + 8] = b"\xff" * 8
        path.write_bytes(content)
    with pytest.raises(LayerscopeError) as caught:
        ls.trace(path)
    assert str(caught.value).startswith(f"{path}: damaged")
