"""Optimizers against Keras 3 and PyTorch: thirty steps with fixed gradients, in float64; and their settings.

Keras and PyTorch have the same formulas but for the place of epsilon: PyTorch's Adam adds it to the corrected
root, √(v / (1 - β₂ᵗ)) + ε, Keras's and ours to the plain one, √v + ε, so that ours with ε is PyTorch's with
ε / √(1 - β₂ᵗ); PyTorch's RMSprop has √v + ε where Keras and we have √(v + ε), equal only at ε = 0.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import layerscope as ls
from layerscope.core.errors import SettingError, UnknownNameError
from layerscope.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Lion,
    Nadam,
    RMSprop,
    schedules,
)

from . import keras_oracle, trajectory_updates
from .trajectory_updates import problem

RTOL = 1e-10
CASES = [
    SGD(),
    SGD(0.1),
    SGD(0.1, momentum=0.9),
    SGD(0.1, momentum=0.9, nesterov=True),
    SGD(0.1, nesterov=True),  # without momentum there is nothing to look ahead with
    RMSprop(),
    RMSprop(0.1, rho=0.5, epsilon=1e-3),
    RMSprop(0.1, momentum=0.8),
    Adam(),
    Adam(0.1, beta_1=0.5, beta_2=0.9, epsilon=1e-3),
    Adadelta(),
    Adadelta(0.5, rho=0.8, epsilon=1e-3),
    AdamW(),
    AdamW(0.1, beta_1=0.5, beta_2=0.9, epsilon=1e-3, weight_decay=0.1),
    Adagrad(),
    Adagrad(0.1, initial_accumulator_value=0.0, epsilon=1e-3),
    Adamax(),
    Adamax(0.1, beta_1=0.5, beta_2=0.9, epsilon=1e-3),
    Nadam(),
    Nadam(0.1, beta_1=0.5, beta_2=0.9, epsilon=1e-3),
    Lion(),
    Lion(0.1, beta_1=0.5, beta_2=0.8),
    SGD(0.1, clipvalue=0.5),
    SGD(0.1, momentum=0.9, clipnorm=2.0),
    SGD(0.1, clipnorm=1e9),
    Adam(0.1, global_clipnorm=0.3),
    RMSprop(0.1, weight_decay=0.05, clipvalue=2.0),
]
DECAYED = [case for case in CASES if case.weight_decay is not None]
"""Of these the weights without a gradient move, too."""


def spelled(optimizer) -> tuple[str, dict]:
    data = optimizer.to_json()
    return data["optimizer"], data["settings"]


def title(optimizer) -> str:
    return repr(optimizer)


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("jax")
    pytest.importorskip("keras")
    return keras_oracle.modules()[0]


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def same(mine: np.ndarray, theirs: np.ndarray, decayed: bool = False) -> None:
    """Every step's movement of every number, not only where it led."""
    start = problem()[0]
    assert mine.shape == theirs.shape == problem()[1].shape
    np.testing.assert_allclose(mine, theirs, rtol=RTOL, atol=0)
    np.testing.assert_allclose(mine - start, theirs - start, rtol=1e-8, atol=1e-14)
    assert (mine != start).any(axis=0).sum() == start.size - (not decayed), "all move but the one without a gradient"
    assert (mine[:, 0, 0] == start[0, 0]).all() == (not decayed)


@pytest.mark.parametrize("optimizer", CASES, ids=title)
def test_follows_keras(optimizer, keras):
    mine = trajectory_updates.ours(optimizer, *problem())
    same(mine, trajectory_updates.keras(*spelled(optimizer), *problem(), "float64"), optimizer in DECAYED)


def test_adamw_follows_torch_with_its_epsilon_at_our_place(torch):
    """PyTorch, too, shrinks the weight before the step, by lr·decay."""
    mine = trajectory_updates.ours(AdamW(0.01, 0.8, 0.99, 1e-4, weight_decay=0.2), *problem())

    def make(p):
        return torch.optim.AdamW(p, 0.01, (0.8, 0.99), 1e-4, weight_decay=0.2)

    found = trajectory_updates.torch(make, *problem(), eps=lambda t: 1e-4 / math.sqrt(1 - 0.99**t))
    same(mine, found, decayed=True)


