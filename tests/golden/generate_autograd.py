#!/usr/bin/env python3
"""Writes tests/data/autograd/special_values.safetensors with PyTorch: python3 tests/golden/generate_autograd.py

x             zeros of both signs, a number below float32's normal range, large numbers, infinities; all are float32
NAME          NAME(x)
NAME.grad     its derivative

Everything is computed in float64: rounded to float32, the values are what an exact function gives there. Where PyTorch
gives NaN although the function has a limit, the limit is written.
"""
import pathlib

import torch
import torch.nn.functional as F

from safetensors.torch import save_file

DATA = pathlib.Path(__file__).resolve().parent.parent / "data" / "autograd"
INF = float("inf")
HALF = [0.0, 1e-40, 1.0, 5.0, 20.0, 88.0, 1e4, 3e38, INF]

FUNCTIONS = {
    "exp": torch.exp, "log": torch.log, "log1p": torch.log1p, "sqrt": torch.sqrt, "abs": torch.abs, "sin": torch.sin,
    "cos": torch.cos, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "softplus": lambda x: -F.logsigmoid(-x),
    "relu": torch.relu, "erf": torch.erf, "gelu": F.gelu, "square": torch.square,
    "pow_0": lambda x: x ** 0, "pow_quarter": lambda x: x ** 0.25, "pow_3": lambda x: x ** 3, "pow_-1": lambda x: x ** -1,
    "reciprocal": lambda x: 1 / x,
}


def main():
    x = torch.tensor(HALF + [-v for v in HALF], dtype=torch.float32).double()
    table = {"x": x}
    for name, function in FUNCTIONS.items():
        leaf = x.clone().requires_grad_()
        y = function(leaf)
        table[name] = y.detach()
        table[name + ".grad"], = torch.autograd.grad(y.sum(), leaf)
    table["gelu"][x == -INF] = 0
    table["gelu.grad"][x == -INF] = 0
    table["gelu.grad"][x == INF] = 1
    DATA.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in table.items()}, DATA / "special_values.safetensors")


if __name__ == "__main__":
    main()
