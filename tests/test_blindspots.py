"""Blind spots: derivatives against differences, ranks against NumPy's, pairs that are the same when both are run."""

import json
import sys

import numpy as np
import pytest
from tests import onnx_writer as w
from tests.commands import refused

import layerscope as ls
from layerscope import Input, Model, sources
from layerscope.cli import main
from layerscope.core.errors import DataError, LayerscopeError
from layerscope.layers import (
    Add,
    BedOfNails2D,
    Concatenate,
    Conv2D,
    Dense,
    Embedding,
    Flatten,
    MaxPooling2D,
    MaxUnpooling2D,
)
from layerscope.models import variables
from layerscope.probes.readout import readout
from layerscope.probes.tangents import Derivative
from layerscope.studies import blindspot, blindspots

NETWORKS = [
    "example:boxes-enrich",
    "7x6x2 | conv 4 3 same tanh | maxpool 3 stride 2 | activation gelu | gmp | dense 5 softmax",
    "8x8x1 | conv 4 3 relu | maxpool 2 | unpool | flatten | dense 4 | activation softplus",
    "5x5x4 | pixelshuffle 2 | avgpool 2 same | conv2d_transpose 3 3 stride 2 sigmoid | upsample 2 bilinear | gap",
]


def seeded(what, seed=0):
    ls.utils.set_random_seed(seed)
    return Model.from_graph(sources.read(what))


def branches():
    """Two branches, of which one has a narrow layer, added and put beside each other."""
    ls.utils.set_random_seed(1)
    start = Input((4, 4, 1))
    pooled, switches = MaxPooling2D(2, return_switches=True)(start)
    back = MaxUnpooling2D(2)([Conv2D(1, 1, activation="elu")(pooled), switches])
    nails = BedOfNails2D(2)(pooled)
    x = Concatenate()([Add()([back, nails]), Conv2D(2, 3, padding="same", activation="tanh")(start)])
    return Model(start, Dense(7)(Flatten()(x)))


def derivative(model, at):
    graph = model.graph
    weights = {id: variable.array for id, variable in variables.for_graph(graph).items()}
    tensors = [(n, 0) for n in range(len(graph.nodes)) if n not in graph.inputs]
    return Derivative(graph, weights, tensors, at), tensors


@pytest.mark.parametrize("what", [*NETWORKS, "branches"])
def test_derivatives_are_the_differences(what):
    model = branches() if what == "branches" else seeded(what)
    random = np.random.default_rng(0)
    at = random.normal(size=(1, *model.input_types[0].shape[1:]))
    here, tensors = derivative(model, at)
    found = {}
    here.push(np.eye(at.size), lambda tensor, array: found.update({tensor: array}))
    assert set(found) == set(tensors)
    way, step = random.normal(size=at.shape), 1e-6
    forth, back = here.moved(at + step * way), here.moved(at - step * way)
    for tensor in tensors:
        difference = (forth.value(tensor) - back.value(tensor)).ravel() / (2 * step)
        np.testing.assert_allclose(way.ravel() @ found[tensor], difference, atol=1e-8)
        np.testing.assert_allclose(here.pulled(tensor, np.eye(here.size(tensor))), found[tensor].T, atol=1e-12)
        np.testing.assert_allclose(here.pushed(tensor, way.reshape(1, -1)), way.reshape(1, -1) @ found[tensor])


def matrix(model):
    """The matrix of a linear network, from what it makes of unit vectors, in double precision."""
    model.compile("sgd", "mse", engine="reference", precision="float64")
    shape = model.input_types[0].shape[1:]
    size = int(np.prod(shape))
    units = np.concatenate([np.zeros((1, size)), np.eye(size)]).reshape(-1, *shape)
    made = model.predict(units).reshape(size + 1, -1)
    return made[1:] - made[0]


LINEAR = {
    "example:boxes-condense": 1,
    "6x6x1 | conv 2 3 stride 2 | flatten | dense 30": 8,
    "6x6x3 | conv 16 1 | conv 5 2 stride 2": 45,
    "5x5x1 | avgpool 2 same | upsample 2": 9,
    "4x4x1 | flatten | dense 3 | dense 16": 3,
    "12 | dense 12": 12,
}


@pytest.mark.parametrize("what", LINEAR)
def test_ranks_of_linear_networks_are_numpys(what):
    model = seeded(what)
    expected = np.linalg.matrix_rank(matrix(model))
    assert expected == LINEAR[what]
    found = blindspot(model, count=2, verbose=0)
    assert found.linear
    assert found.rows[-1].rank == found.here.rank == expected <= found.rows[-1].capacity
    assert found.rows[-1].exact
    if expected == found.numbers:
        assert found.pairs == [None, None]
        assert found.reasons == ["none: all 12 directions of the input are seen"] * 2
        return
    for pair in found.pairs:
        first, second = (model.predict(one[None]) for one in (pair.first, pair.second))
        assert np.abs(first - second).max() < 1e-12
        assert pair.distance > 0.1


