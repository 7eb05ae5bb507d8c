#!/usr/bin/env python3
"""Writes the golden files of tests/optim (tests/data/optim/*.safetensors): python3 tests/golden/generate_optim.py

sgd, nesterov, adam, adamw,   trajectories of PyTorch's optimizers and learning-rate schedulers
rmsprop, adagrad
lion, wrappers                trajectories of Lion, and of SAM, ASAM and MSAM, written below in numpy from the papers
averages                      averages of weights by PyTorch's AveragedModel along a trajectory of SGD
update_bn                     a network's averaged weights with the batch-norm statistics of PyTorch's update_bn
schedules                     learning rates of PyTorch's schedulers

The gradient is prescribed, elementwise, as a smooth function of weight and step (tests/optim/problem.h has the same), so
that nothing but the optimizers' arithmetic is compared. `cases` holds one row of settings a trajectory, `float64` and
`float32` the weights after every tenth step.
"""
import itertools
import json
import pathlib
import struct

import numpy as np
import torch

DATA = pathlib.Path(__file__).resolve().parent.parent / "data" / "optim"
STEPS, EVERY = 50, 10
SHAPES = [(3, 2), (5,), (2, 2)]
N = 15
I = np.arange(N)
CENTRE, SLOPE = 4 + 0.1 * I, 0.2 + 0.12 * I
START = CENTRE + 0.5 - (5 * I % 7) / 7
SCHEDULES = {0: "constant", 1: "cosine", 2: "step"}


def gradient(w, t):
    x = w.astype(np.float64) - CENTRE
    force = 0.2 * (((7 * t + 3 * I) % 11) / 11 - 0.5)
    return (SLOPE * x / np.sqrt(1 + x * x) + force).astype(w.dtype)


def save_safetensors(name, arrays):
    header, blob = {}, b""
    for key, array in arrays.items():
        array = np.ascontiguousarray(array)
        header[key] = {"dtype": {"float64": "F64", "float32": "F32"}[str(array.dtype)], "shape": list(array.shape),
                       "data_offsets": [len(blob), len(blob) + array.nbytes]}
        blob += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (DATA / f"{name}.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + blob)


def save_trajectories(name, cases, run):
    arrays = {"cases": np.array(cases, dtype=np.float64)}
    for dtype in (np.float64, np.float32):
        arrays[np.dtype(dtype).name] = np.array([run(case, dtype) for case in cases], dtype=dtype)
    save_safetensors(name, arrays)


# ---------------------------------------------------------------------------------------------------- PyTorch

def scheduler(optimizer, kind):
    if kind == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS)
    if kind == "step":
        return torch.optim.lr_scheduler.StepLR(optimizer, step_size=15, gamma=0.3)
    return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1)


def run_torch(make):
    def run(case, dtype):
        parts = np.split(START, np.cumsum([int(np.prod(s)) for s in SHAPES])[:-1])
        parameters = [torch.tensor(p.reshape(s).astype(dtype)) for p, s in zip(parts, SHAPES)]
        optimizer = make(parameters, case)
        schedule = scheduler(optimizer, SCHEDULES[int(case[-1])])
        flat = lambda: np.concatenate([p.numpy().reshape(-1) for p in parameters])
        samples = []
        for t in range(STEPS):
            g, at = gradient(flat(), t), 0
            for p in parameters:
                p.grad = torch.tensor(g[at:at + p.numel()].reshape(p.shape))
                at += p.numel()
            optimizer.step()
            schedule.step()
            if (t + 1) % EVERY == 0:
                samples.append(flat())
        return samples
    return run


