# seeds → random graphs of operators, in soma run and in onnxruntime: both within a bound of what float64 gives, worked out beside it operator by operator.
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

EPS = 2.0**-24  # half a unit in the last place of float32
TINY = 1e-37  # below it float32 loses digits

onnxruntime.set_default_logger_severity(4)


def erf(x):
    from math import erf

    return np.vectorize(erf, otypes=["f8"])(x)


# Name, opset-17 function in float64, units in the last place that implementations lose. All are continuous.
UNARY = {
    "Relu": (lambda x: np.maximum(x, 0), 0), "Sigmoid": (lambda x: 1 / (1 + np.exp(-x)), 16), "Tanh": (np.tanh, 16), "Exp": (lambda x: np.exp(np.minimum(x, 20)), 8),
    "Abs": (np.abs, 0), "Neg": (np.negative, 0), "Erf": (erf, 16), "Softplus": (lambda x: np.logaddexp(x, 0), 16), "Softsign": (lambda x: x / (1 + np.abs(x)), 4),
    "Elu": (lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), 16), "LeakyRelu": (lambda x: np.where(x > 0, x, 0.01 * x), 2),
    "HardSigmoid": (lambda x: np.clip(0.2 * x + 0.5, 0, 1), 4), "HardSwish": (lambda x: x * np.clip(x / 6 + 0.5, 0, 1), 6), "Sin": (np.sin, 16), "Cos": (np.cos, 16), "Identity": (lambda x: x, 0),
}


class Value:
    """Elements in float64, and how far from them a computation in float32 may be."""

    def __init__(self, name, x, error):
        self.name, self.x, self.error = name, x, np.broadcast_to(error, x.shape)