def test_a_weight_that_loses_rank_is_noticed():
    model = seeded("6 | dense 6")
    model.set_weights([np.diag([1.0, 1, 1, 1, 0, 0]), np.zeros(6)])
    found = blindspot(model, count=1, verbose=0)
    assert (found.rows[0].capacity, found.rows[0].rank) == (6, 4)
    np.testing.assert_allclose(found.seen, [1, 1, 1, 1, 0, 0])
    difference = found.pairs[0].second - found.pairs[0].first
    np.testing.assert_allclose(difference[:4], 0, atol=1e-12)
    assert np.abs(difference[4:]).max() > 0.5


CURVED = "12x12x1 | conv 4 3 stride 2 relu | conv 3 3 tanh | flatten | dense 8 relu | dense 20 sigmoid"


def test_pairs_of_curved_networks_are_the_same_when_run():
    model = seeded(CURVED)
    found = blindspot(model, count=2, verbose=0)
    assert not found.linear
    assert all(found.pairs)
    model.compile("sgd", "mse", engine="reference", precision="float64")
    for pair in found.pairs:
        first, second = (model.predict(one[None]) for one in (pair.first, pair.second))
        assert np.abs(first - second).max() < 1e-9
        assert pair.distance > 0.2
        assert pair.usual > 1e5 * pair.difference
        assert pair.second.min() >= 0
        assert pair.second.max() <= 1
        way = (
            np.random.default_rng(0)
            .permutation((pair.second - pair.first).ravel())
            .reshape(first.shape[0], 12, 12, 1)
        )
        assert np.abs(model.predict(pair.first[None] + way) - first).max() > 1e-4
    last = found.rows[-1]
    assert last.rank == np.linalg.matrix_rank(jacobian(model, found.pairs[0].first))
    assert last.rank <= last.capacity == 8


def jacobian(model, at):
    """By differences, in double precision."""
    steps = 1e-5 * np.eye(at.size).reshape(-1, *at.shape)
    made = (model.predict(at + steps) - model.predict(at - steps)) / 2e-5
    made[np.abs(made) < 1e-9] = 0
    values = np.linalg.svd(made, full_matrices=False)
    return (values[0] * np.where(values[1] > 1e-8, values[1], 0)) @ values[2]


def test_the_same_seed_gives_the_same():
    one, two = (blindspot(CURVED, count=1, seed=3, verbose=0).pairs[0] for _ in range(2))
    assert np.array_equal(one.second, two.second)
    assert not np.array_equal(one.first, blindspot(CURVED, count=1, seed=4, verbose=0).pairs[0].first)


def test_pixels_that_are_never_read_are_not_seen():
    found = blindspot("5x5x1 | maxpool 2 | conv 3 2 | flatten", count=1, verbose=0)
    assert found.unread == 9
    assert not found.seen[4].any()
    assert not found.seen[:, 4].any()


def test_large_inputs_are_looked_at_by_random_directions(monkeypatch):
    monkeypatch.setattr("layerscope.probes.blindspot.MOST", 128)
    found = blindspot("20x20x1 | conv 2 5 stride 5 tanh | flatten | dense 6", count=1, verbose=0)
    assert [(row.rank, row.exact) for row in found.rows] == [(32, True), (32, True), (6, True)]
    assert found.pairs[0].difference < 1e-9
    wide = blindspot("20x20x1 | conv 2 3 same", count=1, verbose=0)
    assert [(row.rank, row.exact) for row in wide.rows] == [(128, False)]
    assert wide.reasons == ["not sought: more than 128 directions are seen, too many to go around"]


# --- the readout ---


def test_readouts():
    random = np.random.default_rng(0)
    y = random.normal(size=(400, 6))
    assert readout(y @ random.normal(size=(6, 9)), y) == pytest.approx(1, abs=1e-6)
    assert readout(y[:, :3], y) == pytest.approx(0.5, abs=0.1)
    assert readout(y @ random.normal(size=(6, 500)), y) == pytest.approx(1, abs=1e-3)
    assert readout(random.normal(size=(400, 5)), y) == pytest.approx(0, abs=0.05)
    with pytest.raises(DataError) as found:
        readout(y[:19], y[:19])
    assert str(found.value) == "a readout needs at least 20 examples, but there are 19"


# --- the command ---


