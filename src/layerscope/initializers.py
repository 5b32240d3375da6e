"""Initial weights, with Keras 3's names, arguments and formulas.

For a kernel (*k, n, m) fan_in = n·area and fan_out = m·area, in this order for every layer (so a
transposed convolution, whose kernel is (*k, out, in), counts them the other way round, as in Keras).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerscope.core.errors import SettingError, UnknownNameError
from layerscope.core.named import alike
from layerscope.utils import generator

Array = NDArray[Any]
TRUNCATION = 0.87962566103423978
"""Standard deviation of a unit normal cut at ±2: dividing by it keeps the wanted deviation."""


@dataclass
class Initializer:
    """Base: called with a shape, gives a float32 array. The same seed gives the same array."""

    def __call__(self, shape: tuple[int, ...], dtype: str = "float32") -> Array:
        seed = getattr(self, "seed", None)
        return self.draw(generator() if seed is None else np.random.default_rng(seed), shape).astype(dtype)

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """The array, from a generator."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Name and settings, for a saved graph."""
        settings = {f.name: getattr(self, f.name) for f in fields(self)}
        return {"initializer": type(self).__name__, "settings": settings}


@dataclass
class Zeros(Initializer):
    """All zeros."""

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return np.zeros(shape)


@dataclass
class Ones(Initializer):
    """All ones."""

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return np.ones(shape)


@dataclass
class Constant(Initializer):
    """One value everywhere."""

    value: float = 0.0

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return np.full(shape, self.value)


@dataclass
class RandomUniform(Initializer):
    """Uniform in [minval, maxval)."""

    minval: float = -0.05
    maxval: float = 0.05
    seed: int | None = None

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return random.uniform(self.minval, self.maxval, shape)


@dataclass
class RandomNormal(Initializer):
    """Normal with this mean and deviation."""

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return random.normal(self.mean, self.stddev, shape)


@dataclass
class TruncatedNormal(Initializer):
    """Normal, drawn again beyond two deviations."""

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return self.mean + self.stddev * _truncated(random, shape)


@dataclass
class VarianceScaling(Initializer):
    """Variance scale / fan, of a uniform, normal or truncated normal distribution."""

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("fan_in", "fan_out", "fan_avg"):
            raise SettingError(f"VarianceScaling: mode must be fan_in, fan_out or fan_avg, not {self.mode!r}")
        if self.distribution not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise SettingError(
                "VarianceScaling: distribution must be truncated_normal, untruncated_normal or uniform, "
                f"not {self.distribution!r}"
            )

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> Array:
        fan_in, fan_out = fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            return random.uniform(-1, 1, shape) * np.sqrt(3 * variance)
        if self.distribution == "untruncated_normal":
            return random.normal(0, np.sqrt(variance), shape)
        return _truncated(random, shape) * np.sqrt(variance) / TRUNCATION


