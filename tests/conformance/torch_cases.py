"""Networks and modules of PyTorch to be traced as they are, with what is right to report of them."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from . import torch_networks as networks

IMAGE = (1, 3, 224, 224)
SMALL = (1, 4, 8, 8)


class Attention(nn.Module):
    """Causal self-attention of several heads by PyTorch's own function."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        batch, length, width = x.shape
        parts = [part.view(batch, length, self.heads, -1).transpose(1, 2) for part in self.project(x).chunk(3, -1)]
        made = functional.scaled_dot_product_attention(*parts, is_causal=True)
        return self.out(made.transpose(1, 2).reshape(batch, length, width))


class Layer(nn.Module):
    """A block of a transformer, normalised before."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.attention = Attention(width, heads)
        self.one, self.two = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.attention(self.one(x))
        return x + self.feed(self.two(x))


class Decoder(nn.Module):
    """A language model: a table of words that is the output head, too, learned positions, and blocks."""

    def __init__(self, words: int = 1000, width: int = 64, depth: int = 3, heads: int = 4):
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(128, width)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, words, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids):
        x = self.words(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))


def decoder_macs(length: int, words: int, width: int, depth: int) -> int:
    layer = length * width * width * (3 + 1 + 8) + 2 * length * length * width
    return depth * layer + length * width * words


class Vision(nn.Module):
    """A vision transformer on PyTorch's own encoder."""

    def __init__(self, size: int = 32, patch: int = 8, width: int = 64, depth: int = 2):
        super().__init__()
        self.cut = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(torch.zeros(1, (size // patch) ** 2 + 1, width))
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, batch_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, depth)
        self.head = nn.Linear(width, 10)

    def forward(self, image):
        x = self.cut(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.places
        return self.head(self.encoder(x)[:, 0])


def vision_macs(size: int = 32, patch: int = 8, width: int = 64, depth: int = 2) -> int:
    count = (size // patch) ** 2
    length = count + 1
    layer = length * width * width * (3 + 1 + 8) + 2 * length * length * width
    return count * 3 * patch**2 * width + depth * layer + width * 10


def resnet(counts, wide, early=False):
    return lambda: networks.resnet(counts, wide, early)


NETWORKS = {
    # how it is made, input, parameters, multiply-accumulates
    "ResNet-18": (resnet((2, 2, 2, 2), False), IMAGE, 11_689_512, 1_814_073_344),
    "ResNet-34": (resnet((3, 4, 6, 3), False), IMAGE, 21_797_672, 3_663_761_408),
    "ResNet-50": (resnet((3, 4, 6, 3), True), IMAGE, 25_557_032, 4_089_184_256),
    "ResNet-50 v1": (resnet((3, 4, 6, 3), True, True), IMAGE, 25_557_032, 3_857_973_248),
    "ResNet-101": (resnet((3, 4, 23, 3), True), IMAGE, 44_549_160, 7_801_405_440),
    "ResNet-152": (resnet((3, 8, 36, 3), True), IMAGE, 60_192_808, 11_513_626_624),
    "VGG-16": (networks.vgg16, IMAGE, 138_357_544, 15_470_264_320),
    "MobileNet": (networks.mobilenet, IMAGE, 4_231_976, 568_740_352),
    "LSTM": (lambda: nn.LSTM(32, 64, 2, batch_first=True), (2, 10, 32), 58_368, 1_146_880),
    "ViT": (Vision, (1, 3, 32, 32), None, vision_macs()),
    "decoder": (Decoder, ((1, 16), "int64"), None, decoder_macs(16, 1000, 64, 3)),
    "encoder": (networks.Encoder, (2, 10, 64), 49_984, 20 * 64 * 64 * 12 + 2 * 2 * 10 * 10 * 64),
}

DISAGREEMENTS = {
    # section 4 of numbers.md: how it is made, input, parameters (None: those of the module), multiply-accumulates
    "transposed convolution": (lambda: nn.ConvTranspose2d(8, 4, 4, 2, 1, bias=False), (1, 8, 8, 8), None, 32_768),
    "grouped transposed convolution": (
        lambda: nn.ConvTranspose2d(8, 8, 3, 2, groups=4, bias=False), (1, 8, 4, 4), None, 2_304
    ),
    "padding same": (lambda: nn.Conv2d(3, 16, 3, padding="same"), (8, 3, 32, 32), None, 3_538_944),
    "linear on three axes": (lambda: nn.Linear(64, 128), (2, 10, 64), None, 163_840),
    "embedding": (lambda: nn.Embedding(1000, 64), ((2, 10), "int64"), 64_000, 0),
    "lstm": (lambda: nn.LSTM(32, 64, 2), (2, 10, 32), None, 1_146_880),
    "multi-head attention": (
        lambda: nn.MultiheadAttention(64, 4, batch_first=True), [(2, 10, 64)] * 3, None, 353_280
    ),
}  # fmt: skip

MODULES = {
    # every module of torch.nn that works on tensors: how it is made, input, multiply-accumulates
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3, 2, 1, groups=2), (2, 4, 9), 2 * 5 * 6 * 2 * 3),
    "Conv2d": (lambda: nn.Conv2d(4, 6, (3, 2), dilation=2), SMALL, 4 * 6 * 6 * 4 * 6),
    "Conv3d": (lambda: nn.Conv3d(2, 3, 2), (1, 2, 4, 4, 4), 27 * 3 * 2 * 8),
    "Conv2d circular": (lambda: nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"), SMALL, 64 * 4 * 4 * 9),
    "Conv2d without a batch": (lambda: nn.Conv2d(4, 4, 3), (4, 8, 8), 36 * 4 * 4 * 9),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, 6, 3, 2, 1, 1), (2, 4, 9), 2 * 9 * 4 * 6 * 3),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(2, 3, 2), (1, 2, 4, 4, 4), 64 * 2 * 3 * 8),
    "Linear": (lambda: nn.Linear(8, 3, bias=False), SMALL, 32 * 8 * 3),
    "Bilinear": (lambda: nn.Bilinear(8, 6, 5), [(3, 8), (3, 6)], 3 * (8 * 5 * 6 + 5 * 6)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), (2, 4, 9), 0),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4, affine=False), SMALL, 0),
    "BatchNorm2d of the batch": (lambda: nn.BatchNorm2d(4, track_running_stats=False), SMALL, 0),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(4, affine=True), SMALL, 0),
    "InstanceNorm2d learned": (lambda: nn.InstanceNorm2d(4, track_running_stats=True), SMALL, 0),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), SMALL, 0),
    "LayerNorm": (lambda: nn.LayerNorm((8, 8)), SMALL, 0),
    "RMSNorm": (lambda: nn.RMSNorm(8), SMALL, 0),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(2), SMALL, 0),
    "MaxPool1d": (lambda: nn.MaxPool1d(2), (1, 4, 9), 0),
    "MaxPool2d": (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), SMALL, 0),
    "MaxPool3d": (lambda: nn.MaxPool3d(2, return_indices=True), (1, 2, 4, 4, 4), 0),
    "AvgPool2d": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True), SMALL, 0),
    "AvgPool3d": (lambda: nn.AvgPool3d(2), (1, 2, 4, 4, 4), 0),
    "LPPool2d": (lambda: nn.LPPool2d(2, 2), SMALL, 0),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((3, None)), SMALL, 0),
    "AdaptiveAvgPool1d": (lambda: nn.AdaptiveAvgPool1d(1), (1, 4, 9), 0),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d(3, return_indices=True), SMALL, 0),
    "Upsample": (lambda: nn.Upsample(scale_factor=2), SMALL, 0),
    "Upsample bilinear": (lambda: nn.Upsample(scale_factor=1.5, mode="bilinear"), SMALL, 0),
    "Upsample bicubic": (lambda: nn.Upsample(size=(5, 7), mode="bicubic", align_corners=True), SMALL, 0),
    "Upsample trilinear": (lambda: nn.Upsample(scale_factor=2, mode="trilinear"), (1, 2, 4, 4, 4), 0),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), SMALL, 0),
    "PixelUnshuffle": (lambda: nn.PixelUnshuffle(2), SMALL, 0),
    "ChannelShuffle": (lambda: nn.ChannelShuffle(2), SMALL, 0),
    "Fold": (lambda: nn.Fold((8, 8), 2, stride=2), (1, 8, 16), 0),
    "Unfold": (lambda: nn.Unfold(3), SMALL, 0),
    "ReflectionPad2d": (lambda: nn.ReflectionPad2d((1, 2, 3, 4)), SMALL, 0),
    "ReplicationPad1d": (lambda: nn.ReplicationPad1d(2), (1, 4, 9), 0),
    "ZeroPad2d": (lambda: nn.ZeroPad2d((1, -2, 3, 4)), SMALL, 0),
    "CircularPad2d": (lambda: nn.CircularPad2d(1), SMALL, 0),
    "Embedding": (lambda: nn.Embedding(10, 3), ((2, 4), "int64"), 0),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(10, 3), ((2, 4), "int64"), 0),
    "GRU": (lambda: nn.GRU(32, 12, 2, bidirectional=True), (7, 2, 32), 14 * 2 * 36 * (32 + 12 + 24 + 12)),
    "LSTM with projections": (
        lambda: nn.LSTM(32, 64, proj_size=16), (10, 2, 32), 20 * (4 * 64 * (32 + 16) + 64 * 16)
    ),
    "RNN": (lambda: nn.RNN(8, 5, nonlinearity="relu", bias=False), (7, 2, 8), 14 * 5 * 13),
    "LSTM without a batch": (lambda: nn.LSTM(8, 5), (7, 8), 7 * 20 * 13),
    "LSTMCell": (lambda: nn.LSTMCell(8, 5), (2, 8), 2 * 20 * 13),
    "GRUCell": (lambda: nn.GRUCell(8, 5), (2, 8), 2 * 15 * 13),
    "MultiheadAttention, three widths": (
        lambda: nn.MultiheadAttention(8, 2, kdim=6, vdim=4), [(5, 1, 8), (7, 1, 6), (7, 1, 4)],
        8 * (5 * 8 + 7 * 6 + 7 * 4 + 5 * 8) + 2 * 5 * 7 * 8,
    ),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(64, 4, 128, batch_first=True), (2, 10, 64), 353_280 + 2 * 20 * 64 * 128
    ),
    "TransformerDecoderLayer": (
        lambda: nn.TransformerDecoderLayer(64, 4, 128, batch_first=True), [(2, 10, 64), (2, 7, 64)],
        353_280 + 64 * 64 * (20 + 14 + 14 + 20) + 2 * 2 * 10 * 7 * 64 + 2 * 20 * 64 * 128,
    ),
    "weight norm": (lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3)), SMALL, 36 * 4 * 4 * 9),
    "CosineSimilarity": (nn.CosineSimilarity, [SMALL, SMALL], 0),
    "PairwiseDistance": (nn.PairwiseDistance, [(2, 8), (2, 8)], 0),
    "CrossEntropyLoss": (nn.CrossEntropyLoss, [(4, 10), ((4,), "int64")], 0),
    "MSELoss": (nn.MSELoss, [SMALL, SMALL], 0),
    "BCEWithLogitsLoss": (nn.BCEWithLogitsLoss, [SMALL, SMALL], 0),
    "L1Loss": (lambda: nn.L1Loss(reduction="none"), [SMALL, SMALL], 0),
    "PReLU": (lambda: nn.PReLU(4), SMALL, 0),
    "GLU": (lambda: nn.GLU(1), SMALL, 0),
    "Softmax": (lambda: nn.Softmax(1), SMALL, 0),
    "LogSoftmax": (lambda: nn.LogSoftmax(-1), SMALL, 0),
    "Softmin": (lambda: nn.Softmin(1), SMALL, 0),
    "Softmax2d": (nn.Softmax2d, SMALL, 0),
    "Flatten": (nn.Flatten, SMALL, 0),
    "Unflatten": (lambda: nn.Unflatten(1, (2, 2)), SMALL, 0),
    **{
        name: (getattr(nn, name), SMALL, 0)
        for name in (
            "ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "Sigmoid", "Tanh", "Softplus",
            "Softsign", "Hardtanh", "Hardswish", "Hardsigmoid", "LogSigmoid", "Tanhshrink", "Softshrink", "Hardshrink",
            "RReLU", "Dropout", "Dropout2d", "AlphaDropout",
        )
    },
}  # fmt: skip