def test_adamax_follows_torch_but_for_epsilon(torch):
    """PyTorch takes max(β₂·u, |g| + ε), Keras and we max(β₂·u, |g|) + ε: equal where ε is nothing."""
    mine = trajectory_updates.ours(Adamax(0.01, 0.8, 0.99, 1e-300), *problem())
    theirs = trajectory_updates.torch(lambda p: torch.optim.Adamax(p, 0.01, (0.8, 0.99), 1e-300), *problem())
    same(mine, theirs)


SCHEDULES = [
    schedules.ExponentialDecay(0.1, 7, 0.5),
    schedules.ExponentialDecay(0.1, 7, 0.5, staircase=True),
    schedules.InverseTimeDecay(0.1, 7, 0.5),
    schedules.InverseTimeDecay(0.1, 7, 0.5, staircase=True),
    schedules.PolynomialDecay(0.1, 20),
    schedules.PolynomialDecay(0.1, 9, end_learning_rate=0.01, power=2.0, cycle=True),
    schedules.PiecewiseConstantDecay([3, 10, 11], [0.1, 0.05, 0.2, 0.01]),
    schedules.CosineDecay(0.1, 20),
    schedules.CosineDecay(0.01, 20, alpha=0.1, warmup_target=0.2, warmup_steps=8),
    schedules.CosineDecayRestarts(0.1, 5),
    schedules.CosineDecayRestarts(0.1, 4, t_mul=1.5, m_mul=0.7, alpha=0.1),
    schedules.CosineDecayRestarts(0.1, 4, t_mul=1.0),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=title)
def test_schedules_follow_keras(schedule, keras):
    """Keras computes them in float32."""
    import jax

    told = schedule.to_json()
    theirs = jax.jit(getattr(keras.optimizers.schedules, told["schedule"])(**told["settings"]).__call__)
    mine = [schedule(step) for step in range(60)]
    np.testing.assert_allclose(mine, [float(theirs(step)) for step in range(60)], rtol=1e-5, atol=1e-8)
    assert len(set(mine)) > 3
    assert schedules.get(told) == schedule
    optimizer = SGD(schedule)
    assert ls.optimizers.get(optimizer.to_json()) == optimizer
    assert [optimizer.scalars(step + 1)["learning_rate"] for step in range(60)] == mine


