#!/usr/bin/env python3
"""Training steps in PyTorch on the GPU, as bench/gpu.cpp does them in minima.

  torch_gpu.py [WORKLOAD...] [--optimizers sgd,sam,msam] [--seconds S]

Each line: eager in PyTorch's own layout, eager with channels last, and channels last in a CUDA graph of the whole step;
with full float32 (TF32 off), as minima computes, and the graph once more with TF32, PyTorch's own choice for convolutions.
"""

import argparse
import statistics
import time

import torch
import workloads


class GraphMSAM(workloads.MSAM):
    """Without the read of the norm, which a graph cannot hold."""

    def move(self, velocity):
        scale = self.rho / (torch.stack(torch._foreach_norm(velocity)).norm() + 1e-12)
        moved = torch._foreach_mul(velocity, scale)
        torch._foreach_sub_(self.parameters, moved)
        return lambda: torch._foreach_add_(self.parameters, moved)


def make_optimizer(name, model):
    parameters = list(model.parameters())
    base = torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=5e-4, fused=True)
    if name == "sam":
        return workloads.SAM(parameters, base)
    if name == "msam":
        return GraphMSAM(parameters, base)
    if name == "adam":
        return workloads.Plain(torch.optim.Adam(parameters, lr=1e-3, fused=True, capturable=True))
    return workloads.Plain(base)


def step_time(workload, optimizer_name, seconds, channels_last, graph):
    torch.manual_seed(0)
    build, image, batch = workloads.WORKLOADS[workload]
    model = build().cuda()
    x, y = torch.randn(batch, *image, device="cuda"), torch.randint(0, 10, (batch,), device="cuda")
    if channels_last and workload in workloads.CONVOLUTIONAL:
        model = model.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    optimizer = make_optimizer(optimizer_name, model)
    loss_function = torch.nn.CrossEntropyLoss()

    def gradient():
        for p in model.parameters():
            p.grad = None
        loss = loss_function(model(x), y)
        loss.backward()
        return loss

    def step():
        return optimizer.step(gradient)

    if graph:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(5):
                step()
        torch.cuda.current_stream().wait_stream(side)
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured):
            step()
        step = captured.replay

    def run(steps):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        torch.cuda.synchronize()
        return 1e3 * (time.perf_counter() - start)

    run(10)
    group = max(1, min(500, int(20 * 5 / run(5))))
    run(group)
    times, start = [], time.perf_counter()
    while len(times) < 5 or (time.perf_counter() - start < seconds and len(times) < 100):
        times.append(run(group) / group)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", default=[])
    parser.add_argument("--optimizers", default="sgd,sam,msam")
    parser.add_argument("--seconds", type=float, default=0.3)
    options = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    print(f"PyTorch {torch.__version__} on {torch.cuda.get_device_name()}, milliseconds a step")
    print(f"{'workload':10} {'optimizer':10} {'eager':>10} {'ch. last':>10} {'graph':>10} {'graph TF32':>10}")
    for workload in options.workloads or workloads.WORKLOADS:
        for optimizer in options.optimizers.split(","):
            line = f"{workload:10} {optimizer:10}"
            for channels_last, graph, tf32 in ((0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1)):
                torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = bool(tf32)
                try:
                    line += f" {step_time(workload, optimizer, options.seconds, channels_last, graph):10.4f}"
                except Exception as problem:  # what this version of PyTorch cannot capture
                    line += f" {type(problem).__name__[:10]:>10}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
