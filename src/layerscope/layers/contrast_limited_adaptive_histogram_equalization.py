from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from layerscope.core.contract import Example, Spelling
from layerscope.core.costs import Operations
from layerscope.core.dataclasses import dataclass
from layerscope.core.reach import Reads, same
from layerscope.core.types import TensorType
from layerscope.layers._augmentation import Augmentation, example_types, plane
from layerscope.layers._spatial import per_axis


@dataclass(frozen=True, eq=False)
class ContrastLimitedAdaptiveHistogramEqualization(Augmentation):
    """Equalises the histogram of each channel in tiles, and blends the tiles where they meet.

    Bins of a histogram above `clip_limit` are cut, so that noise is not blown up. It does so at inference, too.

    Shapes: (batch, height, width, C) → (batch, height, width, C), or one image without the batch.
    Operations: pooling, one an element (it is counted in a histogram); pointwise, one an element (its new number,
    blended from the tables of the nearest tiles).
    Receptive field: everything along height and width.
    Errors: SettingError when tile_grid_size is not two numbers; ShapeError when the input has not three or four axes.
    Source: Zuiderveld, "Contrast limited adaptive histogram equalization" (1994).
    """

    value_range: Any = (0, 255)
    clip_limit: float = 4.0
    tile_grid_size: Any = (8, 8)
    data_format: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "tile_grid_size", per_axis(self.tile_grid_size, 2, f"{self.kind}: tile_grid_size"))

    @property
    def elementwise(self) -> bool:
        return False

    @property
    def linear(self) -> bool:
        return False

    def operations(self, *types: TensorType) -> Operations | None:
        return Operations(pointwise=types[0].elements, pooling=types[0].elements)

    def shares(self, *types: TensorType) -> int | None:
        return None

    def reach(self, output: int, *types: TensorType) -> tuple[Reads | None, ...]:
        return (same(types[0].rank, everything=plane(self.data_format)),)

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [
            Example(cls(), example_types(2, 16, 24, 3), example_types(2, 16, 24, 3)),
            Example(cls(tile_grid_size=(2, 3), data_format="channels_first"), *(example_types(3, 9, 8),) * 2),
        ]

    spellings = {
        "keras": Spelling("ContrastLimitedAdaptiveHistogramEqualization"),
        "torch": Spelling("", "no such module; kornia has equalize_clahe"),
        "onnx": Spelling("", "no such operator"),
    }