@dataclass
class Orthogonal(Initializer):
    """Orthogonal rows or columns, whichever are fewer, of all axes but the last and the last, times `gain`.

    Source: Saxe, McClelland & Ganguli (2013).
    """

    gain: float = 1.0
    seed: int | None = None

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> Array:
        if len(shape) < 2:
            raise SettingError(f"Orthogonal: needs a weight of two or more axes, not {len(shape)}: {shape}")
        rows, columns = int(np.prod(shape[:-1])), shape[-1]
        q, r = np.linalg.qr(random.normal(size=(max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r))  # one of the signs that a decomposition leaves open, so that all are as likely
        return self.gain * (q if rows >= columns else q.T).reshape(shape)


@dataclass
class ICNR(Initializer):
    """For the kernel of a convolution before a PixelShuffle2D of this `size`: each block of channels that becomes the
    positions of one channel starts with the same kernel, drawn by `initializer` for a convolution to that channel.

    So the layers start as a convolution with its values repeated (nearest upsampling), and without a checkerboard.
    Shapes: (*k, n, m) with m a multiple of the block. Errors: SettingError.
    Source: Aitken et al., "Checkerboard artifact free sub-pixel convolution" (2017).
    """

    size: Any = 2
    initializer: Any = "glorot_uniform"
    seed: int | None = None

    def __post_init__(self) -> None:
        sizes = [self.size] * 2 if isinstance(self.size, int) else list(self.size)
        if not sizes or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in sizes):
            raise SettingError(f"ICNR: size must be a whole number of at least 1, or one an axis, not {self.size!r}")
        self.size = sizes
        self.initializer = get(self.initializer)

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> Array:
        block = int(np.prod(self.size))
        if len(shape) < 2 or shape[-1] % block:
            raise SettingError(
                f"ICNR: a pixel shuffle of {' × '.join(map(str, self.size))} takes a multiple of {block} channels, "
                f"but the kernel {shape} gives {shape[-1] if shape else 'none'}"
            )
        return np.repeat(self.initializer.draw(random, (*shape[:-1], shape[-1] // block)), block, axis=-1)

    def to_json(self) -> dict[str, Any]:
        settings = {"size": self.size, "initializer": self.initializer.to_json(), "seed": self.seed}
        return {"initializer": "ICNR", "settings": settings}


def _truncated(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    values = random.standard_normal(shape)
    while (beyond := np.abs(values) > 2).any():
        values = np.where(beyond, random.standard_normal(shape), values)
    return values


def fans(shape: tuple[int, ...]) -> tuple[float, float]:
    """fan_in and fan_out of a weight."""
    if len(shape) < 2:
        size = float(shape[0]) if shape else 1.0
        return size, size
    area = float(np.prod(shape[:-2]))
    return shape[-2] * area, shape[-1] * area


NAMED: dict[str, Initializer] = {
    "zeros": Zeros(),
    "ones": Ones(),
    "random_uniform": RandomUniform(),
    "random_normal": RandomNormal(),
    "truncated_normal": TruncatedNormal(),
    "glorot_uniform": VarianceScaling(1.0, "fan_avg", "uniform"),
    "glorot_normal": VarianceScaling(1.0, "fan_avg", "truncated_normal"),
    "he_uniform": VarianceScaling(2.0, "fan_in", "uniform"),
    "he_normal": VarianceScaling(2.0, "fan_in", "truncated_normal"),
    "lecun_uniform": VarianceScaling(1.0, "fan_in", "uniform"),
    "lecun_normal": VarianceScaling(1.0, "fan_in", "truncated_normal"),
    "orthogonal": Orthogonal(),
    "uniform": RandomUniform(),
    "normal": RandomNormal(),
}


def GlorotUniform(seed: int | None = None) -> Initializer:
    """Uniform with variance 2 / (fan_in + fan_out). Source: Glorot & Bengio (2010)."""
    return VarianceScaling(1.0, "fan_avg", "uniform", seed)


def GlorotNormal(seed: int | None = None) -> Initializer:
    """Truncated normal with variance 2 / (fan_in + fan_out). Source: Glorot & Bengio (2010)."""
    return VarianceScaling(1.0, "fan_avg", "truncated_normal", seed)


def HeUniform(seed: int | None = None) -> Initializer:
    """Uniform with variance 2 / fan_in. Source: He et al. (2015)."""
    return VarianceScaling(2.0, "fan_in", "uniform", seed)


def HeNormal(seed: int | None = None) -> Initializer:
    """Truncated normal with variance 2 / fan_in. Source: He et al. (2015)."""
    return VarianceScaling(2.0, "fan_in", "truncated_normal", seed)


def LecunUniform(seed: int | None = None) -> Initializer:
    """Uniform with variance 1 / fan_in. Source: LeCun et al. (1998)."""
    return VarianceScaling(1.0, "fan_in", "uniform", seed)


def LecunNormal(seed: int | None = None) -> Initializer:
    """Truncated normal with variance 1 / fan_in. Source: LeCun et al. (1998)."""
    return VarianceScaling(1.0, "fan_in", "truncated_normal", seed)


CLASSES = (Zeros, Ones, Constant, RandomUniform, RandomNormal, TruncatedNormal, VarianceScaling, Orthogonal, ICNR)


def get(identifier: object) -> Initializer:
    """An initializer from its name, its saved form, or itself; UnknownNameError names the nearest."""
    if isinstance(identifier, Initializer):
        return identifier
    if isinstance(identifier, dict):
        found = {alike(cls.__name__): cls for cls in CLASSES}
        name, settings = identifier.get("initializer"), identifier.get("settings", {})
        if alike(str(name)) not in found:
            raise UnknownNameError("initializer", str(name), [cls.__name__ for cls in CLASSES])
        try:
            return found[alike(str(name))](**settings)
        except TypeError as error:
            raise SettingError(f"initializer {name}: {error}") from None
    if isinstance(identifier, str):
        plain = {alike(name): initializer for name, initializer in NAMED.items()}
        key = alike(identifier)
        if key not in plain:
            raise UnknownNameError("initializer", identifier, NAMED)
        return plain[key]
    raise SettingError(f"an initializer is a name or an object of layerscope.initializers, not {identifier!r}")
