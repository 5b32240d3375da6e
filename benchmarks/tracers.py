"""The peers of trace.py, each as somebody would use it, and the files that are traced.

trace.py runs this file: python benchmarks/tracers.py PEER CASE FOLDER prints one line of JSON: the parameters and
multiply-accumulates that the peer reports (null: it does not). PEER "files-torch" or "files-keras" writes the files.
"""

import contextlib
import io
import json
import os
import sys
import warnings
from typing import Any

sys.path[:] = [
    path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))
]
"""This folder holds a trace.py, which would be found in place of the standard library's."""

INPUTS = {"autoencoder": (1, 1, 28, 28), "resnet152": (1, 3, 224, 224), "convolution": (64, 3, 1920, 1080)}
"""Channels first, with the batch."""


# --- the networks in PyTorch ---


def torch_autoencoder() -> Any:
    from torch import nn

    def conv(a: int, b: int, pad: int = 1, last: bool = False) -> list[Any]:
        return [nn.Conv2d(a, b, 3, padding=pad), nn.Sigmoid() if last else nn.ReLU()]

    encoder = [*conv(1, 16), nn.MaxPool2d(2), *conv(16, 8), nn.MaxPool2d(2), *conv(8, 4)]
    encoder.append(nn.MaxPool2d(2, ceil_mode=True))
    decoder = [*conv(4, 4), nn.Upsample(scale_factor=2), *conv(4, 8), nn.Upsample(scale_factor=2)]
    return nn.Sequential(*encoder, *decoder, *conv(8, 16, 0), nn.Upsample(scale_factor=2), *conv(16, 1, last=True))


def torch_resnet152() -> Any:
    """ResNet-152 v1.5, as in torchvision: the stride in the 3×3."""
    from torch import nn

    class Bottleneck(nn.Module):
        def __init__(self, channels: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(4 * width)
            self.relu = nn.ReLU(inplace=True)
            self.downsample = None
            if stride > 1 or channels != 4 * width:
                shortcut = nn.Conv2d(channels, 4 * width, 1, stride, bias=False)
                self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(4 * width))

        def forward(self, x: Any) -> Any:
            made = self.relu(self.bn1(self.conv1(x)))
            made = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(made)))))
            return self.relu(made + (x if self.downsample is None else self.downsample(x)))

    stages: list[Any] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    stages.append(nn.MaxPool2d(3, 2, 1))
    channels = 64
    for stage, count in enumerate((3, 8, 36, 3)):
        for number in range(count):
            stages.append(Bottleneck(channels, 64 << stage, 2 if stage and not number else 1))
            channels = 4 * (64 << stage)
    return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


def torch_convolution() -> Any:
    from torch import nn

    return nn.Sequential(nn.Conv2d(3, 16, 5, 5, bias=False), nn.Flatten(), nn.Linear(384 * 216 * 16, 1, bias=False))


def torch_model(case: str) -> Any:
    return globals()[f"torch_{case}"]().eval()


# --- the networks in Flax ---


