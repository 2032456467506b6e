# a preset's name → the same training run by PyTorch on the CPU, one JSON line with its epoch times and test accuracy.
#
#   python bench/peers/train_torch.py mnist-cnn --epochs 3 --threads 2      (needs numpy and torch; SOMA_DATA names the data)
#
# The whole set is kept in memory as normalised floats, and batches are picked by index: the quickest way there is to feed PyTorch.
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
    raise SystemExit(f"train_torch: {name} not found in SOMA_DATA")


def images(name):
    return torch.from_numpy(idx(f"{name}-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28).astype(numpy.float32) / 255)


def labels(name):
    return torch.from_numpy(idx(f"{name}-labels-idx1-ubyte", 8).astype(numpy.int64))


def mlp():
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    return net, torch.optim.Adam(net.parameters(), 0.002), 64, nn.CrossEntropyLoss()


def cnn():
    net = nn.Sequential(nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6272, 128), nn.ReLU(),
                        nn.Linear(128, 10))
    return net, torch.optim.Adam(net.parameters(), 0.001, weight_decay=1e-4), 64, nn.CrossEntropyLoss()


def lenet():
    net = nn.Sequential(nn.Conv2d(1, 24, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(24, 32, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(),
                        nn.Linear(800, 256), nn.ReLU(), nn.Linear(256, 10), nn.LogSoftmax(1))
    return net, torch.optim.Adam(net.parameters(), 0.002, betas=(0.7, 0.9)), 256, nn.NLLLoss()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("preset", choices=["mnist-mlp", "mnist-cnn", "mnist-lenet"])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(1)
    net, optimizer, batch, loss = {"mnist-mlp": mlp, "mnist-cnn": cnn, "mnist-lenet": lenet}[asked.preset]()
    x, y = images("train"), labels("train")
    seconds = []
    for _ in range(asked.epochs):
        start = time.perf_counter()
        order = torch.randperm(len(x))
        for i in range(math.ceil(len(x) / batch)):
            rows = order[i * batch : (i + 1) * batch]
            optimizer.zero_grad(set_to_none=True)
            loss(net(x[rows]), y[rows]).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - start)
    with torch.no_grad():
        right = (net(images("t10k")).argmax(1) == labels("t10k")).sum().item()
    print(json.dumps({"epoch_seconds": seconds, "test_accuracy": right / 10000, "threads": asked.threads, "version": torch.__version__}))


main()
