from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core import sizes
from layerscope.core.contract import Example, Layer, Spelling
from layerscope.core.costs import NOTHING_SAVED, Operations, Saved
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError, ShapeError
from layerscope.core.reach import EVERYTHING, Reads, Window
from layerscope.core.sizes import Size
from layerscope.core.types import TensorType
from layerscope.layers._spatial import floating, one_input


@dataclass(frozen=True, eq=False)
class MelSpectrogram(Layer):
    """How strong each band of the mel scale is in a sound, frame by frame.

    Frames of `sequence_length` samples (fft_length unless given), every `sequence_stride` of them and centred, are
    windowed, Fourier transformed, taken by magnitude to the power `mag_exp`, and summed into bands by a constant
    matrix; `power_to_db` gives decibels, cut `top_db` below the loudest of all.

    Shapes: (batch, samples) → (batch, num_mel_bins, frames), frames = floor((samples + sequence_stride + 1) /
    sequence_stride); without a batch likewise. No weights.
    MACs: frames × (fft_length/2 + 1) × num_mel_bins, the product with the matrix.
    Pointwise: one a windowed sample; n·log₂ n for a Fourier transform of n = fft_length; magnitudes and powers, two
    for each frequency; decibels, three a number of the output. Pooling: what the loudest is looked for in.
    Receptive field: the frame; everything with power_to_db, because of the loudest.
    Errors: SettingError when sequence_length is above fft_length; ShapeError when the input has not one or two axes.
    Source: Stevens, Volkmann & Newman, "A scale for the measurement of the psychological magnitude pitch" (1937).
    """

    fft_length: Any = 2048
    sequence_stride: Any = 512
    sequence_length: Any = None
    window: Any = "hann"
    sampling_rate: Any = 16000
    num_mel_bins: Any = 128
    min_freq: float = 20.0
    max_freq: Any = None
    power_to_db: bool = True
    top_db: float = 80.0
    mag_exp: float = 2.0
    min_power: float = 1e-10
    ref_power: float = 1.0

    executable = False
    law = "(batch, samples) → (batch, num_mel_bins, frames)"

    def __post_init__(self) -> None:
        for name in ("fft_length", "sequence_stride", "sequence_length", "num_mel_bins"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, sizes.checked(getattr(self, name), f"{self.kind}: {name}"))
        if self.length > self.fft_length:
            raise SettingError(
                f"{self.kind}: sequence_length ({self.length}) must not be above fft_length ({self.fft_length})"
            )

    @property
    def length(self) -> int:
        """Samples of a frame."""
        return self.sequence_length or self.fft_length

    def frames(self, x: TensorType) -> Size:
        """The number of frames of one sound."""
        return sizes.floor_div(x.shape[-1] + self.sequence_stride + 1, self.sequence_stride)

    def out(self, *types: TensorType) -> tuple[TensorType, ...]:
        x = one_input(types)
        if x.rank not in (1, 2):
            raise ShapeError(f"needs sounds of the shape (batch, samples), but got {x}")
        return (TensorType((*x.shape[:-1], self.num_mel_bins, self.frames(x)), floating(x)),)

    def macs(self, *types: TensorType) -> Size | None:
        return self.out(*types)[0].elements * (self.fft_length // 2 + 1)

    def operations(self, *types: TensorType) -> Operations | None:
        (y,) = self.out(*types)
        frames = sizes.product(types[0].shape[:-1]) * self.frames(types[0])
        transform = self.fft_length * (self.fft_length - 1).bit_length()
        each = self.length + transform + 2 * (self.fft_length // 2 + 1)
        decibels = y.elements * 3 if self.power_to_db else 0
        return Operations(pointwise=frames * each + decibels, pooling=y.elements if self.power_to_db else 0)

    def saved(self, *types: TensorType) -> Saved | None:
        """Nothing: sounds are transformed before all weights, and no gradient goes back to them."""
        return NOTHING_SAVED

    def workspace(self, *types: TensorType) -> Size | None:
        """All frames, and their spectrum with its real and imaginary part."""
        width = self.length + 2 * (self.fft_length // 2 + 1)
        return TensorType((*types[0].shape[:-1], self.frames(types[0]), width), floating(types[0])).bytes

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        rank = types[0].rank
        frame = Window(rank, self.sequence_stride, self.length, self.length // 2)
        return ((*map(Window, range(rank - 1)), EVERYTHING if self.power_to_db else frame),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        small = cls(64, 16, num_mel_bins=10, power_to_db=False)
        return [
            Example(cls(), (TensorType((2, 16000)),), (TensorType((2, 128, 32)),)),
            Example(small, (TensorType((1000,)),), (TensorType((10, 63)),)),
        ]

    spellings = {
        "keras": Spelling("MelSpectrogram"),
        "torch": Spelling("torchaudio.transforms.MelSpectrogram", "a transform, without decibels"),
        "onnx": Spelling("STFT", "and MelWeightMatrix, MatMul"),
    }
