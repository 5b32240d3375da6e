"""Layers that draw random numbers: what they draw, and that every engine and every number of threads draws the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

import layerscope as ls
from layerscope import layers
from layerscope.engine.primitives.random import normal, whole

COUNT = 200_000


def test_normal_numbers_are_the_quantiles_of_the_uniform_ones():
    bits = whole((COUNT,), 4, 5, 6).astype(np.float64)
    made = normal((COUNT,), 4, 5, 6)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, special.ndtri((bits + 0.5) / 2**24), rtol=6e-7, atol=1e-6)


def test_normal_numbers_are_normal():
    """Moments within six standard errors; the distribution by Kolmogorov's test; neighbours do not know each other."""
    made = normal((COUNT,), 1, 2, 3).astype(np.float64)
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3)):
        spread = math.sqrt(float(special.factorial2(2 * (2 * power) // 2 - 1)) / COUNT)
        assert abs((made**power).mean() - moment) < 6 * spread
    assert stats.kstest(made, "norm").pvalue > 1e-4
    assert abs(np.corrcoef(made[:-1], made[1:])[0, 1]) < 6 / math.sqrt(COUNT)


NOISES = {
    "spatial 1d": (layers.SpatialDropout1D(0.4), (5, 3)),
    "spatial 2d": (layers.SpatialDropout2D(0.4), (4, 3, 2)),
    "spatial 3d": (layers.SpatialDropout3D(0.4), (2, 3, 2, 2)),
    "channels first": (layers.SpatialDropout2D(0.4, "channels_first"), (2, 4, 3)),
    "noise": (layers.GaussianNoise(0.5), (7, 2)),
    "gaussian": (layers.GaussianDropout(0.3), (4, 3, 2)),
    "alpha": (layers.AlphaDropout(0.3), (9,)),
    "alpha rows": (layers.AlphaDropout(0.3, (None, 1, None)), (4, 3)),
    "shaped": (layers.Dropout(0.3, (None, 1, 3, None)), (4, 3, 2)),
}


def trained(layer, shape, engine, monkeypatch, threads=1, precision="float64"):
    """Losses, and the weights before and behind the layer, which every number that it draws has changed."""
    monkeypatch.setenv("LAYERSCOPE_THREADS", str(threads))
    ls.utils.set_random_seed(7)
    start = ls.Input(shape)
    x = layers.Reshape(shape)(layers.Dense(math.prod(shape), use_bias=False)(layers.Flatten()(start)))
    model = ls.Model(start, layers.Dense(1)(layers.Flatten()(layer(x))))
    model.compile(ls.optimizers.SGD(0.5), "mse", engine=engine, precision=precision)
    data = np.random.default_rng(0).normal(size=(23, *shape))
    history = model.fit(data, data.sum(axis=tuple(range(1, data.ndim)))[:, None], 8, 2, verbose=0)
    return history.history["loss"], model.get_weights()


@pytest.mark.parametrize("name", NOISES)
def test_every_engine_and_number_of_threads_draws_the_same(name, monkeypatch):
    """The same noise, so the same losses and weights but for the order of sums."""
    layer, shape = NOISES[name]
    losses, weights = trained(layer, shape, "reference", monkeypatch)
    for threads in (1, 2, 3):
        again, others = trained(layer, shape, "native", monkeypatch, threads)
        np.testing.assert_allclose(again, losses, rtol=1e-10)
        for one, other in zip(weights, others, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-11)
    quiet, _ = trained(layers.Identity(), shape, "native", monkeypatch)
    assert abs(quiet[0] / losses[0] - 1) > 1e-4, "and there is noise"


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["noise", "gaussian"])
def test_native_numbers_have_the_bits_of_the_reference(kind, precision, monkeypatch):
    """Noise of deviation 1 on zeros is the drawn numbers themselves."""
    import layerscope.engine.plan as plan
    from layerscope.engine.native.engine import NativeEngine
    from layerscope.engine.reference import ReferenceEngine, State

    layer = {"noise": layers.GaussianNoise(1.0), "gaussian": layers.GaussianDropout(0.5)}[kind]
    start = ls.Input((37,))
    model = ls.Model(start, layer(start))

    class Drawing(plan.Job):
        """Inference that draws as training does."""

        def _forward(self, training: bool):
            return super()._forward(training=True)

    data = np.zeros((19, 37)) if kind == "noise" else np.ones((19, 37))
    data = data.astype(precision)
    made = [
        cls(Drawing(model.graph), State({}), precision, seed=5).predict([data], 19, lambda *_: True)[0]
        for cls in (NativeEngine, ReferenceEngine)
    ]
    if kind == "noise":
        np.testing.assert_array_equal(*made)
    else:  # one product and one sum more, which may be rounded at once
        np.testing.assert_allclose(*made, rtol=3e-7 if precision == "float32" else 1e-15)
    assert made[0].std() > 0.5


def shares(layer, shape):
    made = np.asarray(layer(np.ones(shape, np.float32), training=True))
    return made, made == 0


def test_spatial_dropout_drops_whole_channels():
    for layer, shape, axes in (
        (layers.SpatialDropout1D(0.3), (200, 6, 50), (1,)),
        (layers.SpatialDropout2D(0.3), (200, 3, 4, 50), (1, 2)),
        (layers.SpatialDropout3D(0.3), (200, 2, 3, 2, 50), (1, 2, 3)),
        (layers.SpatialDropout2D(0.3, "channels_first"), (200, 50, 3, 4), (2, 3)),
    ):
        made, dropped = shares(layer, shape)
        assert (dropped.all(axis=axes) == dropped.any(axis=axes)).all(), "all of a channel or none of it"
        share = dropped.all(axis=axes)
        assert abs(share.mean() - 0.3) < 6 * math.sqrt(0.21 / share.size)
        np.testing.assert_allclose(made[~dropped], 1 / 0.7, rtol=1e-6)
        assert not np.asarray(
            type(layer)(1, **{"data_format": "channels_first"} if layer.kind != "SpatialDropout1D" else {})(
                np.ones(shape, np.float32), training=True
            )
        ).any()


@pytest.mark.parametrize(
    ("layer", "mean", "deviation"),
    [
        (layers.GaussianNoise(0.25), 2.0, 0.25),
        (layers.GaussianDropout(0.2), 2.0, 2 * math.sqrt(0.2 / 0.8)),
    ],
    ids=lambda value: getattr(value, "kind", str(value)),
)
def test_mean_and_deviation_are_those_of_the_definition(layer, mean, deviation):
    made = np.asarray(layer(np.full((COUNT // 100, 100), 2, np.float32), training=True)).astype(np.float64)
    assert abs(made.mean() - mean) < 6 * deviation / math.sqrt(COUNT)
    assert abs(made.std() - deviation) < 6 * deviation / math.sqrt(2 * COUNT)
    quiet = np.asarray(layer(np.full((3, 4), 2, np.float32)))
    assert (quiet == 2).all()


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_alpha_dropout_keeps_mean_and_variance(rate):
    """Of normal numbers, as behind selu; dropped ones are all the same number."""
    x = np.random.default_rng(0).normal(size=(COUNT // 100, 100)).astype(np.float32)
    made = np.asarray(layers.AlphaDropout(rate)(x, training=True)).astype(np.float64)
    assert abs(made.mean()) < 12 / math.sqrt(COUNT)
    assert abs(made.var() - 1) < 12 * math.sqrt(2 / COUNT)
    values, counts = np.unique(made, return_counts=True)
    a = ((1 - rate) * (1 + rate * 1.7580993408473766**2)) ** -0.5
    assert values[counts.argmax()] == pytest.approx(-1.7580993408473766 * a * (1 - rate), rel=1e-5)
    assert abs(counts.max() / made.size - rate) < 6 * math.sqrt(rate * (1 - rate) / made.size)


def test_a_noise_shape_that_does_not_fit():
    with pytest.raises(ls.LayerscopeError) as caught:
        layers.Dropout(0.5, (None, 2, 3))(np.ones((2, 4, 3), np.float32))
    assert str(caught.value) == (
        "Dropout: noise_shape (None, 2, 3) has 2 along axis 1, where the input (batch, 4, 3) has 4; it must have as many, "
        "or 1"
    )
