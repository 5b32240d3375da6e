from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example, Layer, Spelling
from layerscope.core.costs import Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import EVERYTHING, Reads, Relation, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType, WeightType
from layerscope.layers import _checks
from layerscope.layers._spatial import Placement, floating, one_input, padding_name, place

MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


@dataclass(frozen=True, eq=False)
class STFTSpectrogram(Layer):
    """The short-time Fourier transform of signals, as a convolution: how strong each frequency is in each frame.

    Each channel is convolved by itself with windowed cosines (real part) and sines (imaginary part) of `frame_length`
    samples, every `frame_step` of them (half a frame unless given). `mode` says what becomes of the two parts: the
    logarithm of their power, "magnitude", "psd" (power), "real", "imag", "angle", or both side by side ("stft").

    Shapes: (batch, n, C) → (batch, frames, C·frequencies); frequencies = fft_length/2 + 1, twice that for "stft";
    fft_length, unless given, the next power of 2; frames = floor((n - frame_length) / frame_step) + 1 (valid),
    ceil(n / frame_step) (same). With expand_dims (batch, frames, frequencies, C). channels_first: C behind the batch.
    real_kernel and imag_kernel (frame_length, 1, fft_length/2 + 1), the ones that the mode needs. They begin as a
    Fourier transform, and are trainable.
    MACs: batch × C × frames × frame_length × (fft_length/2 + 1), for each kernel.
    Pointwise, a number of the output: log 4 (squares, sum, logarithm), magnitude 4, psd 3, angle 1.
    Kept for the backward pass: the input; both parts unless they are the output; for log and magnitude the output
    (magnitude) or the power (log).
    Errors: SettingError for settings that contradict each other; ShapeError when the input has not three axes.
    Source: Keras 3, `keras.layers.STFTSpectrogram`; Allen & Rabiner (1977).
    """

    mode: str = "log"
    frame_length: Any = 256
    frame_step: Any = None
    fft_length: Any = None
    window: Any = "hann"
    periodic: bool = False
    scaling: str | None = "density"
    padding: str = "valid"
    expand_dims: bool = False
    data_format: str | None = None

    executable = False
    law = "(batch, n, C) → (batch, frames, C·frequencies)"

    def __post_init__(self) -> None:
        _checks.one_of(self, "mode", MODES)
        for name in ("frame_length", "frame_step", "fft_length"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, sizes.checked(getattr(self, name), f"{self.kind}: {name}"))
        object.__setattr__(self, "padding", padding_name(self.padding, f"{self.kind}: padding"))
        _checks.data_format(self)
        if self.scaling not in (None, "density", "spectrum"):
            raise SettingError(f"{self.kind}: scaling must be None, 'density' or 'spectrum', not {self.scaling!r}")
        if self.step > self.frame_length:
            raise SettingError(
                f"{self.kind}: frame_step ({self.step}) must not be above frame_length ({self.frame_length})"
            )
        if self.transform < self.frame_length:
            raise SettingError(
                f"{self.kind}: fft_length ({self.transform}) must not be below frame_length ({self.frame_length})"
            )

    @property
    def step(self) -> int:
        """Samples from one frame to the next."""
        return self.frame_step or max(1, self.frame_length // 2)

    @property
    def transform(self) -> int:
        """The length of the Fourier transform."""
        return self.fft_length or 1 << (self.frame_length - 1).bit_length()

    @property
    def frequencies(self) -> int:
        """Frequencies of one kernel."""
        return self.transform // 2 + 1

    @property
    def first(self) -> bool:
        """Whether channels come before the samples."""
        return self.data_format == "channels_first"

    def placement(self, x: TensorType) -> Placement:
        """Where the frames stand."""
        return place(x.shape[2 if self.first else 1], self.frame_length, self.step, self.padding, "length")

    def channels(self, x: TensorType) -> Size:
        """The number of channels."""
        return x.shape[1 if self.first else 2]

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        if x.rank != 3:
            axes = "batch, channels, length" if self.first else "batch, length, channels"
            raise ShapeError(f"needs an input of 3 axes ({axes}), but got {x.rank}: {x}")
        batch, frames, channels = x.shape[0], self.placement(x).out, self.channels(x)
        width = self.frequencies * (2 if self.mode == "stft" else 1)
        if self.expand_dims:
            shape = (batch, channels, frames, width) if self.first else (batch, frames, width, channels)
        else:
            shape = (batch, channels * width, frames) if self.first else (batch, frames, channels * width)
        return (TensorType(shape, floating(x)),)

    def weight_types(self, *types: TensorType) -> dict[str, WeightType]:
        kernel = WeightType((self.frame_length, 1, self.frequencies))
        left_out = {"imag": "real_kernel", "real": "imag_kernel"}.get(self.mode)
        return {name: kernel for name in ("real_kernel", "imag_kernel") if name != left_out}

    def part(self, x: TensorType) -> TensorType:
        """The type of the real, or of the imaginary part."""
        return TensorType((x.shape[0], self.placement(x).out, self.channels(x) * self.frequencies), floating(x))

    def macs(self, *types: TensorType) -> Size | None:
        return self.part(types[0]).elements * (self.frame_length * len(self.weight_types(*types)))

    def operations(self, *types: TensorType) -> Operations | None:
        each = {"log": 4, "magnitude": 4, "psd": 3, "angle": 1}.get(self.mode, 0)
        return Operations(pointwise=self.part(types[0]).elements * each)

    def saved(self, *types: TensorType) -> Saved | None:
        count = {"log": 3, "magnitude": 2, "psd": 2, "angle": 2}.get(self.mode, 0)
        return Saved((0,), (0,) if self.mode == "magnitude" else (), (self.part(types[0]),) * count)

    def workspace(self, *types: TensorType) -> Size | None:
        """The real and the imaginary part, where the output is made of both."""
        return self.part(types[0]).bytes * 2 if len(self.weight_types(*types)) == 2 else 0

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        x = types[0]
        axis = 2 if self.first else 1
        frames = Window(axis, self.step, self.frame_length, self.placement(x).pads[0])
        channels: Relation | Any = Window(1 if self.first else 3) if self.expand_dims else EVERYTHING
        return ((Window(0), channels, frames) if self.first else (Window(0), frames, channels),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        both = cls("stft", 9, 4, padding="same", expand_dims=True, data_format="channels_first")
        return [
            Example(cls(frame_length=8), (TensorType((2, 50, 3)),), (TensorType((2, 11, 15)),)),
            Example(both, (TensorType((2, 3, 50)),), (TensorType((2, 3, 13, 18)),)),
            Example(cls("real", 8, 8, 16), (TensorType((2, 50, 1)),), (TensorType((2, 6, 9)),)),
        ]

    spellings = {
        "keras": Spelling("STFTSpectrogram"),
        "torch": Spelling("torch.stft", "a function, with a fast Fourier transform"),
        "onnx": Spelling("STFT"),
    }
