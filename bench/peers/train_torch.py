# a preset's name → the same training run by PyTorch on the CPU, one JSON line with its epoch times and test accuracy.
#
#   python bench/peers/train_torch.py mnist-cnn --epochs 3 --threads 2      (needs numpy and torch; SOMA_DATA names the data)
#
# The same work: first weights of the same distribution, batches in soma's own order, every setting of the preset. What a knowing
# user of PyTorch would do for speed is done: channels last (lenet: half the time), the fused Adam, the whole set in memory as
# normalised floats. Finding an epoch's order is not counted.
import argparse
import gzip
import json
import math
import os
import time

import numpy
import torch
from torch import nn


def idx(name, header):
    for directory in os.environ["SOMA_DATA"].split(":"):
        for path, opener in ((f"{directory}/mnist/{name}", open), (f"{directory}/mnist/{name}.gz", gzip.open)):
            if os.path.exists(path):
                with opener(path, "rb") as file:
                    return numpy.frombuffer(file.read(), numpy.uint8, offset=header)
    raise SystemExit(f"train_torch: wanted {name} in SOMA_DATA, found none")


def images(name):
    x = torch.from_numpy(idx(f"{name}-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28).astype(numpy.float32) / 255)
    return x.to(memory_format=torch.channels_last)


def labels(name):
    return torch.from_numpy(idx(f"{name}-labels-idx1-ubyte", 8).astype(numpy.int64))


def epoch_order(count, epoch, seed=1):
    """soma's shuffle: Fisher and Yates with Philox4x32-10 (src/core/random.h, src/data/batches.cpp)."""
    index = numpy.arange(count + 1, dtype=numpy.uint64)
    low, key = numpy.uint64(0xFFFFFFFF), [seed & 0xFFFFFFFF, seed >> 32]
    x = [index & low, index >> numpy.uint64(32), numpy.full_like(index, 0x20000000 + epoch), numpy.zeros_like(index)]
    for _ in range(10):
        a, b = numpy.uint64(0xD2511F53) * x[0], numpy.uint64(0xCD9E8D57) * x[2]
        x = [(b >> numpy.uint64(32)) ^ x[1] ^ numpy.uint64(key[0]), b & low,
             (a >> numpy.uint64(32)) ^ x[3] ^ numpy.uint64(key[1]), a & low]
        key = [key[0] + 0x9E3779B9 & 0xFFFFFFFF, key[1] + 0xBB67AE85 & 0xFFFFFFFF]
    below = (x[1] * index + (x[0] * index >> numpy.uint64(32)) >> numpy.uint64(32)).tolist()
    order = list(range(count))
    for i in range(count, 1, -1):
        order[i - 1], order[below[i]] = order[below[i]], order[i - 1]
    return torch.tensor(order)


def anneal(start, end, fraction):
    return end + (start - end) / 2 * (math.cos(math.pi * fraction) + 1)


def cosine(rate, least, over):
    """The rate of each epoch; `over` 0: the run's epochs."""
    return lambda step, steps, epochs: anneal(rate, least, min(step // steps, over or epochs) / (over or epochs))


def one_cycle(rate):
    def at(step, steps, epochs):
        peak, end = 0.3 * steps * epochs - 1, steps * epochs - 1
        if step <= peak:
            return anneal(rate / 25, rate, step / peak)
        return anneal(rate, rate / 25 / 1e4, (step - peak) / (end - peak))
    return at


def mlp():
    return [nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)], 64, nn.CrossEntropyLoss(), {}, cosine(0.002, 0, 0)


def cnn():
    layers = [nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6272, 128), nn.ReLU(),
              nn.Linear(128, 10)]
    return layers, 64, nn.CrossEntropyLoss(), {"weight_decay": 1e-4}, cosine(0.001, 1e-5, 20)


def lenet():
    layers = [nn.Conv2d(1, 24, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(24, 32, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(),
              nn.Linear(800, 256), nn.ReLU(), nn.Linear(256, 10), nn.LogSoftmax(1)]
    return layers, 256, nn.NLLLoss(), {"betas": (0.7, 0.9)}, one_cycle(0.01)


def adam(net, settings):
    biases = [each for each in net.parameters() if each.dim() == 1]
    weights = [each for each in net.parameters() if each.dim() > 1]
    groups = [{"params": weights, "weight_decay": settings.get("weight_decay", 0)}, {"params": biases}]
    return torch.optim.Adam(groups, betas=settings.get("betas", (0.9, 0.999)), fused=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("preset", choices=["mnist-mlp", "mnist-cnn", "mnist-lenet"])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(1)
    layers, batch, loss, settings, rate = {"mnist-mlp": mlp, "mnist-cnn": cnn, "mnist-lenet": lenet}[asked.preset]()
    net = nn.Sequential(*layers).to(memory_format=torch.channels_last)
    for each in net.parameters():
        nn.init.zeros_(each) if each.dim() == 1 else nn.init.kaiming_normal_(each)
    optimizer = adam(net, settings)
    x, y = images("train"), labels("train")
    steps, seconds = math.ceil(len(x) / batch), []
    for epoch in range(asked.epochs):
        order = epoch_order(len(x), epoch)
        start = time.perf_counter()
        for i in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = rate(epoch * steps + i, steps, asked.epochs)
            rows = order[i * batch : (i + 1) * batch]
            optimizer.zero_grad(set_to_none=True)
            loss(net(x[rows]), y[rows]).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - start)
    with torch.no_grad():
        right = (net(images("t10k")).argmax(1) == labels("t10k")).sum().item()
    print(json.dumps({"epoch_seconds": seconds, "test_accuracy": right / 10000, "threads": asked.threads, "version": torch.__version__}))


if __name__ == "__main__":
    main()
