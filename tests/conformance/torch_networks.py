"""Well-known networks in plain PyTorch, with no weights behind them, as ONNX files without payloads."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable

import onnx
import torch
from torch import nn


def convolution(n: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(n, out, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(out)]


class Block(nn.Module):
    """A block of ResNet: two 3×3, or 1×1, 3×3, 1×1 with four times the channels; `early` strides in the first."""

    def __init__(self, n: int, width: int, stride: int, wide: bool, early: bool):
        super().__init__()
        out = width * 4 if wide else width
        first, second = (stride, 1) if early else (1, stride)
        if wide:
            steps = [*convolution(n, width, 1, first), nn.ReLU(), *convolution(width, width, 3, second), nn.ReLU()]
            steps += convolution(width, out, 1)
        else:
            steps = [*convolution(n, width, 3, stride), nn.ReLU(), *convolution(width, width, 3)]
        self.body = nn.Sequential(*steps)
        self.shortcut = nn.Sequential(*convolution(n, out, 1, stride)) if stride > 1 or n != out else nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.body(x) + self.shortcut(x))


def resnet(counts: tuple[int, ...], wide: bool, early: bool = False) -> nn.Module:
    steps: list[nn.Module] = [*convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    n = 64
    for stage, count in enumerate(counts):
        for number in range(count):
            width = 64 << stage
            steps.append(Block(n, width, 2 if stage and not number else 1, wide, early))
            n = width * 4 if wide else width
    return nn.Sequential(*steps, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n, 1000))


def vgg16() -> nn.Module:
    steps: list[nn.Module] = []
    n = 3
    for part in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
        if not part:
            steps.append(nn.MaxPool2d(2))
            continue
        steps += [nn.Conv2d(n, part, 3, padding=1), nn.ReLU()]
        n = part
    steps += [nn.Flatten(), nn.Linear(512 * 49, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU()]
    return nn.Sequential(*steps, nn.Dropout(), nn.Linear(4096, 1000))


def mobilenet() -> nn.Module:
    steps = [*convolution(3, 32, 3, 2), nn.ReLU6()]
    n = 32
    for out, stride in (
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        *((512, 1),) * 5,
        (1024, 2),
        (1024, 1),
    ):
        steps += [*convolution(n, n, 3, stride, groups=n), nn.ReLU6(), *convolution(n, out, 1), nn.ReLU6()]
        n = out
    return nn.Sequential(*steps, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n, 1000))


class UNet(nn.Module):
    """Four levels, two 3×3 in each, up-convolutions 2×2, tensors of the same level concatenated."""

    def __init__(self, width: int = 64, levels: int = 4):
        super().__init__()
        widths = [width << level for level in range(levels + 1)]

        def pair(n: int, out: int) -> nn.Module:
            steps = [nn.Conv2d(n, out, 3, padding=1), nn.ReLU(), nn.Conv2d(out, out, 3, padding=1), nn.ReLU()]
            return nn.Sequential(*steps)

        self.down = nn.ModuleList(pair(n, out) for n, out in zip([3, *widths], widths, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * n, n, 2, 2) for n in widths[-2::-1])
        self.join = nn.ModuleList(pair(2 * n, n) for n in widths[-2::-1])
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x):
        kept = []
        for level, step in enumerate(self.down):
            x = step(x if level == 0 else nn.functional.max_pool2d(x, 2))
            kept.append(x)
        for up, join, there in zip(self.up, self.join, kept[-2::-1], strict=True):
            x = join(torch.cat([up(x), there], 1))
        return self.head(x)


class Encoder(nn.Module):
    """One block of a transformer, written out: projections, scaled dot products of four heads, and two Linears."""

    def __init__(self, width: int = 64, heads: int = 4):
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.one, self.two = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        batch, length, width = x.shape
        parts = self.project(self.one(x)).reshape(batch, length, 3, self.heads, self.size).permute(2, 0, 3, 1, 4)
        scores = (parts[0] @ parts[1].transpose(-1, -2) * self.size**-0.5).softmax(-1)
        x = x + self.out((scores @ parts[2]).transpose(1, 2).reshape(batch, length, width))
        return x + self.feed(self.two(x))


def exported(make: Callable[[], nn.Module], shape: tuple[int, ...], dynamo: bool = False) -> bytes:
    """The module as an ONNX file whose weights are said to lie in another file, which there is not.

    With `dynamo` nothing is computed and no weight has memory. The older exporter runs the module; of its weights,
    which it must tell apart, only the first elements are written to.
    """
    with warnings.catch_warnings(), torch.no_grad(), torch.device("meta"):
        warnings.simplefilter("ignore")
        module = make().eval()
        if dynamo:
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            program = torch.onnx.export(module, (torch.empty(shape),), dynamo=True, verbose=False, optimize=False)
            return _without_payloads(program)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        module.to_empty(device="cpu")
        for number, weight in enumerate(module.state_dict().values()):
            weight.view(-1)[0] = number  # equal weights would become one
        file = io.BytesIO()
        torch.onnx.export(
            module, (torch.zeros(shape),), file, dynamo=False, do_constant_folding=False, export_params=False
        )
    model = onnx.load_from_string(file.getvalue())
    weights = module.state_dict()
    for info in [info for info in model.graph.input if info.name in weights]:
        model.graph.input.remove(info)
        tensor = model.graph.initializer.add(name=info.name, data_type=info.type.tensor_type.elem_type)
        tensor.dims.extend(weights[info.name].shape)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights.bin")
    return model.SerializeToString()


def _without_payloads(program) -> bytes:
    import onnx_ir

    for name, value in program.model.graph.initializers.items():
        tensor = value.const_value
        if tensor.size > 1024 or tensor.dtype.is_floating_point():
            elsewhere = onnx_ir.ExternalTensor(
                "weights.bin", 0, tensor.nbytes, tensor.dtype, shape=tensor.shape, name=name
            )
            program.model.graph.initializers[name].const_value = elsewhere
    return onnx_ir.to_proto(program.model).SerializeToString()
