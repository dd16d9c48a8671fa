"""Small models in the shapes that PyTorch's users give them; only for processes that have torch."""

# mypy: allow-subclassing-any
# (torch's own types are not read here, so that its modules are of any type)

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody gives it
from torch import Tensor, nn
from torch.nn.utils import parametrizations

Row = tuple[str, Any, tuple[int, ...], tuple[tuple[int, ...], ...], dict[str, Any]]


class UNet(nn.Module):
    """Two levels, batch norm, transposed convolutions, skips."""

    def __init__(self, width: int = 4, *, normed: bool = True) -> None:
        super().__init__()
        self.enc1, self.enc2 = self.block(3, width, normed), self.block(width, 2 * width, normed)
        self.pool = nn.MaxPool2d(2)
        self.middle = self.block(2 * width, 2 * width, normed)
        self.up2 = nn.ConvTranspose2d(2 * width, 2 * width, 2, stride=2)
        self.dec2 = self.block(4 * width, width, normed)
        self.up1 = nn.ConvTranspose2d(width, width, 4, stride=2, padding=1)
        self.head = nn.Conv2d(2 * width, 5, 1)
        self.drop = nn.Dropout2d(0.3)

    @staticmethod
    def block(few: int, many: int, normed: bool) -> nn.Sequential:
        norm = [nn.BatchNorm2d(many)] if normed else []
        return nn.Sequential(nn.Conv2d(few, many, 3, padding=1), *norm, nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        one = self.enc1(x)
        two = self.enc2(self.pool(one))
        deep = self.drop(self.middle(self.pool(two)))
        back = self.dec2(torch.cat([self.up2(deep), two], dim=1))
        result: Tensor = self.head(torch.cat([self.up1(back), one], dim=1))
        return result


def dcgan() -> nn.Sequential:
    """Noise of 100 numbers to 64 × 64."""
    steps: list[nn.Module] = []
    widths = (100, 8, 6, 4, 4)
    for index, (few, many) in enumerate(pairwise(widths)):
        stride, margin = (1, 0) if index == 0 else (2, 1)
        steps += [
            nn.ConvTranspose2d(few, many, 4, stride, margin, bias=False),
            nn.BatchNorm2d(many),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*steps, nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1, bias=False), nn.Tanh())


