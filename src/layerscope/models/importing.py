"""Models of other frameworks as models here, with their weights."""

from __future__ import annotations

from typing import Any

from layerscope.core.errors import SourceError
from layerscope.models import variables
from layerscope.models.model import Model
from layerscope.sources import torch as torch_source


def from_torch(module: Any, input: Any = None) -> Model:
    """A PyTorch module as a model with the same weights: `from_torch(module, input=(1, 28, 28))`.

    `input` holds the sizes of one example, channels first and without the batch (of four sizes the first is taken
    for the batch), or is a list of such for a forward with several arguments. The forward is followed, but nothing is
    computed. The model is channels last: it takes (batch, height, width, channels) where the module takes
    (batch, channels, height, width), and the weights behind a flattened image are put into that order. Batch
    normalisation in eval mode is folded into the weights before it. Parameters that need no gradient stay frozen, and
    all become single precision.
    Errors: SourceError listing everything in the module that no layer does, each with the reason.
    """
    if not torch_source.handles(module):
        raise SourceError(f"from_torch takes a torch.nn.Module, not {type(module).__name__}")
    if input is None:
        raise SourceError(
            "from_torch needs the size of one example, channels first: from_torch(module, input=(1, 28, 28))"
        )
    found = torch_source.imported(module, input)
    model = Model.from_graph(found.graph)
    for layer, arrays in found.weights:
        for role, array in arrays.items():
            variables.of(layer)[role].assign(array)
    return model
