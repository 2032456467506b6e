# ToyNeuralNet over lists of lists of floats.
from math import exp

from toynn import first_weight, run


class Net:
    def __init__(self, sizes, x, target, rate):
        self.sizes, self.x, self.target, self.rate = sizes, x, target, rate
        self.w = [[[first_weight(l, o, i) for i in range(sizes[l])] for o in range(sizes[l + 1])] for l in range(len(sizes) - 1)]
        self.b = [[0.0] * size for size in sizes[1:]]

    def forward(self, first, last):
        ys = [self.x[first:last]]
        for w, b in zip(self.w, self.b):
            rows = []
            for x in ys[-1]:
                row = []
                for o in range(len(w)):
                    total = b[o]
                    for i in range(len(x)):
                        total += w[o][i] * x[i]
                    row.append(1.0 / (1.0 + exp(-total)))
                rows.append(row)
            ys.append(rows)
        return ys

    def predict(self, first, last):
        return [row[0] for row in self.forward(first, last)[-1]]

    def train(self, first, last):
        ys, count = self.forward(first, last), last - first
        dy = [[2.0 / count * (y[0] - self.target[first + n]) * y[0] * (1.0 - y[0])] for n, y in enumerate(ys[-1])]
        for l in reversed(range(len(self.w))):
            w, b, x = self.w[l], self.b[l], ys[l]
            dx = [[0.0] * self.sizes[l] for _ in range(count)]
            if l > 0:
                for n in range(count):
                    for o in range(len(w)):
                        for i in range(len(w[o])):
                            dx[n][i] += dy[n][o] * w[o][i]
                    for i in range(self.sizes[l]):
                        dx[n][i] *= x[n][i] * (1.0 - x[n][i])
            for n in range(count):
                for o in range(len(w)):
                    step = self.rate * dy[n][o]
                    b[o] -= step
                    for i in range(len(w[o])):
                        w[o][i] -= step * x[n][i]
            dy = dx


run(Net)