class Residual(nn.Module):
    """Dilated convolutions with weight norm, each added to its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList(
            parametrizations.weight_norm(nn.Conv1d(width, width, 3, dilation=d, padding=d)) for d in (1, 3, 5)
        )

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = step(F.leaky_relu(x, 0.1)) + x
        return x


class Vocoder(nn.Module):
    """HiFi-GAN in small: upsampling by transposed convolutions, residual blocks averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.pre = nn.Conv1d(8, 8, 7, padding=3)
        self.ups = nn.ModuleList(
            parametrizations.weight_norm(nn.ConvTranspose1d(8 // 2**i, 4 // 2**i, k, u, (k - u) // 2))
            for i, (u, k) in enumerate(((8, 16), (4, 8)))
        )
        self.blocks = nn.ModuleList(nn.ModuleList(Residual(4 // 2**i) for _ in range(2)) for i in range(2))
        self.post = nn.Conv1d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pre(x)
        for up, blocks in zip(self.ups, self.blocks, strict=True):
            x = up(F.leaky_relu(x, 0.1))
            x = sum(block(x) for block in blocks) / len(blocks)
        return torch.tanh(self.post(F.leaky_relu(x)))


class NNUNet(nn.Module):
    """3-D, instance norm, strided convolutions down; output padding where a level is odd."""

    def __init__(self, extra: tuple[int, int, int] = (0, 0, 0)) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.InstanceNorm3d(4, affine=True), nn.LeakyReLU(0.01))
        self.down = nn.Sequential(nn.Conv3d(4, 6, 2, stride=2), nn.InstanceNorm3d(6, affine=True), nn.LeakyReLU(0.01))
        self.up = nn.ConvTranspose3d(6, 4, 2, stride=2, output_padding=extra, bias=False)
        self.head = nn.Conv3d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.one(x)
        result: Tensor = self.head(torch.cat((self.up(self.down(one)), one), 1))
        return result


class FCN8(nn.Module):
    """Scores of three levels, upsampled, cropped to each other and added."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = (
            nn.Conv2d(3, 4, 3, padding=10),
            nn.Conv2d(4, 4, 3, padding=1),
            nn.Conv2d(4, 4, 3),
        )
        self.pool = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.up2 = nn.ConvTranspose2d(4, 4, 4, 2, bias=False)
        self.up8 = nn.ConvTranspose2d(4, 4, 16, 8, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        one = self.pool(F.relu(self.one(x)))
        two = self.pool(F.relu(self.two(one)))
        up = self.up2(self.three(self.pool(two)))
        two = two[:, :, 1 : 1 + up.size(2), 1 : 1 + up.size(3)]
        up = self.up8(up + two)
        return up[:, :, 9 : 9 + x.size(2), 9 : 9 + x.size(3)].contiguous()


class Sized(nn.Module):
    """A transposed convolution that is told its output's size, here an odd one."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 4, 3, 2, 1), nn.ConvTranspose2d(4, 3, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.up(self.down(x), output_size=x.shape[2:]) * x
        return result


class Projected(nn.Module):
    """A linear layer, reshaped to features, with a classifier behind."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(6, 4 * 3 * 5)
        self.up = nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1, groups=1)
        self.out = nn.Linear(3 * 6 * 10, 7, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.up(self.project(x).view(-1, 4, 3, 5))
        return y, self.out(torch.flatten(y, 1))


class Functional(nn.Module):
    """Calls of torch.nn.functional with parameters of the module's own."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(4, 2, 3, 3))
        self.v = nn.Parameter(torch.zeros(4, 3, 3, 2))
        self.register_buffer("scale", torch.tensor([1.0, -2.0, 3.0]).view(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(F.pad(x, (1, 0, 2, 1)), self.w, None, stride=(2, 1), groups=2)
        x = F.conv_transpose2d(F.relu(x), self.v, stride=2, dilation=(1, 2), padding=(0, 1), output_padding=(1, 0))
        x = F.pad(x, (-1, 2, 0, -2)) * self.get_buffer("scale") - 1
        return F.max_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3, 2, 1) + F.avg_pool2d(2 * x, 1, 2).amax(
            (2, 3), keepdim=True
        )


class Twice(nn.Module):
    """One convolution that is called twice, and changes in place that another value sees."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 4, 3, padding="same", padding_mode="replicate")

    def forward(self, x: Tensor) -> Tensor:
        a = self.conv(x)
        b = F.relu_(a)  # a is this too, from now on
        a = a + self.conv(b)
        a += 1
        return torch.maximum(a, b) * b


class Upsampled(nn.Module):
    """Both kinds of upsampling, a fused head, global pooling and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.near, self.smooth = nn.Upsample(scale_factor=2), nn.Upsample(scale_factor=(2, 3), mode="bilinear")
        self.conv, self.mix = nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.Conv2d(4, 4, 1, groups=4)
        self.norm, self.head = nn.GroupNorm(2, 4), nn.Linear(4, 3)
        self.spectral = parametrizations.spectral_norm(nn.Conv2d(4, 4, 3, padding=1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.smooth(F.silu(self.conv(self.near(x))))
        x = self.spectral(F.gelu(self.norm(x))) + F.elu(self.mix(x))
        score = self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return torch.softmax(x, 1), score


class Elementwise(nn.Module):
    """Every activation."""

    def forward(self, x: Tensor) -> Tensor:
        x = x / 2
        parts = [F.selu(x), F.celu(x, 0.7), F.gelu(x, approximate="tanh"), torch.sigmoid(x), F.softplus(x)]
        parts += [F.hardswish(x), F.hardsigmoid(x), F.hardtanh(x), F.relu6(x), F.mish(x), F.logsigmoid(x)]
        parts += [F.softshrink(x), F.hardshrink(x), torch.exp(x), x.clamp(min=0), -x, 1 - x, x - 3]
        return torch.cat(parts, 1)


class Permuted(nn.Module):
    """ConvNeXt's linear layers on the last axis, and a flattening with the channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.inner = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 5)
        self.last = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.conv(x).permute(0, 2, 3, 1)
        x = self.last(F.relu(self.inner(x)))
        return x.permute(0, 3, 1, 2), x.reshape(x.shape[0], -1)


class Decomposed(nn.Module):
    """A program lowered to the core operators: ``convolution``, ``addmm`` and the like."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.head = UNet(2), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.net(x)
        result: Tensor = self.head(y.mean((2, 3)))
        return result


def ZOO() -> list[Row]:  # noqa: N802 - a table that needs torch
    """Name, module, exported shape, asked shapes, further words."""
    planes = ((1, 3, 16, 24), (4, 3, 32, 8))
    return [
        ("unet", UNet(), (2, 3, 16, 24), planes, {}),
        ("unet_exact", UNet(2, normed=False), (2, 3, 16, 24), planes, {"exact": True}),
        ("lowered", Decomposed(), (2, 3, 16, 24), planes, {"lowered": True}),
        ("dcgan", dcgan(), (2, 100, 1, 1), ((1, 100, 1, 1), (4, 100, 1, 1)), {}),
        ("vocoder", Vocoder(), (2, 8, 12), ((1, 8, 12), (4, 8, 7)), {}),
        ("nnunet", NNUNet(), (2, 1, 8, 6, 4), ((1, 1, 8, 6, 4), (4, 1, 4, 4, 10)), {}),
        ("nnunet_odd", NNUNet((1, 0, 1)), (2, 1, 9, 6, 7), ((1, 1, 9, 6, 7), (4, 1, 9, 6, 7)), {}),
        ("fcn8", FCN8(), (1, 3, 33, 40), ((1, 3, 33, 40),), {"exact": True, "free": False}),
        ("sized", Sized(), (1, 3, 9, 12), ((1, 3, 9, 12),), {"exact": True, "free": False}),
        ("projected", Projected(), (2, 6), ((1, 6), (4, 6)), {"exact": True}),
        ("functional", Functional(), (2, 4, 9, 11), ((1, 4, 9, 11), (4, 4, 14, 8)), {"exact": True}),
        ("twice", Twice(), (2, 4, 9), ((1, 4, 9), (4, 4, 30)), {"exact": True}),
        ("upsampled", Upsampled(), (2, 3, 5, 6), ((1, 3, 5, 6), (4, 3, 8, 4)), {}),
        ("elementwise", Elementwise(), (2, 3, 5), ((1, 3, 5), (4, 3, 9)), {}),
        ("permuted", Permuted(), (2, 3, 5, 6), ((1, 3, 5, 6), (4, 3, 8, 4)), {"exact": True}),
    ]
