#!/usr/bin/env python3
"""Goes on in PyTorch from checkpoints of minima, for tests/examples/export/pytorch_test.cpp, which calls this where
PyTorch is installed: generate_checkpoints.py FOLDER OPTIMIZER...

Reads data.safetensors (x, y) and OPTIMIZER_start.safetensors, a checkpoint; does 5 steps, writes OPTIMIZER_back, a
checkpoint for minima, does 5 more, and writes OPTIMIZER_run: the weights there (`there.`) and at the end (`end.`).
"""
import pathlib
import sys

import torch
from torch import nn

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples" / "export"))
import pytorch_checkpoint  # noqa: E402

STEPS = 5
OPTIMIZERS = {
    "sgd": lambda p, h: torch.optim.SGD(p, lr=h("lr"), momentum=h("momentum"), weight_decay=h("weight_decay")),
    "nesterov": lambda p, h: torch.optim.SGD(p, lr=h("lr"), momentum=h("momentum"), weight_decay=h("weight_decay"),
                                             nesterov=True),
    "adam": lambda p, h: torch.optim.Adam(p, lr=h("lr"), betas=(h("beta1"), h("beta2")), eps=h("epsilon"),
                                          weight_decay=h("weight_decay")),
    "adamw": lambda p, h: torch.optim.AdamW(p, lr=h("lr"), betas=(h("beta1"), h("beta2")), eps=h("epsilon"),
                                            weight_decay=h("weight_decay")),
}


class Network(nn.Module):
    """The struct of the same name in tests/examples/export/pytorch_test.cpp."""

    def __init__(self):
        super().__init__()
        self.offsets = nn.Parameter(torch.empty(2, 4, 5))
        self.image, self.norm = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)
        self.larger, self.sequence, self.head = nn.ConvTranspose2d(3, 2, 2), nn.Conv1d(2, 4, 3), nn.Linear(40, 4)

    def forward(self, x):
        x = self.norm(torch.relu(self.image(x)))  # [batch, 3, 2, 3]
        x = torch.relu(self.larger(x)).flatten(2)  # [batch, 2, 12]
        x = torch.tanh(self.sequence(x)).flatten(1)  # [batch, 40]
        return self.head(x + self.offsets.flatten())


def go_on(folder, name):
    start, back = f"{folder}/{name}_start.safetensors", f"{folder}/{name}_back.safetensors"
    data, _ = pytorch_checkpoint.load(f"{folder}/data.safetensors")
    model = Network()
    tensors, _ = pytorch_checkpoint.load(start)
    optimizer = OPTIMIZERS[name](model.parameters(), lambda h: tensors[f"optimizer.groups.{h}"].item())
    pytorch_checkpoint.to_pytorch(start, model, optimizer)

    def train():
        for _ in range(STEPS):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(data["x"]), data["y"]).backward()
            optimizer.step()
        return {name: tensor.clone() for name, tensor in model.state_dict().items()}

    there = train()
    pytorch_checkpoint.to_minima(back, model, optimizer, STEPS, start)
    end = train()
    run = {f"there.{key}": tensor for key, tensor in there.items()}
    run |= {f"end.{key}": tensor for key, tensor in end.items()}
    pytorch_checkpoint.save(f"{folder}/{name}_run.safetensors", run, {"pytorch": torch.__version__})


torch.manual_seed(0)
torch.set_num_threads(1)
for optimizer_name in sys.argv[2:]:
    go_on(sys.argv[1], optimizer_name)
