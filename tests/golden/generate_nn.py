#!/usr/bin/env python3
"""Writes the golden files of tests/nn (tests/data/nn/*.safetensors) with PyTorch: python3 tests/golden/generate_nn.py

NAME.safetensors      the state_dict before training, as a user of PyTorch would save it
NAME_run.safetensors  inputs, outputs, losses and gradients that minima must reproduce from it, in float64

exchange/NAME.safetensors      the state_dict of one of minima's models by name, in float32 (resnet20's is too large:
                               its weights follow a formula, and the run file has a hash of each tensor's bytes)
exchange/NAME_run.safetensors  images and the logits that PyTorch gives in eval mode
"""
import json
import pathlib
import struct

import torch
import torch.nn as nn
import torch.nn.functional as F

DATA = pathlib.Path(__file__).resolve().parent.parent / "data" / "nn"
TYPES = {torch.float64: "F64", torch.float32: "F32", torch.int64: "I64"}


def save_safetensors(path, tensors):
    header, blob = {}, b""
    for name, tensor in tensors.items():
        data = tensor.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)


def record_training(name, model, x, y, smoothing=0.0, steps=10, lr=0.1):
    """Gradients of the first step, then the losses of `steps` steps of plain SGD and the evaluation afterwards."""
    model = model.double()
    save_safetensors(DATA / f"{name}.safetensors", model.state_dict())
    run = {"x": x, "y": y, "losses": []}
    for step in range(steps):
        logits = model(x)
        loss = F.cross_entropy(logits, y, label_smoothing=smoothing)
        model.zero_grad()
        loss.backward()
        if step == 0:
            run["logits"] = logits.clone()
            run.update({f"grad.{key}": p.grad.clone() for key, p in model.named_parameters()})
        run["losses"].append(loss.detach())
        with torch.no_grad():
            for p in model.parameters():
                p -= lr * p.grad
    run["losses"] = torch.stack(run["losses"])
    run.update({f"trained.{key}": t for key, t in model.state_dict().items()})
    run["eval_logits"] = model.eval()(x)
    save_safetensors(DATA / f"{name}_run.safetensors", run)


def fill_by_name(model):
    """Weights as a formula of their name, so that a large network needs no stored weights."""
    for key, p in model.named_parameters():
        wave = torch.sin(torch.arange(p.numel(), dtype=torch.float64) + sum(key.encode())).reshape(p.shape)
        p.data = 1 + 0.1 * wave if p.dim() == 1 and key.endswith("weight") else 0.1 * wave


def record_network(name, model, x, y):
    """Outputs and the norm of every gradient of a network filled by name. A text has a label for each character."""
    model = model.double()
    fill_by_name(model)
    if x.is_floating_point():
        x = x.requires_grad_()
    logits = model(x)
    loss = F.cross_entropy(logits.flatten(0, -2), y.flatten())
    loss.backward()
    run = {"x": x, "y": y, "logits": logits, "loss": loss}
    if x.is_floating_point():
        run["grad_x"] = x.grad
    run.update({f"norm.{key}": p.grad.norm() for key, p in model.named_parameters()})
    run["eval_logits"] = model.eval()(x)
    save_safetensors(DATA / f"{name}_run.safetensors", run)


def conv3x3(i, o, stride=1):
    return nn.Conv2d(i, o, 3, stride, 1, bias=False)