def torch_files():
    grid = itertools.product
    sgd = [c for c in grid((0.02, 0.6), (0, 0.5, 0.9), (0, 0.3), (0, 0.05), SCHEDULES) if c[1] or not c[2]]
    save_trajectories("sgd", sgd, run_torch(lambda p, c: torch.optim.SGD(
        p, lr=c[0], momentum=c[1], dampening=c[2], weight_decay=c[3])))
    nesterov = list(grid((0.02, 0.6), (0.5, 0.9), (0, 0.05), SCHEDULES))
    save_trajectories("nesterov", nesterov, run_torch(lambda p, c: torch.optim.SGD(
        p, lr=c[0], momentum=c[1], weight_decay=c[2], nesterov=True)))
    adam = [(lr, b1, b2, eps, wd, s) for lr, (b1, b2), eps, wd, s in
            grid((1e-3, 0.05, 0.5), ((0.9, 0.999), (0.7, 0.95)), (1e-8, 1e-2), (0, 0.05), SCHEDULES)]
    for name, kind in (("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)):
        save_trajectories(name, adam, run_torch(lambda p, c: kind(
            p, lr=c[0], betas=(c[1], c[2]), eps=c[3], weight_decay=c[4])))


    rmsprop = list(grid((1e-3, 0.02), (0.9, 0.99), (1e-8, 1e-2), (0, 0.9), (0, 0.05), SCHEDULES))
    save_trajectories("rmsprop", rmsprop, run_torch(lambda p, c: torch.optim.RMSprop(
        p, lr=c[0], alpha=c[1], eps=c[2], momentum=c[3], weight_decay=c[4])))
    adagrad = list(grid((0.01, 0.5), (1e-10, 1e-2), (0, 0.05), SCHEDULES))
    save_trajectories("adagrad", adagrad, run_torch(lambda p, c: torch.optim.Adagrad(
        p, lr=c[0], eps=c[1], weight_decay=c[2])))


# --------------------------------------------------------------------------------------------- averages, by PyTorch

def averaged_model(model, decay):
    """decay 0: the plain mean, PyTorch's default (SWA)."""
    swa = torch.optim.swa_utils
    return swa.AveragedModel(model, multi_avg_fn=swa.get_ema_multi_avg_fn(decay)) if decay else swa.AveragedModel(model)


def run_average(case, dtype):
    decay, begin = case
    model = torch.nn.Module()
    model.w = torch.nn.Parameter(torch.tensor(START.astype(dtype)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    average, samples = averaged_model(model, decay), []
    for t in range(STEPS):
        model.w.grad = torch.tensor(gradient(model.w.detach().numpy(), t))
        optimizer.step()
        if t >= begin:
            average.update_parameters(model)
        if (t + 1) % EVERY == 0:
            samples.append(average.module.w.detach().numpy().copy())
    return samples


def average_file():
    save_trajectories("averages", list(itertools.product((0, 0.5, 0.9, 0.99), (0, 5))), run_average)


def update_bn_file():
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6), torch.nn.ReLU(), torch.nn.Linear(6, 3))
    x, y = torch.randn(40, 4) * 2 + 1, torch.randint(0, 3, (40,))
    arrays = {"x": x.numpy(), "y": y.numpy().astype(np.float32)}
    arrays |= {f"initial.{name}": p.detach().numpy().copy() for name, p in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    average = averaged_model(model, 0)
    for t in range(30):
        batch = slice(10 * (t % 4), 10 * (t % 4) + 10)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()
        if t >= 10:
            average.update_parameters(model)
    torch.optim.swa_utils.update_bn([x[i:i + 10] for i in range(0, 40, 10)], average)
    average.eval()
    arrays |= {"mean": average.module[1].running_mean.numpy(), "variance": average.module[1].running_var.numpy(),
               "logits": average(x).detach().numpy()}
    save_safetensors("update_bn", arrays)


def learning_rates(make, steps=120, lr=0.4):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr)
    schedule, rates = make(optimizer), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return np.array(rates)


def schedule_file():
    lr = torch.optim.lr_scheduler
    save_safetensors("schedules", {
        "step_decay": learning_rates(lambda o: lr.StepLR(o, step_size=25, gamma=0.5)),
        "cosine": learning_rates(lambda o: lr.CosineAnnealingLR(o, T_max=119, eta_min=0.01)),
        "linear_warmup": learning_rates(lambda o: lr.LinearLR(o, total_iters=30)),
        "join": learning_rates(lambda o: lr.SequentialLR(
            o, [lr.LinearLR(o, start_factor=0.1, total_iters=20), lr.StepLR(o, step_size=40, gamma=0.1)], [20])),
    })


# ------------------------------------------------------------------------------- SAM, ASAM and MSAM, from the papers

def base_rule(base, w, g, state, lr, momentum, decay):
    """One step of the base at w with this gradient: SGD, Nesterov, Adam or AdamW in PyTorch's conventions."""
    dtype = w.dtype.type
    lr, mu, rest, decay = dtype(lr), dtype(momentum), dtype(1 - momentum), dtype(decay)
    if base in (0, 1):
        g = g + decay * w
        state["v"] = mu * state["v"] + g
        return w - lr * (state["v"] if base == 0 else g + mu * state["v"])
    if base == 2:
        g = g + decay * w
    else:
        w = w * (1 - lr * decay)
    beta2, rest2, eps = dtype(0.999), dtype(1 - 0.999), dtype(1e-8)
    state["t"] += 1
    state["v"] = mu * state["v"] + rest * g
    state["s"] = beta2 * state["s"] + rest2 * g * g
    m_hat = state["v"] / dtype(1 - momentum ** state["t"])
    s_hat = state["s"] / dtype(1 - 0.999 ** state["t"])
    return w - lr * m_hat / (np.sqrt(s_hat) + eps)


def norm(x):
    return np.sqrt(np.sum(x.astype(np.float64) ** 2))


def run_wrapper(case, dtype):
    method, base, lr, momentum, decay, rho, option = case
    w = START.astype(dtype)
    state = {"v": np.zeros(N, dtype), "s": np.zeros(N, dtype), "t": 0}
    samples = []
    for t in range(STEPS):
        if method == 0:  # SAM: e = rho g / |g|
            g = gradient(w, t)
            e = (rho / norm(g) * g).astype(dtype)
            w = base_rule(base, w, gradient(w + e, t), state, lr, momentum, decay)
        elif method == 1:  # ASAM: T = |w| + eta, e = rho T^2 g / |T g|; option is eta
            g = gradient(w, t)
            size = np.abs(w) + dtype(option)
            e = (rho / norm(size * g) * size * size * g).astype(dtype)
            w = base_rule(base, w, gradient(w + e, t), state, lr, momentum, decay)
        else:  # MSAM: e = -rho v / |v|; with the option the weights decay at the perturbed point, as in the authors' code
            n = norm(state["v"])
            e = (-rho / n * state["v"]).astype(dtype) if n > 0 else np.zeros(N, dtype)
            g = gradient(w + e, t)
            if option:
                g = g + dtype(decay) * e
            w = base_rule(base, w, g, state, lr, momentum, decay)
        if (t + 1) % EVERY == 0:
            samples.append(w)
    return samples


def msam_weights_stored_perturbed(lr, momentum, rho):
    """The authors' order of operations for SGD without decay: the weights live at the perturbed point between steps."""
    perturbed, v, factor = START.copy(), np.zeros(N), 0.0
    samples = []
    for t in range(STEPS):
        g = gradient(perturbed, t)
        w = perturbed + factor * v
        v = momentum * v + g
        w = w - lr * v
        factor = rho / (norm(v) + 1e-12)
        perturbed = w - factor * v
        if (t + 1) % EVERY == 0:
            samples.append(w)
    return np.array(samples)


def run_lion(case, dtype):
    """Chen et al., Symbolic Discovery of Optimization Algorithms (2023), algorithm 2."""
    lr0, beta1, beta2, decay, kind = case
    w, m, samples = START.astype(dtype), np.zeros(N, dtype), []
    for t in range(STEPS):
        lr = lr0
        if SCHEDULES[int(kind)] == "cosine":
            lr = lr0 * (1 + np.cos(np.pi * t / STEPS)) / 2
        if SCHEDULES[int(kind)] == "step":
            lr = lr0 * 0.3 ** (t // 15)
        g = gradient(w, t)
        update = np.sign(dtype(beta1) * m + dtype(1 - beta1) * g)
        w = (w - dtype(lr) * (update + dtype(decay) * w)).astype(dtype)
        m = dtype(beta2) * m + dtype(1 - beta2) * g
        if (t + 1) % EVERY == 0:
            samples.append(w)
    return samples


def lion_file():
    save_trajectories("lion", [(lr, b1, b2, wd, s) for lr, (b1, b2), wd, s in itertools.product(
        (1e-3, 0.02), ((0.9, 0.99), (0.95, 0.8)), (0, 0.1), SCHEDULES)], run_lion)


def wrapper_file():
    sgd, nesterov, adam, adamw = range(4)
    bases = ((sgd, 0.05, 0.9), (nesterov, 0.05, 0.9), (adam, 0.02, 0.9), (adamw, 0.02, 0.9))
    cases = []
    for base, lr, momentum in bases:
        for decay in (0, 0.05):
            cases += [(0, base, lr, momentum, decay, rho, 0) for rho in (0.05, 0.5)]
            cases += [(1, base, lr, momentum, decay, 0.1, eta) for eta in (0, 0.01)]
            cases += [(2, base, lr, momentum, decay, rho, 0) for rho in (-0.2, 0.3, 1)]
            if decay and base != adamw:
                cases.append((2, base, lr, momentum, decay, 0.5, 1))
    cases += [(0, sgd, 0.3, 0, 0, 0.2, 0)]
    save_trajectories("wrappers", cases, run_wrapper)
    settings = [(0.05, 0.9, 0.3), (0.2, 0.5, 1.0)]
    save_safetensors("msam_stored_perturbed", {
        "cases": np.array(settings, dtype=np.float64),
        "float64": np.array([msam_weights_stored_perturbed(*s) for s in settings])})


if __name__ == "__main__":
    DATA.mkdir(parents=True, exist_ok=True)
    torch_files()
    average_file()
    update_bn_file()
    schedule_file()
    lion_file()
    wrapper_file()
