# ToyNeuralNet over one flat array.array per matrix.
from array import array
from math import exp

from toynn import first_weight, run


class Net:
    def __init__(self, sizes, x, target, rate):
        self.sizes, self.target, self.rate = sizes, target, rate
        self.x = array("d", (value for row in x for value in row))
        self.w = [array("d", (first_weight(l, o, i) for o in range(sizes[l + 1]) for i in range(sizes[l]))) for l in range(len(sizes) - 1)]
        self.b = [array("d", [0.0]) * size for size in sizes[1:]]

    def forward(self, first, last):
        ys, count = [self.x[first * self.sizes[0]:last * self.sizes[0]]], last - first
        for l, (w, b) in enumerate(zip(self.w, self.b)):
            ins, outs, x = self.sizes[l], self.sizes[l + 1], ys[-1]
            y = array("d", [0.0]) * (count * outs)
            for n in range(count):
                for o in range(outs):
                    total = b[o]
                    for i in range(ins):
                        total += w[o * ins + i] * x[n * ins + i]
                    y[n * outs + o] = 1.0 / (1.0 + exp(-total))
            ys.append(y)
        return ys

    def predict(self, first, last):
        return self.forward(first, last)[-1]

    def train(self, first, last):
        ys, count = self.forward(first, last), last - first
        dy = array("d", (2.0 / count * (y - self.target[first + n]) * y * (1.0 - y) for n, y in enumerate(ys[-1])))
        for l in reversed(range(len(self.w))):
            w, b, x, ins, outs = self.w[l], self.b[l], ys[l], self.sizes[l], self.sizes[l + 1]
            dx = array("d", [0.0]) * (count * ins)
            if l > 0:
                for n in range(count):
                    for o in range(outs):
                        for i in range(ins):
                            dx[n * ins + i] += dy[n * outs + o] * w[o * ins + i]
                for k in range(count * ins):
                    dx[k] *= x[k] * (1.0 - x[k])
            for n in range(count):
                for o in range(outs):
                    step = self.rate * dy[n * outs + o]
                    b[o] -= step
                    for i in range(ins):
                        w[o * ins + i] -= step * x[n * ins + i]
            dy = dx


run(Net)