class Graph:
    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.arrays, self.values = [], [], []
        rank = self.random.choice([2, 3, 4], p=[0.4, 0.15, 0.45])
        shape = [int(self.random.integers(1, 4)), *(int(self.random.integers(1, 7)) for _ in range(rank - 1))]
        x = self.random.normal(size=shape).astype("f4")
        self.inputs = [Value("x", x.astype("f8"), 0.0)]
        self.values = list(self.inputs)
        for _ in range(int(self.random.integers(2, 14))):
            recipe = getattr(self, self.random.choice([name for name in dir(self) if name.startswith("add_")]))
            recipe(self.pick())
        self.outputs = list({v.name: v for v in [self.values[-1], self.pick()] if v is not self.inputs[0]}.values())
        if not self.outputs:
            self.add_unary(self.inputs[0])
            self.outputs = [self.values[-1]]

    def pick(self):
        return self.values[-1] if self.random.random() < 0.7 else self.values[int(self.random.integers(len(self.values)))]

    def constant(self, shape, scale=1.0):
        array = (self.random.normal(size=shape) * scale).astype("f4")
        return self.keep(array), array.astype("f8")

    def keep(self, array):
        self.arrays.append(numpy_helper.from_array(np.asarray(array), f"c{len(self.arrays)}"))
        return self.arrays[-1].name

    def emit(self, kind, inputs, x, error, lost=0, **attributes):
        """Appends an operator whose result in float64 is x; errors from its inputs come as `error`, its own are `lost` half units and the rounding."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        self.values.append(Value(name, x, error + (lost + (lost > 0)) * EPS * np.abs(x) + TINY * (lost > 0)))

    def add_unary(self, v):
        kind = self.random.choice(list(UNARY))
        f, lost = UNARY[kind]
        if kind == "Exp" and v.x.max(initial=0) > 15:
            return
        steepest = {"Erf": 1.13, "HardSwish": 1.5, "Exp": np.exp(v.x + v.error)}
        y, slope = f(v.x), steepest.get(kind, 1.0)
        sums = kind in ("Sin", "Cos", "Elu", "Softplus", "HardSigmoid", "HardSwish")  # what is lost of arguments and of sums inside is absolute
        self.emit(kind, [v.name], y, slope * v.error + sums * 16 * EPS * (1 + np.abs(v.x)), lost)

    def add_binary(self, v):
        kind = self.random.choice(["Add", "Sub", "Mul", "Div"])
        same = [w for w in self.values if w.x.shape == v.x.shape]
        if self.random.random() < 0.5 and kind != "Div":
            w = same[int(self.random.integers(len(same)))]
        else:
            shape = [e if self.random.random() < 0.5 else 1 for e in v.x.shape][int(self.random.integers(v.x.ndim)):]
            name, c = self.constant(shape)
            if kind == "Div":
                c = np.abs(c) + 0.5
                name = self.keep(c.astype("f4"))
                c = c.astype("f4").astype("f8")
            w = Value(name, c, 0.0)
        y = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}[kind](v.x, w.x)
        error = v.error + w.error
        if kind == "Mul":
            error = v.error * np.abs(w.x) + w.error * np.abs(v.x) + v.error * w.error
        if kind == "Div":
            error = v.error / np.abs(w.x)
        self.emit(kind, [v.name, w.name], y, error, 2)
        # Where constants are folded into weights or become factors, each term is rounded by itself.
        self.values[-1].error = self.values[-1].error + 6 * EPS * (np.abs(v.x) * (np.abs(w.x) if kind == "Mul" else 1 / np.abs(w.x) if kind == "Div" else 1) + (np.abs(w.x) if kind in ("Add", "Sub") else 0))

    def add_product(self, v):
        if v.x.ndim < 2:
            return
        k, n = v.x.shape[-1], int(self.random.integers(1, 20))
        name, w = self.constant([k, n], k**-0.5)
        magnitude = np.abs(v.x) @ np.abs(w)
        y, error, lost = v.x @ w, v.error @ np.abs(w), (k + 6) * EPS * magnitude
        if v.x.ndim == 2 and self.random.random() < 0.6:
            bias, b = self.constant([n])
            turned = bool(self.random.random() < 0.5)
            if turned:
                name = self.keep(w.T.astype("f4"))
            self.emit("Gemm", [v.name, name, bias], y + b, error + lost + 4 * EPS * np.abs(b), 1, transB=int(turned))
        else:
            self.emit("MatMul", [v.name, name], y, error + lost, 1)

    def windows(self, x, kernel, strides, pads, dilations, fill=0.0):
        x = np.pad(x, [(0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])], constant_values=fill)
        size = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
        view = np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3))
        return view[:, :, :: strides[0], :: strides[1], :: dilations[0], :: dilations[1]]

    def geometry(self, x):
        kernel = [int(self.random.integers(1, min(4, e + 1))) for e in x.shape[2:]]
        strides, dilations = [int(self.random.integers(1, 3)) for _ in kernel], [1, 1]
        pads = [int(self.random.integers(0, k)) for k in kernel * 2]
        if self.random.random() < 0.6:
            pads = pads[:2] * 2
        return kernel, strides, pads, dilations

    def add_convolution(self, v):
        if v.x.ndim != 4:
            return
        channels = v.x.shape[1]
        groups = channels if self.random.random() < 0.25 else 1
        out = groups * int(self.random.integers(1, 4)) if groups > 1 else int(self.random.integers(1, 9))
        kernel, strides, pads, dilations = self.geometry(v.x)
        depth = channels // groups * kernel[0] * kernel[1]
        name, w = self.constant([out, channels // groups, *kernel], depth**-0.5)
        bias, b = self.constant([out])

        def convolve(x, w):
            view = self.windows(x, kernel, strides, pads, dilations)
            parts = [np.einsum("nchwij,ocij->nohw", view[:, g * channels // groups : (g + 1) * channels // groups], w[g * out // groups : (g + 1) * out // groups]) for g in range(groups)]
            return np.concatenate(parts, 1)

        b = b.reshape(1, -1, 1, 1)
        error = convolve(v.error, np.abs(w)) + (depth + 6) * EPS * convolve(np.abs(v.x), np.abs(w)) + 4 * EPS * np.abs(b)
        self.emit("Conv", [v.name, name, bias], convolve(v.x, w) + b, error, 1, kernel_shape=kernel, strides=strides, pads=pads, group=groups)

    def add_pool(self, v):
        if v.x.ndim != 4:
            return
        kernel, strides, pads, dilations = self.geometry(v.x)
        if self.random.random() < 0.5:
            if any(p >= k for p, k in zip(pads, kernel * 2)):
                return
            reach = self.windows(v.x, kernel, strides, pads, dilations, -np.inf).max((4, 5))
            self.emit("MaxPool", [v.name], reach, self.windows(v.error, kernel, strides, pads, dilations).max((4, 5)), kernel_shape=kernel, strides=strides, pads=pads)
            return
        counted = int(self.random.random() < 0.5)
        ones = self.windows(np.ones_like(v.x), kernel, strides, pads, dilations, float(counted)).sum((4, 5))
        mean = lambda x: self.windows(x, kernel, strides, pads, dilations).sum((4, 5)) / ones
        self.emit("AveragePool", [v.name], mean(v.x), mean(v.error) + (kernel[0] * kernel[1] + 3) * EPS * mean(np.abs(v.x)), 1, kernel_shape=kernel, strides=strides, pads=pads, count_include_pad=counted)

    def add_norm(self, v):
        if v.x.ndim < 2 or v.x.ndim == 3:
            return
        channels = v.x.shape[1]
        scale, bias, mean = (self.constant([channels]) for _ in range(3))
        variance = np.abs(self.random.normal(size=channels)).astype("f4") + np.float32(0.3)
        shaped = lambda c: c.reshape(1, -1, *[1] * (v.x.ndim - 2))
        factor = shaped(scale[1] / np.sqrt(variance.astype("f8") + 1e-5))
        y = (v.x - shaped(mean[1])) * factor + shaped(bias[1])
        error = v.error * np.abs(factor) + 12 * EPS * (np.abs(factor) * (np.abs(v.x) + np.abs(shaped(mean[1]))) + np.abs(shaped(bias[1])))
        self.emit("BatchNormalization", [v.name, scale[0], bias[0], mean[0], self.keep(variance)], y, error, 1)

    def add_softmax(self, v):
        if v.x.size == 0:
            return
        axis = -1 if self.random.random() < 0.7 else int(self.random.integers(v.x.ndim))
        e = np.exp(v.x - v.x.max(axis, keepdims=True))
        y = e / e.sum(axis, keepdims=True)
        worst = np.broadcast_to(v.error.max(axis, keepdims=True), y.shape)
        spread = np.ptp(v.x, axis=axis, keepdims=True)
        self.emit("Softmax", [v.name], y, 2 * y * np.expm1(np.minimum(2 * worst, 1)) + y * EPS * (v.x.shape[axis] + 2 * spread), 16, axis=axis)

    def add_reduction(self, v):
        if v.x.ndim < 2:
            return
        axes = sorted({int(self.random.integers(1, v.x.ndim)) for _ in range(2)})
        keep = int(self.random.random() < 0.5) or int(v.x.ndim - len(axes) < 2)
        n = int(np.prod([v.x.shape[a] for a in axes]))
        reduce = {"keepdims": bool(keep), "axis": tuple(axes)}
        kind = self.random.choice(["ReduceMean", "ReduceMax", "ReduceMin"])
        if kind == "ReduceMean":
            self.emit(kind, [v.name], v.x.mean(**reduce), v.error.mean(**reduce) + (n + 2) * EPS * np.abs(v.x).mean(**reduce), 1, axes=axes, keepdims=keep)
        else:
            self.emit(kind, [v.name], (v.x.max if kind == "ReduceMax" else v.x.min)(**reduce), v.error.max(**reduce), axes=axes, keepdims=keep)

    def move(self, kind, inputs, v, how, **attributes):
        self.emit(kind, inputs, how(v.x), how(v.error), **attributes)

    def add_transpose(self, v):
        perm = [0, *(1 + self.random.permutation(v.x.ndim - 1)).tolist()]
        if v.x.ndim == 4 and self.random.random() < 0.6:
            perm = [0, 3, 1, 2] if self.random.random() < 0.5 else [0, 2, 3, 1]
        self.move("Transpose", [v.name], v, lambda x: np.transpose(x, perm), perm=perm)

    def add_flatten(self, v):
        if self.random.random() < 0.3:
            self.move("Flatten", [v.name], v, lambda x: x.reshape(x.shape[0], -1), axis=1)

    def add_reshape(self, v):
        if self.random.random() < 0.3 and v.x.size > 0:
            shape = [v.x.shape[0], -1] if self.random.random() < 0.5 else [v.x.shape[0], -1, 1, v.x.shape[-1]]
            self.move("Reshape", [v.name, self.keep(np.array(shape))], v, lambda x: x.reshape(shape))

    def add_slice(self, v):
        axis = int(self.random.integers(v.x.ndim))
        if axis > 0 and v.x.shape[axis] > 1:
            to = int(self.random.integers(1, v.x.shape[axis] + 1))
            self.move("Slice", [v.name, self.keep(np.array([0])), self.keep(np.array([to])), self.keep(np.array([axis]))], v, lambda x: np.take(x, range(to), axis))

    def add_concat(self, v):
        fits = [w for w in self.values if w.x.ndim == v.x.ndim and w.x.shape[0] == v.x.shape[0] and w.x.shape[2:] == v.x.shape[2:]]
        w = fits[int(self.random.integers(len(fits)))]
        if v.x.ndim > 1 and v.x.shape[1] + w.x.shape[1] < 40:
            self.emit("Concat", [v.name, w.name], np.concatenate([v.x, w.x], 1), np.concatenate([v.error, w.error], 1), axis=1)

    def add_pad(self, v):
        if v.x.ndim == 4 and max(v.x.shape) < 12:
            p = [int(n) for n in self.random.integers(0, 2, 4)]
            how = lambda x: np.pad(x, [(0, 0), (0, 0), (p[0], p[2]), (p[1], p[3])])
            self.move("Pad", [v.name, self.keep(np.array([0, 0, p[0], p[1], 0, 0, p[2], p[3]]))], v, how)

    def add_clip(self, v):
        self.move("Clip", [v.name, self.keep(np.float32(-1.5)), self.keep(np.float32(2))], v, lambda x: x)
        self.values[-1].x = np.clip(v.x, -1.5, 2)

    def model(self):
        ports = [helper.make_tensor_value_info(v.name, TensorProto.FLOAT, ["n", *v.x.shape[1:]]) for v in self.inputs]
        outputs = [helper.make_tensor_value_info(v.name, TensorProto.FLOAT, None) for v in self.outputs]
        graph = helper.make_graph(self.nodes, "random", ports, outputs, self.arrays)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def problem_of(soma, graph, room):
    file = room / "model.onnx"
    onnx.save(graph.model(), file)
    feeds = {v.name: v.x.astype("f4") for v in graph.inputs}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # it puts a Pad of zeros into a MaxPool, whose padding is no zeros
    theirs = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"]).run([v.name for v in graph.outputs], feeds)
    np.save(room / "x.npy", feeds["x"])
    run = subprocess.run([soma, "run", file, "--input", f"x={room / 'x.npy'}", "--output", room / "out"], capture_output=True, text=True)
    if run.returncode != 0:
        return f"refused: {run.stderr.strip()[-200:]}"
    for v, other in zip(graph.outputs, theirs):
        ours = np.load(room / "out" / f"{v.name}.npy")
        if ours.shape != v.x.shape:
            return f"{v.name}: shape {ours.shape}, wanted {v.x.shape}"
        if not np.isfinite(v.x).all() or np.abs(v.x).max(initial=0) > 1e30:
            continue
        for who, y in (("soma", ours), ("onnxruntime", other)):
            over = np.max(np.abs(y.astype("f8") - v.x) / np.maximum(v.error, TINY), initial=0, where=np.abs(y.astype("f8") - v.x) > TINY)
            if over > 1:
                return f"{v.name}: {who} is {over:.2g} times the bound away"
    return ""


def main(soma, seconds, first=0):
    seed, found, end = first, {}, time.time() + seconds
    while time.time() < end:
        with tempfile.TemporaryDirectory() as directory:
            try:
                problem = problem_of(soma, Graph(seed), pathlib.Path(directory))
            except Exception as failure:
                problem = f"{type(failure).__name__}: {str(failure)[:200]}"
        if problem:
            found[seed] = problem
            print(f"seed {seed}: {problem}", flush=True)
        seed += 1
    print(f"{seed - first} random graphs in soma run and onnxruntime {onnxruntime.__version__}: {len(found)} beyond the bound")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0))
