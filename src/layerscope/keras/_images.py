"""What all layers here share: Keras itself, the order of the axes, and shapes that may be open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from layerscope.core.errors import SettingError

if TYPE_CHECKING:
    keras: Any = None
else:
    import keras

Shape = tuple[Any, ...]
"""As in Keras: None where a size is open."""

registered = keras.saving.register_keras_serializable(package="layerscope")


class ImageLayer(keras.layers.Layer):
    """A layer of images without weights. Inside it they are channels last, whatever `data_format` says."""

    def __init__(self, data_format: str | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.data_format = data_format or keras.config.image_data_format()
        if self.data_format not in ("channels_last", "channels_first"):
            raise SettingError(
                f"{type(self).__name__}: data_format must be 'channels_last' or 'channels_first', not {data_format!r}"
            )
        self.built = True

    def inward(self, x: Any) -> Any:
        """Channels last."""
        return x if self.data_format == "channels_last" else keras.ops.transpose(x, (0, 2, 3, 1))

    def outward(self, x: Any) -> Any:
        """From channels last to the order of the layer's outputs."""
        return x if self.data_format == "channels_last" else keras.ops.transpose(x, (0, 3, 1, 2))

    def inward_shape(self, shape: Sequence[Any]) -> Shape:
        """A shape with its channels last."""
        if self.data_format == "channels_last":
            return tuple(shape)
        batch, channels, height, width = shape
        return batch, height, width, channels

    def outward_shape(self, shape: Shape) -> Shape:
        """A shape with its channels last in the order of the layer's outputs."""
        if self.data_format == "channels_last":
            return shape
        batch, height, width, channels = shape
        return batch, channels, height, width

    def get_config(self) -> dict[str, Any]:
        """The settings, from which Keras makes the layer again."""
        return {**super().get_config(), "data_format": self.data_format}


def times(size: Any, factor: int) -> Any:
    """An open size stays open."""
    return None if size is None else size * factor
