"""Programs that torch.export wrote, traced from their files without loading weights or opening pickles."""

from __future__ import annotations

import io
import json
import sys
import zipfile

import pytest

import layerscope as ls
from layerscope.core.errors import SourceError

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

from . import torch_networks as networks  # noqa: E402
from .test_torch_inputs import MACS, Net  # noqa: E402


class Mixed(nn.Module):
    """Sizes that follow from the batch, a block without gradients, constants, several outputs."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 5)
        self.register_buffer("shift", torch.ones(1))

    def forward(self, image):
        x = torch.relu(self.conv(image))
        batch = image.shape[0]
        x = x.mean((2, 3)).view(batch, 1, 8) + self.shift
        with torch.no_grad():
            scale = x.abs().amax(-1, keepdim=True)
        first, rest = torch.split(self.head(x / scale), [1, 4], -1)
        return {"first": first, "rest": rest + torch.tensor([1.0, 2.0, 3.0, 4.0])}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A program of fixed sizes and one with an open batch: (path, program) of each."""
    folder = tmp_path_factory.mktemp("programs")
    image = torch.zeros(2, 3, 8, 8)
    fixed = torch.export.export(Net().eval(), (image[:1],))
    batch = torch.export.Dim("batch", min=1, max=64)
    free = torch.export.export(Mixed().eval(), (image,), dynamic_shapes={"image": {0: batch}})
    found = {}
    for name, program in (("fixed", fixed), ("free", free)):
        path = folder / f"{name}.pt2"
        torch.export.save(program, path)
        found[name] = path, program
    return found


def rows(trace):
    return [(row["name"], row["kind"], row["output_shape"], row["parameters"], row["macs"]) for row in trace.layers]


def test_a_program_is_traced_like_its_module(saved):
    path, program = saved["fixed"]
    live = ls.trace(Net(), input=(1, 3, 8, 8))
    filed, held = ls.trace(path), ls.trace(program)
    assert filed.totals["macs"] == held.totals["macs"] == live.totals["macs"] == MACS
    assert rows(filed) == rows(held)
    assert [row for row in rows(filed) if row[3]] == [row for row in rows(live) if row[3]]
    assert list(filed.graph.parameters) == list(live.graph.parameters)
    assert filed.graph.name == "fixed"


def test_a_program_with_an_open_batch(saved):
    path, program = saved["free"]
    live = ls.trace(Mixed(), input=(None, 3, 8, 8))
    for what in (path, program):
        trace = ls.trace(what)
        assert trace.layers[0]["output_shape"] == ["batch", 3, 8, 8]
        assert trace.totals["macs"] == live.totals["macs"] == 64 * 8 * 27 + 40
        assert not trace.totals["at_least"]
        assert ls.trace(what, 5).totals["macs"] == ls.trace(what, input=(5, 3, 8, 8)).totals["macs"]
        assert ls.trace(what, input={"image": (5, 3, 8, 8)}).totals == ls.trace(what, 5).totals


def test_other_sizes_than_those_that_it_was_exported_for(saved):
    messages = {
        ("fixed", (2, 3, 8, 8)): "fixed: its input 'image' was exported for (1, 3, 8, 8), not (2, 3, 8, 8)",
        ("free", (2, 3, 9, 8)): "free: its input 'image' was exported for (any, 3, 8, 8), not (2, 3, 9, 8)",
    }
    for (name, shape), message in messages.items():
        with pytest.raises(SourceError) as caught:
            ls.trace(saved[name][0], input=shape)
        assert str(caught.value) == (
            message + "; only sizes that were dynamic then (torch.export's dynamic_shapes) can be others"
        )
    with pytest.raises(SourceError) as caught:
        ls.trace(saved["fixed"][0], input={"picture": (1, 3, 8, 8)})
    assert str(caught.value) == "fixed takes the inputs image, but is given (1, 3, 8, 8)"


def test_no_pickle_is_opened_and_no_weight_is_read(saved, tmp_path):
    """An archive whose every other member is rubbish is traced all the same."""
    path, _ = saved["fixed"]
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(tmp_path / "bare.pt2", "w") as bare:
        for entry in archive.namelist():
            bare.writestr(entry, archive.read(entry) if entry.endswith("models/model.json") else b"rubbish")
    assert ls.trace(tmp_path / "bare.pt2").totals == ls.trace(path).totals


