"""The workloads' models and optimizers in PyTorch, layer for layer those of nn/models.h and optim/."""

import torch
from torch import nn
from torch.nn.functional import pad, relu


def multilayer(*sizes):
    layers = [nn.Flatten()]
    for fan_in, fan_out in zip(sizes, sizes[1:]):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def lenet():
    features = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    features += [nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*features, multilayer(400, 120, 84, 10))


def small_cnn():
    layers = []
    for i, (channels_in, channels_out) in enumerate([(1, 32), (32, 32), (32, 64), (64, 64)]):
        layers += [nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.BatchNorm2d(channels_out), nn.ReLU()]
        if i % 2 == 1:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 7 * 7, 10))


def convolution(channels_in, channels_out, stride=1, kernel=3):
    return nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False)


class BasicBlock(nn.Module):
    """Residual block of ResNet-20; the shortcut has no parameters."""

    def __init__(self, channels_in, channels_out, stride):
        super().__init__()
        self.conv1, self.bn1 = convolution(channels_in, channels_out, stride), nn.BatchNorm2d(channels_out)
        self.conv2, self.bn2 = convolution(channels_out, channels_out), nn.BatchNorm2d(channels_out)
        self.stride, self.missing = stride, channels_out - channels_in

    def forward(self, x):
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        if self.missing:
            half = self.missing // 2
            x = pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.missing - half))
        return relu(x + y)


class WideBlock(nn.Module):
    """Pre-activation block of a wide residual network."""

    def __init__(self, channels_in, channels_out, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(channels_in), convolution(channels_in, channels_out, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(channels_out), convolution(channels_out, channels_out)
        changes = stride != 1 or channels_in != channels_out
        self.shortcut = convolution(channels_in, channels_out, stride, kernel=1) if changes else None

    def forward(self, x):
        h = relu(self.bn1(x))
        y = self.conv2(relu(self.bn2(self.conv1(h))))
        return y + (x if self.shortcut is None else self.shortcut(h))


def stages(block, blocks, widths):
    layers, channels_in = [], 16
    for width, stride in zip(widths, (1, 2, 2)):
        for i in range(blocks):
            layers.append(block(channels_in, width, stride if i == 0 else 1))
            channels_in = width
    return layers


def head(channels):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]


def resnet20():
    stem = [convolution(3, 16), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*stem, *stages(BasicBlock, 3, (16, 32, 64)), *head(64))


def wide_resnet16_4():
    blocks = stages(WideBlock, 2, (64, 128, 256))
    return nn.Sequential(convolution(3, 16), *blocks, nn.BatchNorm2d(256), nn.ReLU(), *head(256))


class VisionTransformer(nn.Module):
    """Patches as tokens; the mean of all tokens is classified."""

    def __init__(self, patch, width, depth, heads):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.positions = nn.Parameter(0.02 * torch.randn((32 // patch) ** 2, width))
        block = [width, heads, 4 * width, 0.0, "gelu"]
        self.blocks = nn.Sequential(
            *[nn.TransformerEncoderLayer(*block, batch_first=True, norm_first=True) for _ in range(depth)]
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        return self.head(self.norm(self.blocks(tokens)).mean(1))


WORKLOADS = {  # name: (model, one image, batch)
    "mlp": (lambda: multilayer(784, 256, 128, 10), (1, 28, 28), 128),
    "mlp_big": (lambda: multilayer(784, 1024, 1024, 10), (1, 28, 28), 128),
    "lenet": (lenet, (1, 28, 28), 128),
    "cnn": (small_cnn, (1, 28, 28), 128),
    "resnet20": (resnet20, (3, 32, 32), 128),
    "wrn16-4": (wide_resnet16_4, (3, 32, 32), 64),
}
CONVOLUTIONAL = {"lenet", "cnn", "resnet20", "wrn16-4"}


def workload(name):
    """Model builder, image and batch of a name; "mlp:WIDTH,..." has hidden layers of these widths, and
    "vit:PATCH,WIDTH,DEPTH,HEADS" is a vision transformer of that size."""
    if name.startswith("mlp:"):
        widths = [int(width) for width in name[4:].split(",")]
        return (lambda: multilayer(784, *widths, 10)), (1, 28, 28), 128
    if name.startswith("vit:"):
        size = [int(number) for number in name[4:].split(",")]
        return (lambda: VisionTransformer(*size)), (3, 32, 32), 64
    return WORKLOADS[name]


class SAM:
    """Two gradients a step: the second at w + rho g / |g|, applied by the base at w."""

    def __init__(self, parameters, base, rho=0.05):
        self.parameters, self.base, self.rho = parameters, base, rho

    def step(self, gradient):
        loss = gradient()
        with torch.no_grad():
            gradients = [p.grad for p in self.parameters]
            scale = self.rho / (torch.stack(torch._foreach_norm(gradients)).norm() + 1e-12)
            clean = [p.clone() for p in self.parameters]
            torch._foreach_add_(self.parameters, [g * scale for g in gradients])
        gradient()
        with torch.no_grad():
            for p, w in zip(self.parameters, clean):
                p.copy_(w)
        self.base.step()
        return loss


class MSAM:
    """One gradient a step, taken at w - rho v / |v| for the velocity v of the base, which is applied at w."""

    def __init__(self, parameters, base, rho=0.05):
        self.parameters, self.base, self.rho = parameters, base, rho

    def step(self, gradient):
        velocity = [self.base.state[p].get("momentum_buffer") for p in self.parameters]
        if velocity[0] is None:
            loss = gradient()
        else:
            with torch.no_grad():
                back = self.move(velocity)
            loss = gradient()
            with torch.no_grad():
                back()
        self.base.step()
        return loss

    def move(self, velocity):
        """Moves the parameters ahead, and returns what moves them back."""
        scale = self.rho / (torch.stack(torch._foreach_norm(velocity)).norm().item() + 1e-12)
        torch._foreach_add_(self.parameters, velocity, alpha=-scale)
        return lambda: torch._foreach_add_(self.parameters, velocity, alpha=scale)


class Plain:
    def __init__(self, base):
        self.base = base

    def step(self, gradient):
        loss = gradient()
        self.base.step()
        return loss


def make_optimizer(name, model, fused=None):
    """One interface for all: step(gradient), where gradient() runs forward and backward and returns the loss. `fused`
    is PyTorch's: one kernel for the whole update."""
    parameters = list(model.parameters())
    if name == "sgd":
        return Plain(torch.optim.SGD(parameters, lr=0.01, fused=fused))
    if name == "adam":
        return Plain(torch.optim.Adam(parameters, lr=1e-3, fused=fused))
    base = torch.optim.SGD(
        parameters, lr=0.01, momentum=0.9, weight_decay=5e-4, nesterov=name == "nesterov", fused=fused
    )
    if name == "sam":
        return SAM(parameters, base)
    if name == "msam":
        return MSAM(parameters, base)
    return Plain(base)
