"""PyTorch modules of many kinds, as people write them, each with the sizes of one example."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Functional(nn.Module):
    """Modules for the weights, functions and methods for everything else."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2 = nn.Linear(16 * 5 * 5, 20), nn.Linear(20, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = x.view(x.size(0), -1)
        x = F.dropout(self.fc1(x).relu(), 0.2, self.training)
        return F.softmax(self.fc2(x), dim=1)


class Autoencoder(nn.Module):
    """To a code and back: the Linear before the image has its units in the image's order."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(4, 6, 3, stride=2, padding=1),
            nn.ReLU(), nn.Flatten(), nn.Linear(6 * 7 * 7, 5),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(5, 6 * 7 * 7), nn.ReLU(), nn.Dropout(0.1), nn.Unflatten(1, (6, 7, 7)),
            nn.ConvTranspose2d(6, 4, 4, stride=2, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(4, 1, 3, stride=2, padding=1, output_padding=1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x):
        return self.decoder(self.encoder(x))


class UNet(nn.Module):
    """Two levels with skips, transposed convolutions up, and a crop."""

    def __init__(self):
        super().__init__()
        self.down1, self.down2 = self.block(2, 4), self.block(4, 8)
        self.pool, self.middle = nn.MaxPool2d(2), self.block(8, 8)
        self.up2, self.up1 = nn.ConvTranspose2d(8, 8, 2, stride=2), nn.Upsample(scale_factor=2, mode="bilinear")
        self.level2, self.level1, self.out = self.block(16, 4), self.block(8, 4), nn.Conv2d(4, 3, 1)

    def block(self, given, made):
        return nn.Sequential(
            nn.Conv2d(given, made, 3, padding="same"),
            nn.ReLU(inplace=True),
            nn.Conv2d(made, made, 3, padding=1),
            nn.GELU(),
        )

    def forward(self, x):
        one = self.down1(x)
        two = self.down2(self.pool(one))
        x = self.up2(self.middle(self.pool(two)))
        x = self.level2(torch.cat([two, x], dim=1))
        x = self.up1(x)
        assert x.shape[2:] == one.shape[2:]
        return self.out(self.level1(torch.cat((one, x), 1)))[:, :, 1:-1, 2:]


class SegNet(nn.Module):
    """Pools give their switches to the unpools, also of odd sizes."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        self.pool = nn.MaxPool2d(2, 2, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2, 2)
        self.conv3, self.conv4 = nn.Conv2d(6, 4, 3, padding=1), nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, x):
        x = self.conv1(x)
        a, one = self.pool(x)
        y = self.conv2(a)
        b, two = self.pool(y)
        z = self.conv3(self.unpool(b, two, output_size=y.size()))
        return self.conv4(self.unpool(z, one, output_size=x.size()))


class Residual(nn.Module):
    """The stem of ResNet, a block with a shortcut, and a mean over the plane."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.conv1, self.conv2 = nn.Conv2d(8, 8, 3, 1, 1, groups=4), nn.Conv2d(8, 8, 3, 1, 2, dilation=2)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.stem(x)
        y = self.conv2(F.elu(self.conv1(x)))
        y += x
        return self.head(F.relu(y).mean(dim=(2, 3)))


class Subpixel(nn.Module):
    """Frames, means with counted zeros, a shuffle, tanh."""

    def __init__(self):
        super().__init__()
        self.pad, self.conv = nn.ZeroPad2d((1, 2, 0, 1)), nn.Conv2d(1, 8, 3)
        self.pool, self.shuffle = nn.AvgPool2d(3, 2, 1), nn.PixelShuffle(2)

    def forward(self, x):
        x = self.shuffle(F.softplus(self.conv(self.pad(x))))
        return torch.tanh(F.pad(self.pool(x), (0, -1, -1, 2)))


class Turned(nn.Module):
    """Channels last inside, as in ConvNeXt: a Linear at every position."""

    def __init__(self):
        super().__init__()
        self.conv, self.wide, self.narrow = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 8), nn.Linear(8, 4)

    def forward(self, x):
        x = self.conv(x)
        y = self.narrow(F.gelu(self.wide(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)
        return x + y


class Tokens(nn.Module):
    """Positions in a list and back."""

    def __init__(self):
        super().__init__()
        self.patch, self.mix = nn.Conv2d(1, 4, 2, stride=2), nn.Linear(4, 4)

    def forward(self, x):
        x = self.patch(x)
        rows = self.mix(x.flatten(2).transpose(1, 2))
        return rows.transpose(1, 2).reshape(x.shape[0], 4, x.shape[2], x.shape[3])


class Shared(nn.Module):
    """One layer twice, and a second module of the same kind; two inputs and two outputs."""

    def __init__(self):
        super().__init__()
        self.same, self.other = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, left, right):
        x = torch.sigmoid(self.same(left)) + torch.sigmoid(self.same(right))
        return x, {"pooled": F.adaptive_max_pool2d(self.other(x), 1).squeeze(-1).squeeze(-1)}["pooled"]


class Joined(nn.Module):
    """Two flattened images in a row, for one Linear."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 3, 4, stride=2)
        self.head = nn.Linear(2 * 6 * 6 + 3 * 3 * 3, 5)

    def forward(self, x):
        return self.head(torch.cat([self.one(x).flatten(1), self.two(x).flatten(1)], dim=-1))


