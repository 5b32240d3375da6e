"""fit, evaluate and predict on what real libraries hold: h5py's data sets, zarr's arrays, PyTorch's data loaders."""

from __future__ import annotations

import numpy as np
import pytest

import layerscope as ls
from layerscope.core.errors import DataError, ShapeError
from layerscope.models import streaming

RANDOM = np.random.default_rng(8)
IMAGES = RANDOM.integers(0, 256, (53, 6, 6, 2), dtype=np.uint8)
FLOATS = RANDOM.random((53, 6, 6, 2), dtype=np.float32)
LABELS = RANDOM.integers(0, 3, 53)
WEIGHTS = RANDOM.random(53)
DTYPES = ["uint8", "float16", "float32", "float64", "int64", ">f4", "bool"]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Several reads an epoch."""
    monkeypatch.setattr(streaming, "CHUNK", 16 * 6 * 6 * 2 * 4)


def made():
    ls.utils.set_random_seed(2)
    stack = [ls.layers.Rescaling(1 / 64), ls.layers.Conv2D(3, 3, activation="relu"), ls.layers.Flatten()]
    model = ls.Sequential([ls.Input((6, 6, 2)), *stack, ls.layers.Dropout(0.2), ls.layers.Dense(3)])
    loss = ls.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"], precision="float64", threads=2)
    return model


def trained(*given, predicted=None, **settings):
    """Histories, weights and outputs of a model."""
    model = made()
    told = {"epochs": 2, "verbose": 0, "seed": 5} | settings
    history = model.fit(*given, **told).history
    outputs = model.predict(given[0] if predicted is None else predicted, verbose=0)
    return {**history, "outputs": outputs, "weights": np.concatenate([w.ravel() for w in model.get_weights()])}


def same(mine, other):
    assert set(mine) == set(other)
    for name, array in other.items():
        assert np.array_equal(mine[name], array), name


@pytest.fixture(params=["h5py", "h5py in chunks", "zarr", "zarr on disk"])
def kept(request, tmp_path):
    """Puts arrays into what a library keeps: a function from a name and an array to the library's own."""
    if request.param.startswith("h5py"):
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / "data.h5", "w") as file:
            more = {"chunks": True, "compression": "gzip"} if "chunks" in request.param else {}
            yield lambda name, array: file.create_dataset(name, data=array, **more)
        return
    zarr = pytest.importorskip("zarr")
    if request.param == "zarr":
        yield lambda name, array: zarr.array(array, chunks=(10, *array.shape[1:]))
    else:
        group = zarr.open_group(tmp_path / "data.zarr", mode="w")
        yield lambda name, array: group.create_array(name, data=array, chunks=(7, *array.shape[1:]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_they_train_as_the_array_does(kept, dtype):
    images = (IMAGES > 127) if dtype == "bool" else IMAGES.astype(dtype)
    x, y = kept("x", images), kept("y", LABELS)
    told = {"batch_size": 8}
    same(trained(x, y, **told), trained(images, LABELS, **told))


def test_with_all_that_goes_with_them(kept):
    x, y, weights = kept("x", FLOATS), kept("y", LABELS), kept("w", WEIGHTS)

    def told(x, y, weights):
        return {"batch_size": 8, "sample_weight": weights, "validation_data": (x, y)}

    more = {"batch_size": 8, "validation_split": 0.25, "shuffle": "batch", "class_weight": {0: 2.0, 1: 0.5}}
    same(trained(x, y, **told(x, y, weights)), trained(FLOATS, LABELS, **told(FLOATS, LABELS, WEIGHTS)))
    same(trained(x, y, **more), trained(FLOATS, LABELS, **more))
    model = made()
    assert model.evaluate(x, y, batch_size=8, verbose=0) == model.evaluate(FLOATS, LABELS, batch_size=8, verbose=0)


def test_what_does_not_fit_is_told(kept):
    model = made()
    with pytest.raises(DataError, match="53"):
        model.fit(kept("x", FLOATS), kept("y", LABELS[:50]), verbose=0)
    with pytest.raises(ShapeError) as told:
        model.fit(kept("z", FLOATS[:, :, :5]), LABELS, verbose=0)
    assert str(told.value) == (
        "x has the shape (6, 5, 2) per example, but the model's input input_layer is (6, 6, 2)."
    )


def test_files_are_read_part_by_part(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    read = h5py.Dataset.__getitem__
    sizes = []

    def noted(self, asked, *more):
        found = read(self, asked, *more)
        if self.ndim == 4:
            sizes.append(len(found))
        return found

    monkeypatch.setattr(h5py.Dataset, "__getitem__", noted)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        x, y = file.create_dataset("x", data=FLOATS), file.create_dataset("y", data=LABELS)
        model = made()
        model.fit(x, y, batch_size=8, epochs=1, shuffle=False, verbose=0)
    assert sum(sizes) == 53
    assert max(sizes) <= 16 < len(sizes) * 16 / 3


# --- PyTorch's data loaders ---


@pytest.fixture(scope="module")
def data():
    pytest.importorskip("torch")
    import torch.utils.data

    return torch.utils.data


def tensors(*arrays):
    import torch

    return [torch.tensor(array) for array in arrays]


@pytest.mark.parametrize("weighed", [False, True])
def test_a_loader_trains_as_the_arrays_do(data, weighed):
    arrays = [FLOATS, LABELS, *([WEIGHTS] if weighed else [])]
    loader = data.DataLoader(data.TensorDataset(*tensors(*arrays)), batch_size=8)
    more = {"sample_weight": WEIGHTS} if weighed else {}
    wanted = trained(FLOATS, LABELS, batch_size=8, shuffle=False, **more)
    same(trained(loader, predicted=loader), wanted)


def test_a_loader_that_shuffles_by_itself_and_one_for_validation(data):
    import torch

    def loader(shuffle):
        order = torch.Generator().manual_seed(3)
        pairs = data.TensorDataset(*tensors(FLOATS, LABELS))
        return data.DataLoader(pairs, batch_size=8, shuffle=shuffle, generator=order)

    batches = [(x.numpy(), y.numpy()) for x, y in loader(True)]
    assert not np.array_equal(np.concatenate([y for _, y in batches]), LABELS)
    more = {"epochs": 1, "shuffle": False, "predicted": FLOATS}
    found = trained(loader(True), validation_data=loader(False), **more)
    same(found, trained(batches, validation_data=(FLOATS, LABELS), validation_batch_size=8, **more))


class Squares:
    """A data set of PyTorch's kind: one example at a time, of any structure."""

    def __len__(self):
        return len(FLOATS)

    def __getitem__(self, number):
        return FLOATS[number], LABELS[number]


def test_a_loader_of_examples_read_one_by_one_with_processes(data):
    wanted = trained(FLOATS, LABELS, batch_size=8, shuffle=False)
    for workers, how in ((0, None), (2, "spawn")):  # JAX, which others in this process import, warns of forks
        loader = data.DataLoader(Squares(), batch_size=8, num_workers=workers, multiprocessing_context=how)
        same(trained(loader, predicted=FLOATS), wanted)


def test_a_loader_whose_last_batch_is_dropped(data):
    loader = data.DataLoader(data.TensorDataset(*tensors(FLOATS, LABELS)), batch_size=8, drop_last=True)
    found = trained(loader, predicted=FLOATS)
    same(found, trained(FLOATS[:48], LABELS[:48], batch_size=8, shuffle=False, predicted=FLOATS))
