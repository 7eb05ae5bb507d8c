#!/usr/bin/env python3
"""The whole of a small job in PyTorch, as bench/epoch.cpp does it in minima: load Fashion-MNIST, train the MLP for one
epoch, evaluate. Prints one JSON line.

  torch_epoch.py [--started SECONDS] [--threads N] [--data DIRECTORY] [--tuned]

Stock takes its batches from a DataLoader; tuned gathers them from one tensor by a shuffled index.
"""

import argparse
import gzip
import json
import os
import time

import tuning


def read_idx(directory, name):
    import numpy
    import torch

    with gzip.open(os.path.join(directory, name)) as file:
        content = file.read()
    rank = content[3]
    shape = numpy.frombuffer(content, ">u4", rank, 4).astype(int)
    return torch.from_numpy(numpy.frombuffer(content, numpy.uint8, offset=4 + 4 * rank).reshape(shape).copy())


def load(directory, part):
    images = read_idx(directory, f"{part}-images-idx3-ubyte.gz").float().unsqueeze(1).div_(255)
    return images.sub_(0.2860).div_(0.3530), read_idx(directory, f"{part}-labels-idx1-ubyte.gz").long()


def batches_of(images, labels, size, tuned):
    import torch

    if tuned:
        return ((images[i], labels[i]) for i in torch.randperm(len(images)).split(size))
    dataset = torch.utils.data.TensorDataset(images, labels)
    return torch.utils.data.DataLoader(dataset, batch_size=size, shuffle=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--started", type=float, default=time.time(), help="wall clock when the process was started")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--tuned", action="store_true")
    options = parser.parse_args()
    if options.tuned:
        tuning.start_tuned(options.threads)
    import torch
    import workloads

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    images, labels = load(options.data, "train")
    test_images, test_labels = load(options.data, "t10k")
    model = workloads.WORKLOADS["mlp"][0]()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)

    first_step = None
    for x, y in batches_of(images, labels, 128, options.tuned):
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        if first_step is None:
            first_step = time.time() - options.started
            if options.tuned:
                tuning.pin_threads()
    with torch.no_grad():
        accuracy = (model(test_images).argmax(1) == test_labels).double().mean().item()
    record = {
        **tuning.description(options.tuned),
        "workload": "epoch",
        "threads": options.threads,
        "first_step_s": round(first_step, 3),
        "total_s": round(time.time() - options.started, 3),
        "accuracy": round(accuracy, 4),
        "peak_rss_mib": tuning.peak_rss_mib(),
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