class Normed(nn.Module):
    """Weights that are computed from other weights."""

    def __init__(self):
        super().__init__()
        self.first = nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 3, 3))
        self.matrix = nn.Parameter(torch.randn(4, 3))

    def forward(self, x):
        return self.first(x).amax((2, 3)) @ self.matrix.T


class Normalised(nn.Module):
    """Batch normalisation behind every kind of layer with weights."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.up = nn.Sequential(
            nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2), nn.BatchNorm2d(6, affine=False), nn.ReLU()
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(6 * 10 * 8, 5), nn.BatchNorm1d(5))
        for part in self.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)
                if part.affine:
                    nn.init.normal_(part.weight)
                    nn.init.normal_(part.bias)

    def forward(self, x):
        return self.head(self.up(self.down(x)))


class Attributes(nn.Module):
    """A matrix that is an attribute and no parameter."""

    def __init__(self):
        super().__init__()
        self.matrix = torch.randn(7, 3)

    def forward(self, x):
        return torch.tanh(x @ (self.matrix * 2))


class Waves(nn.Module):
    """Causal, dilated convolutions of a sequence with residual connections, and a mean over its length."""

    def __init__(self):
        super().__init__()
        self.start = nn.Conv1d(2, 4, 1)
        self.layers = nn.ModuleList(nn.Conv1d(4, 4, 3, dilation=2**n) for n in range(3))
        self.out = nn.Linear(4, 3)

    def forward(self, x):
        x = self.start(x)
        for n, layer in enumerate(self.layers):
            x = x + torch.tanh(layer(F.pad(x, (2 * 2**n, 0))))
        return self.out(x.mean(-1))


class SignalAutoencoder(nn.Module):
    """A sequence to a code and back, the code's Linear in the order of a sequence."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv1d(2, 4, 5, stride=2, padding=2), nn.ReLU(), nn.MaxPool1d(3, 2, 1), nn.Conv1d(4, 6, 3), nn.ReLU(),
            nn.AvgPool1d(2), nn.Flatten(), nn.Linear(6 * 4, 3),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(3, 6 * 5), nn.ReLU(), nn.Unflatten(1, (6, 5)), nn.ConvTranspose1d(6, 4, 4, 2, 1), nn.ReLU(),
            nn.Upsample(scale_factor=2), nn.ConvTranspose1d(4, 2, 3, 2, 1, 1),
        )  # fmt: skip

    def forward(self, x):
        return self.decoder(self.encoder(x))[:, :, 1:-1]


class Volumes(nn.Module):
    """Convolutions and pools of a volume, flattened; and a transposed one."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool3d((1, 2, 2)))
        self.deep = nn.Sequential(nn.Conv3d(4, 4, 2, groups=4), nn.ReLU())
        self.up, self.out = nn.ConvTranspose3d(4, 2, 2, stride=2), nn.Linear(4 * 3 * 2 * 3, 2)

    def forward(self, x):
        x = self.deep(self.down(x))
        return self.up(x), self.out(x.flatten(1)), x.mean((2, 3, 4))


def mobile(channels, filters, stride):
    """A depthwise convolution and one that mixes the channels, as in MobileNet."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
        nn.Conv2d(channels, filters, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(),
    )  # fmt: skip


MODULES = {
    "mlp": (lambda: nn.Sequential(nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, 3), nn.Softmax(-1)), (7,)),
    "rows": (lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(15, 2)), (5, 4)),
    "functional": (Functional, (1, 28, 28)),
    "autoencoder": (Autoencoder, (1, 28, 28)),
    "unet": (UNet, (2, 16, 12)),
    "segnet": (SegNet, (1, 11, 14)),
    "residual": (Residual, (3, 21, 32)),
    "subpixel": (Subpixel, (1, 6, 7)),
    "turned": (Turned, (3, 5, 6)),
    "tokens": (Tokens, (1, 6, 8)),
    "shared": (Shared, [(2, 5, 4), (2, 5, 4)]),
    "joined": (Joined, (1, 8, 8)),
    "normed": (Normed, (1, 7, 7)),
    "attributes": (Attributes, (7,)),
    "normalised": (Normalised, (2, 5, 4)),
    "image from a row": (lambda: nn.Sequential(nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 2, 3)), (16,)),
    "global": (
        lambda: nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)),
        (1, 6, 6),
    ),
    "adaptive": (lambda: nn.Sequential(nn.AdaptiveAvgPool2d((2, 3)), nn.AdaptiveMaxPool2d((1, 3))), (2, 8, 9)),
    "waves": (Waves, (2, 25)),
    "signals": (SignalAutoencoder, (2, 39)),
    "volumes": (Volumes, (1, 4, 6, 8)),
    "mobile": (lambda: nn.Sequential(mobile(3, 4, 1), mobile(4, 6, 2), nn.AdaptiveAvgPool2d(1)), (3, 9, 7)),
    "multiplied": (lambda: nn.Sequential(nn.Conv1d(3, 6, 4, 2, groups=3), nn.AdaptiveMaxPool1d(2)), (3, 10)),
    "ceil": (lambda: nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), nn.AvgPool2d(2, ceil_mode=True)), (2, 7, 9)),
}
"""A function that makes the module, and the sizes of its input."""
