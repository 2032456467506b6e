# ToyNeuralNet over NumPy arrays of doubles.
import numpy as np

from toynn import run


class Net:
    def __init__(self, sizes, x, target, rate):
        self.x, self.target, self.rate = np.array(x), np.array(target)[:, None], rate
        self.w = [0.125 * ((7 * np.arange(outs)[:, None] + 3 * np.arange(ins) + l) % 11 - 5)
                  for l, (ins, outs) in enumerate(zip(sizes, sizes[1:]))]
        self.b = [np.zeros(size) for size in sizes[1:]]

    def forward(self, first, last):
        ys = [self.x[first:last]]
        for w, b in zip(self.w, self.b):
            ys.append(1.0 / (1.0 + np.exp(-(ys[-1] @ w.T + b))))
        return ys

    def predict(self, first, last):
        return self.forward(first, last)[-1][:, 0]

    def train(self, first, last):
        ys = self.forward(first, last)
        dy = 2.0 / (last - first) * (ys[-1] - self.target[first:last]) * ys[-1] * (1.0 - ys[-1])
        for l in reversed(range(len(self.w))):
            dx = (dy @ self.w[l]) * ys[l] * (1.0 - ys[l]) if l > 0 else None
            self.w[l] -= self.rate * (dy.T @ ys[l])
            self.b[l] -= self.rate * dy.sum(axis=0)
            dy = dx


run(Net)