def flax_model(case: str) -> Any:
    from flax import linen as nn

    def conv(x: Any, filters: int, name: str, kernel: int = 3, stride: int = 1, **told: Any) -> Any:
        return nn.Conv(filters, (kernel, kernel), stride, name=name, **told)(x)

    class Bottleneck(nn.Module):
        width: int
        stride: int

        @nn.compact
        def __call__(self, x: Any) -> Any:
            def norm(x: Any, name: str) -> Any:
                return nn.BatchNorm(use_running_average=True, name=name)(x)

            y = nn.relu(norm(conv(x, self.width, "conv1", 1, use_bias=False), "bn1"))
            y = conv(y, self.width, "conv2", 3, self.stride, padding=1, use_bias=False)
            y = norm(conv(nn.relu(norm(y, "bn2")), 4 * self.width, "conv3", 1, use_bias=False), "bn3")
            if x.shape != y.shape:
                x = norm(conv(x, 4 * self.width, "shortcut", 1, self.stride, use_bias=False), "shortcut_bn")
            return nn.relu(y + x)

    class Resnet(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            x = conv(x, 64, "conv1", 7, 2, padding=3, use_bias=False)
            x = nn.relu(nn.BatchNorm(use_running_average=True, name="bn1")(x))
            x = nn.max_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)))
            for stage, count in enumerate((3, 8, 36, 3)):
                for number in range(count):
                    x = Bottleneck(64 << stage, 2 if stage and not number else 1, name=f"block{stage}_{number}")(x)
            return nn.Dense(1000, name="fc")(x.mean(axis=(1, 2)))

    class Convolution(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            x = conv(x, 16, "conv", 5, 5, padding="VALID", use_bias=False)
            return nn.Dense(1, use_bias=False, name="dense")(x.reshape(x.shape[0], -1))

    class Autoencoder(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            import jax

            for number, filters in enumerate((16, 8, 4)):
                x = nn.max_pool(nn.relu(conv(x, filters, f"conv{number}")), (2, 2), (2, 2), "SAME")
            for number, (filters, padding) in enumerate(((4, "SAME"), (8, "SAME"), (16, "VALID"))):
                x = nn.relu(conv(x, filters, f"back{number}", padding=padding))
                x = jax.numpy.repeat(jax.numpy.repeat(x, 2, axis=1), 2, axis=2)
            return nn.sigmoid(conv(x, 1, "last"))

    return {"resnet152": Resnet, "convolution": Convolution, "autoencoder": Autoencoder}[case]()


def channels_last(case: str) -> tuple[int, ...]:
    batch, channels, *spatial = INPUTS[case]
    return (batch, *spatial, channels)


# --- the networks in Keras ---


def keras_model(case: str) -> Any:
    import keras
    from keras import layers

    if case == "resnet152":
        return keras.applications.ResNet152(weights=None)
    if case == "convolution":
        stages: list[Any] = [layers.Conv2D(16, 5, strides=5, use_bias=False), layers.Flatten()]
        return keras.Sequential([layers.Input((1920, 1080, 3)), *stages, layers.Dense(1, use_bias=False)])

    def conv(filters: int, padding: str = "same", activation: str = "relu") -> Any:
        return layers.Conv2D(filters, 3, padding=padding, activation=activation)

    def pool() -> Any:
        return layers.MaxPooling2D(2, padding="same")

    encoder = [conv(16), pool(), conv(8), pool(), conv(4), pool()]
    decoder = [
        conv(4),
        layers.UpSampling2D(),
        conv(8),
        layers.UpSampling2D(),
        conv(16, "valid"),
        layers.UpSampling2D(),
    ]
    return keras.Sequential([layers.Input((28, 28, 1)), *encoder, *decoder, conv(1, activation="sigmoid")])


# --- the peers ---


def torchinfo(case: str, folder: str) -> tuple[int | None, int | None]:
    import torchinfo

    told = torchinfo.summary(torch_model(case), input_size=INPUTS[case], verbose=0, device="cpu")
    str(told)  # the table
    return told.total_params, told.total_mult_adds


def layerscope(case: str, folder: str) -> tuple[int | None, int | None]:
    import layerscope as ls

    told = ls.trace(torch_model(case), input=INPUTS[case])
    str(told)  # the table
    return told.totals["parameters"], told.totals["macs"]


def layerscope_meta(case: str, folder: str) -> tuple[int | None, int | None]:
    import torch

    import layerscope as ls

    with torch.device("meta"):
        model = torch_model(case)
    told = ls.trace(model, input=INPUTS[case])
    str(told)  # the table
    return told.totals["parameters"], told.totals["macs"]


def layerscope_flax(case: str, folder: str) -> tuple[int | None, int | None]:
    import layerscope as ls

    told = ls.trace(flax_model(case), input=channels_last(case))
    str(told)  # the table
    return told.totals["parameters"], told.totals["macs"]


def flax_tabulate(case: str, folder: str) -> tuple[int | None, int | None]:
    """Flax takes an array. What it states of operations, XLA's count, is in the first row, that of the whole."""
    import re

    import jax

    image = jax.numpy.zeros(channels_last(case))
    told = flax_model(case).tabulate(jax.random.key(0), image, compute_flops=True, console_kwargs={"width": 200})
    told = re.sub(r"\x1b\[[\d;]*m", "", told)
    rows = [[cell.strip() for cell in line.split("│")] for line in told.splitlines() if line.startswith("│")]
    parameters = re.search(r"Total Parameters: ([\d,]+)", told)
    whole = next(int(row[5]) for row in rows if len(row) > 5 and row[5].isdigit())
    return int(parameters[1].replace(",", "")) if parameters else None, whole // 2


def torchlens(case: str, folder: str) -> tuple[int | None, int | None]:
    import torch
    import torchlens

    told = torchlens.trace(torch_model(case), torch.zeros(INPUTS[case]))
    return told.num_params, int(told.total_macs_forward)


def fvcore(case: str, folder: str) -> tuple[int | None, int | None]:
    import logging

    import torch
    from fvcore.nn import FlopCountAnalysis, flop_count_table, parameter_count

    logging.disable(logging.WARNING)
    model = torch_model(case)
    told = FlopCountAnalysis(model, torch.zeros(INPUTS[case]))
    flop_count_table(told)
    return parameter_count(model)[""], int(told.total())  # its flops are multiply-adds


def flop_counter(case: str, folder: str, device: str = "cpu") -> tuple[int | None, int | None]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device(device):
        model, image = torch_model(case), torch.zeros(INPUTS[case])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    return sum(p.numel() for p in model.parameters()), counter.get_total_flops() // 2


def flop_counter_meta(case: str, folder: str) -> tuple[int | None, int | None]:
    return flop_counter(case, folder, "meta")


def keras_summary(case: str, folder: str) -> tuple[int | None, int | None]:
    return _summary(keras_model(case))


def keras_file(case: str, folder: str) -> tuple[int | None, int | None]:
    import keras

    return _summary(keras.models.load_model(os.path.join(folder, f"{case}.keras"), compile=False))


def _summary(model: Any) -> tuple[int | None, int | None]:
    model.summary(print_fn=lambda text, **_: None)
    return model.count_params(), None


def onnx_tool(case: str, folder: str) -> tuple[int | None, int | None]:
    import onnx_tool

    graph = onnx_tool.Model(os.path.join(folder, f"{case}.onnx")).graph
    graph.shape_infer()
    graph.profile()
    return int(graph.params), int(graph.macs[0])


# --- the files ---


def files_torch(case: str, folder: str) -> tuple[int | None, int | None]:
    """The ONNX file, batch normalisation not folded into the convolutions; what its initializers hold."""
    import onnx
    import torch

    model, (batch, *shape) = torch_model(case), INPUTS[case]
    with torch.no_grad():  # no two tensors alike: equal ones would be written once
        for tensor in [*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())]:
            tensor.uniform_(0.5, 1.5)
    path = os.path.join(folder, f"{case}.onnx")
    kept = torch.onnx.TrainingMode.PRESERVE
    torch.onnx.export(
        model,
        (torch.zeros(1, *shape),),
        path,
        dynamo=False,
        do_constant_folding=False,
        training=kept,
        input_names=["x"],
    )
    made = onnx.load(path)
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    del made.graph.output[0].type.tensor_type.shape.dim[:]
    made = onnx.shape_inference.infer_shapes(made)
    onnx.save(made, path)
    floats = [row for row in made.graph.initializer if row.data_type == onnx.TensorProto.FLOAT]
    return sum(_elements(row.dims) for row in floats), None


def _elements(shape: Any) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def files_keras(case: str, folder: str) -> tuple[int | None, int | None]:
    """The .keras archive; Keras's own count."""
    model = keras_model(case)
    model.save(os.path.join(folder, f"{case}.keras"))
    return model.count_params(), None


def main(peer: str, case: str, folder: str) -> None:
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(io.StringIO()):
        parameters, macs = globals()[peer.replace("-", "_")](case, folder)
    print(json.dumps({"parameters": parameters, "macs": macs}))


if __name__ == "__main__":
    main(*sys.argv[1:4])
