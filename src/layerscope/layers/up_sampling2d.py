from __future__ import annotations

from collections.abc import Sequence

from layerscope.core.contract import Example, Spelling, Words, check_data_format, describe_only
from layerscope.core.dataclasses import dataclass
from layerscope.core.errors import SettingError
from layerscope.core.types import TensorType
from layerscope.layers._upsampling import INTERPOLATIONS, Enlarging

COMPUTED = ("nearest", "bilinear")


@dataclass(frozen=True, eq=False)
class UpSampling2D(Enlarging):
    """Enlarges an image by repeating each value, or by linear interpolation.

    nearest: out[i, j] = in[floor(i / s), floor(j / s)].
    bilinear: half-pixel centres: position (i + 1/2) / s - 1/2 between its two neighbours, edges repeated.
    bicubic, lanczos3, lanczos5: the same centres, kernels of 2, 3 and 5 pixels to either side (described only).

    Shapes: (batch, height, width, C) → (batch, s·height, s·width, C).
    Errors: SettingError for another interpolation.
    Source: Odena, Dumoulin & Olah, "Deconvolution and checkerboard artifacts", Distill (2016).
    """

    data_format: str | None = None
    interpolation: str = "nearest"

    rank = 2
    words = Words(("upsample", "up_sampling2d", "upsampling2d", "up"), ("size", "interpolation"))
    law = "n·s"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_data_format(self, self.data_format)
        name = self.interpolation.lower() if isinstance(self.interpolation, str) else ""  # pyright: ignore[reportUnnecessaryIsInstance]
        if name not in INTERPOLATIONS:
            listed = ", ".join(map(repr, INTERPOLATIONS))
            raise SettingError(f"{self.kind}: interpolation must be one of {listed}, not {self.interpolation!r}")
        object.__setattr__(self, "interpolation", name)
        if name not in COMPUTED:
            describe_only(
                self,
                f"interpolation={name!r} can be traced, but not computed or trained; those that can: "
                f"{', '.join(COMPUTED)}",
            )

    @classmethod
    def examples(cls) -> Sequence[Example]:
        x = (TensorType((2, 3, 4, 2)),)
        return [
            Example(cls(), (TensorType((2, 7, 7, 4)),), (TensorType((2, 14, 14, 4)),)),
            Example(cls((3, 2)), x, (TensorType((2, 9, 8, 2)),)),
            Example(cls(2, interpolation="bilinear"), x, (TensorType((2, 6, 8, 2)),)),
            Example(cls((2, 1), interpolation="lanczos3"), x, (TensorType((2, 6, 4, 2)),)),
            Example(cls((1, 3), interpolation="bilinear"), x, (TensorType((2, 3, 12, 2)),)),
        ]

    spellings = {
        "keras": Spelling("UpSampling2D"),
        "torch": Spelling("torch.nn.Upsample", "channels first; mode='bilinear', align_corners=False"),
        "onnx": Spelling("Resize", "channels first; nearest: asymmetric, floor; linear: half_pixel coordinates"),
    }