def test_data_and_files(tmp_path, capsys):
    images = np.random.default_rng(0).random((60, 8, 8, 1))
    np.save(tmp_path / "images.npy", images)
    text = "8x8x1 | conv 2 3 stride 2 relu | flatten | dense 6"
    data = ["--data", str(tmp_path / "images.npy"), "--count", "2"]
    assert main(["blindspot", text, *data, "-o", str(tmp_path / "a.npz"), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert err == f"\nWrote {tmp_path / 'a.npz'}: the arrays\n"
    assert found["images_read"] == 60
    assert [row["name"] for row in found["layers"]] == ["conv2d", "flatten", "dense"]
    assert all(0 < row["recovered"] <= 1 for row in found["layers"][:2])
    with np.load(tmp_path / "a.npz") as kept:
        assert set(kept) == {"first", "second", "outputs_first", "outputs_second", "seen"}
        assert (
            kept["first"].shape == kept["second"].shape == (len([p for p in found["pairs"] if "limit" in p]), 8, 8, 1)
        )
        assert np.abs(kept["outputs_first"] - kept["outputs_second"]).max() < 1e-9
    for suffix in ("png", "svg"):
        assert main(["blindspot", text, *data, "-o", str(tmp_path / f"a.{suffix}")]) == 0
        assert (tmp_path / f"a.{suffix}").stat().st_size > 5000
    page = capsys.readouterr().out
    assert "What text cannot tell apart  at images/0" in page
    assert "recovered" in page


def test_a_model_file_keeps_its_weights(tmp_path):
    model = seeded("6 | dense 6")
    model.set_weights([np.diag([1.0, 1, 1, 0, 0, 0]), np.zeros(6)])
    model.save(tmp_path / "model.npz")
    assert blindspot(tmp_path / "model.npz", count=1, verbose=0).rows[0].rank == 3


def several():
    a, b = Input((4,), name="a"), Input((4,), name="b")
    return Model([a, b], Add()([a, b]))


def words():
    start = Input((10,), dtype="int32")
    return Model(start, Embedding(5, 4)(start))


def two():
    a = Input((4,))
    return Model(a, [Dense(2, name="left")(a), Dense(3, name="right")(a)])


MISTAKES = {
    "two inputs": (several, {}, "a network of one input is needed, but this one has 2: a, b"),
    "two outputs": (two, {}, "the network has 2 outputs; name a layer with --layer: left, right"),
    "open sizes": (
        "nxnx1 | conv 2 3", {}, "the network's input (n, n, 1) has open sizes; give it numbers",
    ),
    "whole numbers": (
        words, {},
        "the network's input is of int32, whole numbers, along which there is no derivative; look at the part behind "
        "its first layer",
    ),
    "described": (
        "8x4 | lstm 3", {},
        "lstm (LSTM) is described only: it can be traced, but not computed or trained",
    ),
    "no such layer": ("6 | dense 2", {"layer": "x"}, "no layer is called 'x'; there are: input_layer, dense"),
    "the input": (
        "6 | dense 2", {"layer": "input_layer"},
        "input_layer is the input itself, in which nothing is lost; name a layer behind it",
    ),
    "no layers": ("6", {}, "the network has no layers behind its input, so nothing is lost"),
    "count": ("6 | dense 2", {"count": 0}, "count must be at least 1, not 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    what, asked, message = MISTAKES[name]
    with pytest.raises(LayerscopeError) as found:
        blindspot(what() if callable(what) else what, verbose=0, **asked)
    assert str(found.value) == message


def test_files_whose_weights_are_not_read(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    path = tmp_path / "model.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    model = tmp_path / "model.onnx"
    values = [[w.value(name, (1, 3))] for name in ("x", "y")]
    model.write_bytes(w.model(w.Graph([w.node("Relu", "x", "y")], *values)))
    data = np.zeros((2, 3), np.float32)
    np.save(tmp_path / "data.npy", data)
    for command in (["blindspot"], ["shift", "--data", str(tmp_path / "data.npy")]):
        told = f"layerscope {command[0]}: "
        assert (
            refused(capsys, *command, str(path))
            == f"{told}the weights in {path} are read by Keras: pip install keras\n"
        )
        assert refused(capsys, *command, str(model)) == (
            f"{told}{model}: of an ONNX file only the layers are read here; its weights are not, and it is not run. Give "
            "what it was made of: a run folder, a file of Model.save, a .keras file, or in Python "
            "layerscope.from_torch(module, input=(1, 28, 28))\n"
        )


def test_what_a_function_returns_keeps_its_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blind_maker.py").write_text(
        "import numpy as np\n"
        "from layerscope import Input, Model\n"
        "from layerscope.layers import Dense\n"
        "def make():\n"
        "    start = Input((4,))\n"
        "    model = Model(start, Dense(4)(start))\n"
        "    model.set_weights([np.diag([1.0, 1, 1, 0]), np.zeros(4)])\n"
        "    return model\n"
    )
    assert blindspot("blind_maker:make", count=1, verbose=0).rows[0].rank == 3


def test_examples_are_no_modules():
    assert blindspots._subject("example:autoencoder", 0).name == "autoencoder"


def test_nothing_to_keep(tmp_path, capsys):
    assert main(["blindspot", "4 | dense 4", "-o", str(tmp_path / "a.npz")]) == 2
    assert capsys.readouterr().err == (
        f"layerscope blindspot: {tmp_path / 'a.npz'} is not written: there is no pair of inputs to keep\n"
    )
    assert list(tmp_path.iterdir()) == []
