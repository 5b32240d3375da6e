"""Normalising layers as PyTorch's modules."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerscope.core.graph import Node
from layerscope.targets._torch_layers import Out, form
from layerscope.targets.torch import Value, Writer, made_first


@form("BatchNormalization")
def batch_normalization(writer: Writer, node: Node, x: Value, *, out: Out) -> Value:
    """A BatchNorm, channels second; PyTorch's momentum is the share of the new value; statistics come along."""
    layer: Any = node.layer
    nn, rank = writer.torch.nn, x.type.rank
    cls = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[rank]
    count = int(x.type.shape[-1])  # pyright: ignore[reportArgumentType]

    def array(role: str) -> Any:
        return writer.torch.from_numpy(np.array(writer.model._variables[node.weights[role]].array))

    def make() -> Any:
        affine = layer.scale or layer.center
        found = cls(count, eps=layer.epsilon, momentum=1 - layer.momentum, affine=affine)
        fixed = {"weight": writer.torch.ones(count), "bias": writer.torch.zeros(count)}
        for name, role, has in (("weight", "gamma", layer.scale), ("bias", "beta", layer.center)):
            if has:
                setattr(found, name, writer.parameter(node, role))
            elif affine:  # PyTorch has both or none
                setattr(found, name, nn.Parameter(fixed[name], requires_grad=False))
        found.running_mean, found.running_var = array("moving_mean"), array("moving_variance")
        return found

    if rank == 2:
        return Value(out[0], writer.weighted(node, make, writer.rows(x)))
    return made_first(out[0], writer.weighted(node, make, x.first))