@pytest.mark.parametrize("nesterov", [False, True], ids=["plain", "nesterov"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_follows_torch(momentum, nesterov, torch):
    """PyTorch keeps Σ μⁱ·g and takes lr of it, Keras keeps lr of each: the same while lr is constant."""
    mine = trajectory_updates.ours(SGD(0.1, momentum, nesterov), *problem())
    look = nesterov and momentum > 0  # which PyTorch asks for
    same(
        mine,
        trajectory_updates.torch(lambda p: torch.optim.SGD(p, 0.1, momentum=momentum, nesterov=look), *problem()),
    )


def test_adadelta_follows_torch(torch):
    mine = trajectory_updates.ours(Adadelta(0.7, rho=0.9, epsilon=1e-5), *problem())
    same(mine, trajectory_updates.torch(lambda p: torch.optim.Adadelta(p, 0.7, rho=0.9, eps=1e-5), *problem()))


def test_adadelta_has_the_learning_rate_of_torch(torch):
    weight = torch.nn.Parameter(torch.zeros(1))
    assert Adadelta().learning_rate == torch.optim.Adadelta([weight]).defaults["lr"] == 1.0


def test_adam_follows_torch_with_its_epsilon_at_our_place(torch):
    mine = trajectory_updates.ours(Adam(0.01, 0.8, 0.99, 1e-4), *problem())

    def make(p):
        return torch.optim.Adam(p, 0.01, (0.8, 0.99), 1e-4)

    same(mine, trajectory_updates.torch(make, *problem(), eps=lambda t: 1e-4 / math.sqrt(1 - 0.99**t)))
    plain = trajectory_updates.torch(make, *problem())
    assert np.abs(mine - plain).max() > 1e-3, "with the same epsilon they differ"


@pytest.mark.parametrize("momentum", [0.0, 0.7])
def test_rmsprop_follows_torch_without_epsilon(momentum, torch):
    weight, gradients = problem()
    given = weight.ravel()[1:], np.where(gradients == 0, 1e-3, gradients).reshape(len(gradients), -1)[:, 1:]
    mine = trajectory_updates.ours(RMSprop(0.01, rho=0.8, momentum=momentum, epsilon=0.0), *given)
    theirs = trajectory_updates.torch(
        lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.8, eps=0.0, momentum=momentum), *given
    )
    np.testing.assert_allclose(mine, theirs, rtol=RTOL, atol=0)


@pytest.mark.parametrize("optimizer", CASES, ids=title)
def test_float32_is_as_exact_as_keras(optimizer, keras):
    """Distance from float64. For Adam ours is nearer: Keras takes 1 - β₂ᵗ in float32, which costs five digits."""
    weight, gradients = (array.astype("float32") for array in problem())
    exact = trajectory_updates.ours(optimizer, weight, gradients)
    mine = trajectory_updates.ours(optimizer, weight, gradients, "float32")
    theirs = trajectory_updates.keras(*spelled(optimizer), weight, gradients, "float32")
    ulp = np.spacing(np.abs(exact).max(axis=0).astype("float32"))
    off, away = (np.abs(found - exact).max(axis=0) / ulp for found in (mine, theirs))
    assert off.max() <= max(2 * away.max(), 8)
    if optimizer == Adam():
        assert off.max() < away.max()


# --- defaults, names and settings ---


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras with NumPy 2
@pytest.mark.parametrize("kind", ls.optimizers.CLASSES)
def test_defaults_are_kerass_but_for_adadeltas_learning_rate(kind, keras):
    theirs = getattr(keras.optimizers, kind.__name__)().get_config()
    for name, value in kind().to_json()["settings"].items():
        expected = 1.0 if (kind, name) == (Adadelta, "learning_rate") else theirs[name]
        assert value == pytest.approx(expected, rel=1e-6), name


@pytest.mark.parametrize("kind", ls.optimizers.CLASSES)
def test_names(kind, keras):
    for name in (kind.__name__, kind.__name__.lower()):
        assert ls.optimizers.get(name) == kind()
        assert type(keras.optimizers.get(name)).__name__ == kind.__name__
    assert ls.optimizers.get(kind(0.3)) == kind(0.3)


@pytest.mark.parametrize("optimizer", CASES, ids=title)
def test_saved_form(optimizer):
    assert ls.optimizers.get(optimizer.to_json()) == optimizer


NUMBER = "must be a number of at least 0"
BELOW = f"{NUMBER} and below 1"
REFUSED = [
    (SGD, {"learning_rate": -0.1}, f"SGD: learning_rate {NUMBER}, not -0.1"),
    (SGD, {"learning_rate": math.nan}, f"SGD: learning_rate {NUMBER}, not nan"),
    (SGD, {"learning_rate": math.inf}, f"SGD: learning_rate {NUMBER}, not inf"),
    (SGD, {"learning_rate": "0.1"}, f"SGD: learning_rate {NUMBER}, not '0.1'"),
    (SGD, {"learning_rate": True}, f"SGD: learning_rate {NUMBER}, not True"),
    (SGD, {"learning_rate": None}, f"SGD: learning_rate {NUMBER}, not None"),
    (SGD, {"momentum": -0.5}, f"SGD: momentum {BELOW}, not -0.5"),
    (SGD, {"momentum": 1.0}, f"SGD: momentum {BELOW}, not 1.0"),
    (SGD, {"nesterov": "no"}, "SGD: nesterov must be True or False, not 'no'"),
    (RMSprop, {"learning_rate": -1}, f"RMSprop: learning_rate {NUMBER}, not -1"),
    (RMSprop, {"rho": 1}, f"RMSprop: rho {BELOW}, not 1"),
    (RMSprop, {"rho": -0.1}, f"RMSprop: rho {BELOW}, not -0.1"),
    (RMSprop, {"momentum": 1}, f"RMSprop: momentum {BELOW}, not 1"),
    (RMSprop, {"epsilon": -1e-7}, f"RMSprop: epsilon {NUMBER}, not -1e-07"),
    (Adam, {"beta_1": 1.0}, f"Adam: beta_1 {BELOW}, not 1.0"),
    (Adam, {"beta_2": 1.5}, f"Adam: beta_2 {BELOW}, not 1.5"),
    (Adam, {"beta_2": -0.1}, f"Adam: beta_2 {BELOW}, not -0.1"),
    (Adam, {"epsilon": "small"}, f"Adam: epsilon {NUMBER}, not 'small'"),
    (Adadelta, {"learning_rate": -1.0}, f"Adadelta: learning_rate {NUMBER}, not -1.0"),
    (Adadelta, {"rho": 1.0}, f"Adadelta: rho {BELOW}, not 1.0"),
    (SGD, {"weight_decay": -1}, f"SGD: weight_decay {NUMBER}, not -1"),
    (SGD, {"clipnorm": 0}, "SGD: clipnorm must be above 0"),
    (
        Adam,
        {"clipnorm": 1, "clipvalue": 1},
        "Adam: only one of clipnorm, clipvalue, global_clipnorm, not clipnorm and clipvalue",
    ),
    (AdamW, {"weight_decay": None}, "AdamW: weight_decay must be a number; Adam is the one without"),
    (Lion, {"beta_2": 1}, f"Lion: beta_2 {BELOW}, not 1"),
    (Adagrad, {"initial_accumulator_value": -1}, f"Adagrad: initial_accumulator_value {NUMBER}, not -1"),
    (Adadelta, {"epsilon": math.nan}, f"Adadelta: epsilon {NUMBER}, not nan"),
]


@pytest.mark.parametrize(("kind", "settings", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_impossible_settings_are_refused(kind, settings, message):
    with pytest.raises(SettingError) as caught:
        kind(**settings)
    assert str(caught.value) == message
    with pytest.raises(SettingError) as caught:
        ls.optimizers.get({"optimizer": kind.__name__, "settings": settings})
    assert str(caught.value) == message


REFUSED_SCHEDULES = [
    (schedules.ExponentialDecay, (0.1, 0, 0.5), "ExponentialDecay: decay_steps must be above 0, not 0"),
    (schedules.CosineDecay, ("a", 5), "CosineDecay: initial_learning_rate must be a number, not 'a'"),
    (
        schedules.PiecewiseConstantDecay,
        ([1], [0.1, 0.2, 0.3]),
        "PiecewiseConstantDecay: 3 values need 2 boundaries between them, not 1",
    ),
]


@pytest.mark.parametrize(("kind", "given", "message"), REFUSED_SCHEDULES, ids=[row[-1] for row in REFUSED_SCHEDULES])
def test_impossible_schedules_are_refused(kind, given, message):
    with pytest.raises(SettingError) as caught:
        kind(*given)
    assert str(caught.value) == message


def test_unknown_schedules_are_refused():
    with pytest.raises(UnknownNameError) as caught:
        ls.optimizers.get({"optimizer": "SGD", "settings": {"learning_rate": {"schedule": "CosineDecai"}}})
    assert str(caught.value).startswith("unknown schedule 'CosineDecai'. Did you mean 'CosineDecay'")


def test_numbers_of_numpy_are_taken_as_they_are():
    """In its own float32 the bias correction 1 - β₂ᵗ would lose five digits."""
    given = Adam(np.float32(0.25), beta_2=np.float32(0.999), epsilon=np.int64(0))
    assert given == Adam(0.25, beta_2=float(np.float32(0.999)), epsilon=0.0)
    assert all(type(value) is float for value in given.to_json()["settings"].values())
    assert given.scalars(1)["learning_rate"] == 0.25 * math.sqrt(1 - float(np.float32(0.999))) / (1 - 0.9)


def test_impossible_names_are_refused():
    with pytest.raises(UnknownNameError) as caught:
        ls.optimizers.get("adadelt")
    assert str(caught.value) == "unknown optimizer 'adadelt'. Did you mean 'adadelta' or 'adagrad' or 'adam'?"
    with pytest.raises(SettingError) as caught:
        ls.optimizers.get(0.1)
    assert str(caught.value) == "an optimizer is a name or an object of layerscope.optimizers, not 0.1"
    with pytest.raises(SettingError, match=r"^optimizer Adam: .*unexpected keyword argument 'rho'"):
        ls.optimizers.get({"optimizer": "Adam", "settings": {"rho": 0.9}})
