"""Genuine Keras 3 layers for what Keras lacks: they run on any of its backends, and Keras saves and loads them.

Importing this package imports Keras, and it is the only one that does so by being imported. Import it before
`keras.models.load_model` reads a file that holds these layers: that is how Keras learns of them.
"""

from layerscope.keras.bed_of_nails2d import BedOfNails2D
from layerscope.keras.max_pooling_with_switches2d import MaxPoolingWithSwitches2D
from layerscope.keras.max_unpooling2d import MaxUnpooling2D
from layerscope.keras.pixel_shuffle2d import PixelShuffle2D

__all__ = ["BedOfNails2D", "MaxPoolingWithSwitches2D", "MaxUnpooling2D", "PixelShuffle2D"]
