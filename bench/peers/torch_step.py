#!/usr/bin/env python3
"""Whole training steps in PyTorch, as bench/step.cpp does them in minima. Prints one JSON line.

  torch_step.py WORKLOAD [OPTIMIZER] [--threads N] [--batch N] [--seconds S] [--tuned]

In place of an optimizer, "inference" stands for the forward pass alone, without a graph.
"""

import argparse
import json
import statistics
import time

import tuning

OPTIMIZERS = ["sgd", "momentum", "nesterov", "adam", "sam", "msam", "inference"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workload")
    parser.add_argument("optimizer", nargs="?", default="momentum", choices=OPTIMIZERS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--seconds", type=float, default=2, help="time to measure for, warm-up not counted")
    parser.add_argument("--tuned", action="store_true", help="PyTorch at its best instead of as installed")
    return parser.parse_args()


class Training:
    """One model on one synthetic batch; step() trains it and notes how long the parts took, in seconds."""

    def __init__(self, options):
        import torch
        import workloads

        torch.set_num_threads(options.threads)
        torch.manual_seed(0)
        build, image, batch = workloads.workload(options.workload)
        self.batch = options.batch or batch
        self.model = build()
        self.x, self.y = torch.randn(self.batch, *image), torch.randint(0, 10, (self.batch,))
        if options.tuned and options.workload in workloads.CONVOLUTIONAL:
            self.model = self.model.to(memory_format=torch.channels_last)
            self.x = self.x.contiguous(memory_format=torch.channels_last)
        self.optimizer = None
        if options.optimizer == "inference":
            self.model.eval()
        else:
            self.optimizer = workloads.make_optimizer(options.optimizer, self.model, fused=options.tuned)
        self.loss = torch.nn.CrossEntropyLoss()
        self.times = []  # (whole step, forward, backward, processor time of all threads)

    def infer(self):
        import torch

        begin, processor_begin = time.perf_counter(), time.process_time()
        with torch.inference_mode():
            self.model(self.x)
        whole = time.perf_counter() - begin
        self.times.append((whole, whole, 0.0, time.process_time() - processor_begin))
        return 0.0

    def step(self):
        if self.optimizer is None:
            return self.infer()
        begin, processor_begin = time.perf_counter(), time.process_time()
        forward = backward = 0.0

        def gradient():
            nonlocal forward, backward
            start = time.perf_counter()
            for p in self.model.parameters():
                p.grad = None
            loss = self.loss(self.model(self.x), self.y)
            middle = time.perf_counter()
            loss.backward()
            forward += middle - start
            backward += time.perf_counter() - middle
            return loss

        value = self.optimizer.step(gradient).item()
        whole, processor = time.perf_counter() - begin, time.process_time() - processor_begin
        self.times.append((whole, forward, backward, processor))
        return value


def main():
    options = arguments()
    if options.tuned:
        tuning.start_tuned(options.threads)
    training = Training(options)

    # Warm-up: at least two steps, and for short steps long enough that the threads are up.
    start = time.perf_counter()
    while len(training.times) < 2 or (len(training.times) < 20 and time.perf_counter() - start < 0.2):
        training.step()
        if options.tuned and len(training.times) == 1:
            tuning.pin_threads()  # they all exist now
    training.times.clear()
    start, loss = time.perf_counter(), 0.0
    while len(training.times) < 3 or time.perf_counter() - start < options.seconds:
        loss = training.step()

    whole = sorted(times[0] for times in training.times)

    def median_ms(values):
        return round(1e3 * statistics.median(values), 4)

    record = {
        **tuning.description(options.tuned),
        "workload": options.workload,
        "optimizer": options.optimizer,
        "batch": training.batch,
        "threads": options.threads,
        "parameters": sum(p.numel() for p in training.model.parameters()),
        "steps": len(whole),
        "median_ms": median_ms(whole),
        "min_ms": round(1e3 * whole[0], 4),
        "p90_ms": round(1e3 * whole[int(0.9 * (len(whole) - 1) + 0.5)], 4),
        "forward_ms": median_ms(forward for _, forward, _, _ in training.times),
        "backward_ms": median_ms(backward for _, _, backward, _ in training.times),
        "update_ms": median_ms(step - forward - backward for step, forward, backward, _ in training.times),
        "processor_ms": median_ms(processor for _, _, _, processor in training.times),
        "loss": round(loss, 6),
        "peak_rss_mib": tuning.peak_rss_mib(),
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
