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


def go_on(folder, name):
    start, back = f"{folder}/{name}_start.safetensors", f"{folder}/{name}_back.safetensors"
    data, _ = pytorch_checkpoint.load(f"{folder}/data.safetensors")
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(18, 4))
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