def changed(path, change):
    """The file with another list of calls."""
    made = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(made, "w") as other:
        for entry in archive.namelist():
            data = archive.read(entry)
            if entry.endswith("models/model.json"):
                data = change(json.loads(data))
                data = data if isinstance(data, bytes) else json.dumps(data).encode()
            other.writestr(entry, data)
    return made.getvalue()


def newer(data):
    data["schema_version"]["major"] = 9
    return data


def strange(data):
    data["graph_module"]["graph"]["nodes"][0]["target"] = "torch.ops.mylib.conv.default"
    return data


def bare(data):
    del data["graph_module"]["graph"]
    return data


DAMAGED = {
    "not JSON": (lambda data: b"{", "damaged: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    "of another form": (
        newer,
        f"its list of calls has the form 9 of PyTorch {torch.__version__}; form 8 is read here. Trace the module that it "
        "was exported from",
    ),
    "without calls": (
        bare,
        "its list of calls has a form that is not known here (written by PyTorch "
        f"{torch.__version__}; KeyError: 'graph'). Trace the module that it was exported from",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_programs(saved, tmp_path, name):
    change, message = DAMAGED[name]
    path = tmp_path / "net.pt2"
    path.write_bytes(changed(saved["fixed"][0], change))
    with pytest.raises(SourceError) as caught:
        ls.trace(path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_function_that_is_not_there(saved, tmp_path):
    path = tmp_path / "net.pt2"
    path.write_bytes(changed(saved["fixed"][0], strange))
    with pytest.raises(SourceError) as caught:
        ls.trace(path)
    assert str(caught.value) == (
        f"net: it calls torch.ops.mylib.conv.default, which PyTorch {torch.__version__} does not have; import the library "
        "that defines it first"
    )


def test_without_pytorch(saved, monkeypatch):
    path, _ = saved["fixed"]
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SourceError) as caught:
        ls.trace(path)
    assert str(caught.value) == (
        f"{path}: a program of torch.export, which PyTorch is needed to follow: pip install torch "
        "(pytorch.org/get-started)"
    )


def test_what_we_write_we_read(tmp_path):
    from layerscope import Input, Model
    from layerscope import layers as own

    image = Input((8, 8, 1))
    x = own.MaxPooling2D(2)(own.Conv2D(4, 3, padding="same", activation="relu")(image))
    model = Model(image, own.Dense(3)(own.Flatten()(x)))
    model.export(tmp_path / "net.pt2")
    ours, read = ls.trace(model).totals, ls.trace(tmp_path / "net.pt2").totals
    assert (read["parameters"], read["macs"]) == (ours["parameters"], ours["macs"])


def test_resnet_18(tmp_path):
    program = torch.export.export(networks.resnet((2, 2, 2, 2), False).eval(), (torch.zeros(1, 3, 224, 224),))
    torch.export.save(program, tmp_path / "net.pt2")
    totals = ls.trace(tmp_path / "net.pt2").totals
    assert (totals["parameters"], totals["macs"]) == (11_689_512, 1_814_073_344)


class Picks(nn.Module):
    """Takes positions by a list, by a buffer and by what is made of it, and by a tensor of its own."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1)
        self.register_buffer("indices", torch.tensor([4, 0], dtype=torch.int32))
        self.register_buffer("many", torch.arange(6).repeat(400))

    def forward(self, x):
        own = x.index_select(2, torch.tensor([2, 1]))
        return self.conv(x)[..., [5, 0, 3]], x[..., self.indices], x[..., self.indices + 1], own, x[..., self.many]


def test_indices_among_its_constants_are_told(tmp_path):
    """As of the module; those of a long buffer are not, and a file in another form goes without."""
    program = torch.export.export(Picks().eval(), (torch.zeros(1, 1, 6),))
    path, bare = tmp_path / "picks.pt2", tmp_path / "bare.pt2"
    torch.export.save(program, path)
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(bare, "w") as copy:
        for name in archive.namelist():
            if not name.endswith("_config.json"):
                copy.writestr(name, archive.read(name))

    def picked(graph):
        layers = (node.layer for node in graph.nodes)
        return [layer.indices for layer in layers if getattr(layer, "type_name", "") == "Gather"]

    wanted = [(2, 1), (5, 0, 3), (4, 0), (5, 1), None]
    live = picked(ls.trace(Picks().eval(), input=(1, 1, 6)).graph)
    assert sorted(map(str, live)) == sorted(map(str, wanted))
    for what in (path, program):
        assert sorted(map(str, picked(ls.trace(what).graph))) == sorted(map(str, wanted))
    assert picked(ls.trace(bare).graph) == [None] * 5