class BasicBlock(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = conv3x3(i, o, stride), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = conv3x3(o, o), nn.BatchNorm2d(o)
        self.pad, self.stride = (o - i) // 2, stride

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        s = x[:, :, ::self.stride, ::self.stride]
        return F.relu(y + F.pad(s, (0, 0, 0, 0, self.pad, self.pad)))


class WideBlock(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(i), conv3x3(i, o, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(o), conv3x3(o, o)
        if i != o or stride != 1:
            self.shortcut = nn.Conv2d(i, o, 1, stride, bias=False)

    def forward(self, x):
        h = F.relu(self.bn1(x))
        y = self.conv2(F.relu(self.bn2(self.conv1(h))))
        return y + (self.shortcut(h) if hasattr(self, "shortcut") else x)


def stage(block, i, o, stride, n):
    return nn.Sequential(*[block(i if k == 0 else o, o, stride if k == 0 else 1) for k in range(n)])


class ResNet(nn.Module):
    def __init__(self, channels, classes, n):
        super().__init__()
        self.conv1, self.bn1 = conv3x3(channels, 16), nn.BatchNorm2d(16)
        self.layer1 = stage(BasicBlock, 16, 16, 1, n)
        self.layer2 = stage(BasicBlock, 16, 32, 2, n)
        self.layer3 = stage(BasicBlock, 32, 64, 2, n)
        self.fc = nn.Linear(64, classes)

    def forward(self, x):
        y = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(F.adaptive_avg_pool2d(y, 1).flatten(1))


class WideResNet(nn.Module):
    def __init__(self, n, k, channels, classes):
        super().__init__()
        self.conv1 = conv3x3(channels, 16)
        self.layer1 = stage(WideBlock, 16, 16 * k, 1, n)
        self.layer2 = stage(WideBlock, 16 * k, 32 * k, 2, n)
        self.layer3 = stage(WideBlock, 32 * k, 64 * k, 2, n)
        self.bn1, self.fc = nn.BatchNorm2d(64 * k), nn.Linear(64 * k, classes)

    def forward(self, x):
        y = F.relu(self.bn1(self.layer3(self.layer2(self.layer1(self.conv1(x))))))
        return self.fc(F.adaptive_avg_pool2d(y, 1).flatten(1))


class Swap(nn.Module):
    """[batch, length, channels] to [batch, channels, length] and back: minima has the channels last."""
    def forward(self, x):
        return x.transpose(1, 2)


class Mean(nn.Module):
    """The mean of all tokens."""
    def forward(self, x):
        return x.mean(1)


def block(width, heads, hidden=None):
    return nn.TransformerEncoderLayer(width, heads, hidden or 4 * width, dropout=0, activation="gelu",
                                      batch_first=True, norm_first=True)


class CausalBlock(nn.TransformerEncoderLayer):
    def __init__(self, width, heads):
        super().__init__(width, heads, 4 * width, dropout=0, activation="gelu", batch_first=True, norm_first=True)

    def forward(self, x):
        return super().forward(x, torch.full((x.shape[1], x.shape[1]), -torch.inf, dtype=x.dtype).triu(1))


class VisionTransformer(nn.Module):
    def __init__(self, channels, height, width_of_image, classes, patch, width, depth, heads):
        super().__init__()
        self.patches = nn.Conv2d(channels, width, patch, patch)
        self.positions = nn.Parameter(torch.randn(height // patch * (width_of_image // patch), width))
        self.blocks = nn.Sequential(*[block(width, heads) for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        return self.head(self.norm(self.blocks(tokens)).mean(1))


class LanguageModel(nn.Module):
    def __init__(self, vocabulary, context, width, depth, heads):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.randn(context, width))
        self.blocks = nn.Sequential(*[CausalBlock(width, heads) for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.embedding(x) + self.positions[:x.shape[1]])))


def lenet(channels, height, width, classes):
    after = lambda extent: (extent // 2 - 4) // 2
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * after(height) * after(width), 120), nn.ReLU(),
        nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes))


def cnn(channels, height, width, classes):
    layers = []
    for pair in [(channels, 32), (32, 32)], [(32, 64), (64, 64)]:
        for i, o in pair:
            layers += [nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * (height // 4) * (width // 4), classes))


def fnv1a(data):
    """The 64-bit FNV-1a hash of these bytes, as a signed number."""
    value = 0xcbf29ce484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 % 2**64
    return value - 2**64 if value >= 2**63 else value


def fill_exactly(model):
    """Weights and statistics as fractions of small integers, which float32 holds exactly."""
    for key, t in model.state_dict().items():
        if t.dtype == torch.float32:
            numbers = (torch.arange(t.numel()) * 37 + sum(key.encode())) % 257 - 128
            positive = t.dim() == 1 and key.endswith(("weight", "var"))
            t.copy_((numbers.float() / 2048 + (1 if positive else 0)).reshape(t.shape))


def record_exchange(name, model, x, formula=False):
    """A network as a user of PyTorch would save it, and its logits in eval mode."""
    if formula:
        fill_exactly(model)
    else:
        for _ in range(3):  # statistics that are not the initial ones
            model(torch.randn(16, *x.shape[1:]))
    run = {"x": x, "logits": model.eval()(x)}
    if formula:
        run.update({f"hash.{key}": torch.tensor(fnv1a(t.contiguous().numpy().tobytes()))
                    for key, t in model.state_dict().items()})
    else:
        save_safetensors(DATA / "exchange" / f"{name}.safetensors", model.state_dict())
    save_safetensors(DATA / "exchange" / f"{name}_run.safetensors", run)


def exchange():
    torch.manual_seed(2)
    (DATA / "exchange").mkdir(parents=True, exist_ok=True)
    record_exchange("mlp", nn.Sequential(nn.Flatten(), nn.Linear(90, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(),
                                         nn.Linear(8, 4)), torch.randn(5, 3, 5, 6))
    record_exchange("lenet", lenet(3, 16, 17, 10), torch.randn(5, 3, 16, 17))
    record_exchange("cnn", cnn(3, 9, 8, 10), torch.randn(5, 3, 9, 8))
    record_exchange("vit", VisionTransformer(3, 8, 12, 10, 4, 8, 2, 2), torch.randn(5, 3, 8, 12))
    record_exchange("resnet20", ResNet(3, 10, 3), torch.randn(5, 3, 9, 8), formula=True)


def labels(n, classes):
    return torch.arange(n) * 7 % classes


def main():
    torch.manual_seed(1)
    DATA.mkdir(parents=True, exist_ok=True)
    normal = lambda *shape: torch.randn(*shape, dtype=torch.float64)

    record_training("mlp", nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(),
                                         nn.Linear(8, 4)), normal(12, 1, 8, 8), labels(12, 4))
    record_training("cnn", nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(6), nn.GELU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(24, 4)), normal(6, 2, 16, 16), labels(6, 4))
    record_training("table", nn.Sequential(
        nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 6), nn.LayerNorm(6), nn.Sigmoid(),
        nn.Linear(6, 3)), normal(10, 5), labels(10, 3), smoothing=0.1)
    record_network("resnet20", ResNet(3, 10, 3), normal(4, 3, 9, 8), labels(4, 10))
    record_network("wrn16-2", WideResNet(2, 2, 3, 10), normal(4, 3, 9, 8), labels(4, 10))
    record_training("sequence", nn.Sequential(
        nn.Embedding(10, 6), Swap(), nn.Conv1d(6, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.GELU(),
        nn.Conv1d(8, 4, 3, stride=2, bias=False), Swap(), nn.Flatten(), nn.Linear(20, 3)),
        torch.arange(8 * 12).reshape(8, 12) * 7 % 11 % 10, labels(8, 3))
    record_training("decoder", nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.GroupNorm(2, 4), nn.ReLU(),
        nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1), nn.GELU(), nn.AvgPool2d(4),
        nn.Flatten(), nn.Linear(12, 4)), normal(6, 2, 8, 8), labels(6, 4))
    record_training("transformer", nn.Sequential(
        nn.Linear(5, 8), block(8, 2, 12), CausalBlock(8, 4), Mean(), nn.Linear(8, 3)), normal(6, 7, 5), labels(6, 3))
    record_network("vit", VisionTransformer(3, 8, 12, 10, 4, 16, 2, 4), normal(4, 3, 8, 12), labels(4, 10))
    record_network("language", LanguageModel(11, 9, 16, 2, 2), torch.arange(3 * 7).reshape(3, 7) * 5 % 11,
                   torch.arange(3 * 7).reshape(3, 7) * 3 % 11)
    exchange()


if __name__ == "__main__":
    main()
