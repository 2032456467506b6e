# small models as other tools write them → the arrays of soma run and the answers of soma predict beside onnxruntime's, to 1e-5; what soma refuses names operator and reason.
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

TOLERANCE = 1e-5
RANDOM = numpy.random.default_rng(7)


def weights(*shape):
    return RANDOM.normal(size=shape).astype("f4") / max(1, shape[-1]) ** 0.5


class Made:
    """A graph from "x" to the last operator's output."""

    def __init__(self, name, x, opset=17, dtype=TensorProto.FLOAT, batch="n", ir=8):
        self.name, self.opset, self.ir = name, opset, ir
        self.x = helper.make_tensor_value_info("x", dtype, [batch, *x])
        self.shape = [3 if isinstance(batch, str) else batch, *[4 if isinstance(e, str) else e for e in x]]
        self.nodes, self.arrays, self.outputs, self.domains = [], [], None, {}

    def array(self, values, name=None):
        name = name or f"c{len(self.arrays)}"
        self.arrays.append(numpy_helper.from_array(numpy.asarray(values), name))
        return name

    def op(self, kind, *inputs, outputs=1, domain="", **attributes):
        names = [i if isinstance(i, str) else self.array(i) for i in inputs]
        made = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, names, made, name=f"{kind}{len(self.nodes)}", domain=domain, **attributes))
        if domain:
            self.domains[domain] = 1
        return made[0] if outputs == 1 else made

    def model(self):
        outputs = self.outputs or [self.nodes[-1].output[0]]
        graph = helper.make_graph(self.nodes, self.name, [self.x], [helper.make_empty_tensor_value_info(o) for o in outputs], self.arrays)
        sets = [helper.make_opsetid("", self.opset), *[helper.make_opsetid(d, v) for d, v in self.domains.items()]]
        model = helper.make_model(graph, opset_imports=sets, ir_version=self.ir)
        try:
            return onnx.shape_inference.infer_shapes(model)
        except Exception:
            return model


def head(m, x, features, out=3):
    return m.op("Gemm", x, weights(out, features), weights(out), transB=1)


def models():
    m = Made("argmax-after-logits", [4]); m.op("ArgMax", head(m, "x", 4), axis=1, keepdims=0); yield m
    m = Made("average-pool-without-padding", [2, 8, 8]); m.op("Flatten", m.op("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])); yield m
    m = Made("average-pool-up", [2, 7, 7]); m.op("AveragePool", "x", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1, count_include_pad=1); yield m
    m = Made("batch-norm-as-products", [2, 8, 8]); m.op("Flatten", m.op("Add", m.op("Mul", m.op("Conv", "x", weights(2, 2, 3, 3)), weights(2, 1, 1)), weights(2, 1, 1))); yield m
    m = Made("batch-norm-1d", [4]); u = m.op("Unsqueeze", head(m, "x", 4), numpy.array([2])); m.op("Squeeze", m.op("BatchNormalization", u, *[abs(weights(3)) for _ in range(4)]), numpy.array([2])); yield m
    for mode in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        m = Made(f"conv-{mode}", [2, 8, 7]); m.op("Conv", "x", weights(4, 2, 3, 2), strides=[2, 2], auto_pad=mode); yield m
    m = Made("conv-asymmetric", [2, 8, 8]); m.op("Conv", "x", weights(4, 2, 3, 3), weights(4), pads=[0, 0, 1, 1], strides=[2, 2]); yield m
    m = Made("conv-groups-dilated", [4, 9, 9]); m.op("Conv", "x", weights(8, 2, 3, 3), group=2, dilations=[2, 2]); yield m
    m = Made("conv-1d", [3, 9]); m.op("Conv", "x", weights(4, 3, 3), pads=[1, 1]); yield m
    m = Made("conv-3d", [2, 5, 5, 5]); m.op("Conv", "x", weights(3, 2, 2, 2, 2)); yield m
    m = Made("conv-transpose", [3, 5, 5]); m.op("ConvTranspose", "x", weights(3, 4, 3, 3), weights(4), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]); yield m
    m = Made("free-features", ["features"]); head(m, "x", 4); yield m
    for approximate in ("none", "tanh"):
        m = Made(f"gelu-{approximate}", [4], opset=20, ir=9); m.op("Gelu", "x", approximate=approximate); yield m
    m = Made("half-weights", [4]); m.op("MatMul", "x", m.op("Cast", weights(4, 3).astype("f2"), to=TensorProto.FLOAT)); yield m
    m = Made("half-throughout", [4], dtype=TensorProto.FLOAT16); m.op("Relu", m.op("MatMul", "x", weights(4, 3).astype("f2"))); yield m
    m = Made("double-throughout", [4], dtype=TensorProto.DOUBLE); m.op("Sigmoid", m.op("MatMul", "x", weights(4, 3).astype("f8"))); yield m
    for kind in ("HardSwish", "HardSigmoid", "Mish", "Softsign", "Celu", "Selu", "Elu", "LeakyRelu", "ThresholdedRelu", "Softplus", "Erf"):
        m = Made(kind, [4], opset=18); m.op(kind, head(m, "x", 4)); yield m
    m = Made("input-without-channels", [4, 4]); head(m, m.op("Flatten", "x"), 16); yield m
    m = Made("input-scaled", [4]); head(m, m.op("Mul", "x", numpy.float32(1 / 255)), 4); yield m
    m = Made("channels-last", [8, 8, 2]); t = m.op("Transpose", "x", perm=[0, 3, 1, 2]); c = m.op("Relu", m.op("Conv", t, weights(4, 2, 3, 3), auto_pad="SAME_UPPER")); b = m.op("Transpose", c, perm=[0, 2, 3, 1]); p = m.op("Transpose", m.op("MaxPool", m.op("Transpose", b, perm=[0, 3, 1, 2]), kernel_shape=[2, 2], strides=[2, 2]), perm=[0, 2, 3, 1]); head(m, m.op("Reshape", p, numpy.array([-1, 64])), 64); yield m
    m = Made("channels-last-flattened", [8, 8, 1]); head(m, m.op("Flatten", "x"), 64); yield m
    m = Made("layer-norm", [4]); m.op("LayerNormalization", head(m, "x", 4), weights(3), weights(3)); yield m
    m = Made("group-norm", [4, 5, 5]); r = m.op("Reshape", "x", numpy.array([0, 2, -1])); i = m.op("InstanceNormalization", r, numpy.ones(2, "f4"), numpy.zeros(2, "f4")); m.op("Reshape", i, m.op("Shape", "x")); yield m
    m = Made("bias-behind-identity", [4]); m.op("Add", m.op("Identity", m.op("MatMul", "x", weights(4, 3))), weights(3)); yield m
    m = Made("two-biases", [4]); m.op("Add", m.op("Add", m.op("MatMul", "x", weights(4, 3)), weights(3)), weights(3)); yield m
    m = Made("max-pool-up", [2, 7, 7]); m.op("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1); yield m
    m = Made("max-pool-up-exact", [2, 8, 8]); m.op("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1); yield m
    m = Made("max-pool-places", [2, 6, 6]); m.outputs = m.op("MaxPool", "x", outputs=2, kernel_shape=[3, 3], dilations=[2, 2], pads=[1, 1, 1, 1]); yield m
    m = Made("pad-then-conv", [2, 8, 8]); m.op("Conv", m.op("Pad", "x", numpy.array([0, 0, 0, 0, 0, 0, 1, 1])), weights(3, 2, 3, 3), strides=[2, 2]); yield m
    m = Made("pad-of-nothing", [2, 4, 4]); m.op("Conv", m.op("Pad", "x", numpy.zeros(8, "i8")), weights(2, 2, 3, 3)); yield m
    for mode in ("reflect", "edge", "constant"):
        m = Made(f"pad-{mode}", [2, 4, 4]); m.op("Pad", "x", numpy.array([0, 0, 2, 1, 0, 0, 1, 3]), mode=mode); yield m
    m = Made("scale-residual", [4]); h = m.op("Relu", head(m, "x", 4, 4)); m.op("Add", m.op("Mul", head(m, h, 4, 4), numpy.float32(0.1)), "x"); yield m
    m = Made("softmax-of-images", [2, 8, 8], opset=12, ir=7); m.op("Softmax", "x", axis=1); yield m
    m = Made("softplus-by-where", [4]); m.op("Where", m.op("Greater", "x", numpy.float32(20)), "x", m.op("Log", m.op("Add", m.op("Exp", "x"), numpy.float32(1)))); yield m
    m = Made("reshape-merging-batch", [2, 8, 8], batch=1); m.op("Reshape", "x", numpy.array([4, -1])); yield m
    m = Made("shape-arithmetic", [2, 3, 3]); n = m.op("Gather", m.op("Shape", "x"), numpy.array([0])); m.op("Reshape", "x", m.op("Concat", n, numpy.array([-1]), axis=0)); yield m
    m = Made("attention", [5, 8]); q, k, v = (m.op("MatMul", "x", weights(8, 8)) for _ in range(3)); m.op("MatMul", m.op("Softmax", m.op("Div", m.op("MatMul", q, m.op("Transpose", k, perm=[0, 2, 1])), numpy.float32(8**0.5)), axis=-1), v); yield m
    m = Made("squeeze-and-excite", [4, 6, 6]); g = m.op("Sigmoid", m.op("Conv", m.op("GlobalAveragePool", "x"), weights(4, 4, 1, 1))); m.op("Mul", "x", g); yield m
    for kind, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
        m = Made(kind, [2, 3]); m.outputs = m.op(kind, "x", weights(2, gates * 5, 3), weights(2, gates * 5, 5), weights(2, 2 * gates * 5), outputs=2, hidden_size=5, direction="bidirectional"); yield m
    m = Made("quantised-linear", [4]); q = m.op("DequantizeLinear", m.op("QuantizeLinear", "x", numpy.float32(0.02), numpy.uint8(128)), numpy.float32(0.02), numpy.uint8(128)); w = m.op("DequantizeLinear", (weights(4, 3) * 100).astype("i1"), abs(weights(3)) / 50, numpy.zeros(3, "i1"), axis=1); m.op("Add", m.op("MatMul", q, w), weights(3)); yield m
    m = Made("quantised-operators", [2, 6, 6]); b = m.op("QuantizeLinear", "x", numpy.float32(0.02), numpy.uint8(120)); c = m.op("QLinearConv", b, numpy.float32(0.02), numpy.uint8(120), (weights(3, 2, 3, 3) * 100).astype("i1"), numpy.full(3, 0.01, "f4"), numpy.zeros(3, "i1"), numpy.float32(0.05), numpy.uint8(99), numpy.array([5, -9, 40], "i4")); m.op("DequantizeLinear", c, numpy.float32(0.05), numpy.uint8(99)); yield m
    m = Made("resize-nearest", [2, 4, 4]); m.op("Resize", "x", "", numpy.array([1, 1, 2, 2], "f4"), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"); yield m
    m = Made("resize-linear", [2, 4, 4]); m.op("Resize", "x", "", "", numpy.array([3, 2, 7, 9]), mode="linear"); yield m
    m = Made("table", [4]); s = m.op("Scaler", "x", domain="ai.onnx.ml", offset=[0.1, 0.2, 0.3, 0.4], scale=[1.0, 2.0, 3.0, 4.0]); p = m.op("Softmax", head(m, s, 4), axis=1); l = m.op("ArrayFeatureExtractor", numpy.array([7, 8, 9]), m.op("ArgMax", p, axis=1, keepdims=0), domain="ai.onnx.ml"); m.outputs = [m.op("Reshape", l, numpy.array([-1])), p]; yield m
    m = Made("linear-classifier", [4]); m.outputs = m.op("LinearClassifier", "x", outputs=2, domain="ai.onnx.ml", coefficients=weights(12).tolist(), intercepts=[0.1, 0.2, 0.3], classlabels_ints=[1, 2, 3], post_transform="SOFTMAX", multi_class=1); yield m
    m = Made("linear-regressor", [4]); m.op("LinearRegressor", "x", domain="ai.onnx.ml", coefficients=weights(4).tolist(), intercepts=[0.1]); yield m
    m = Made("gather-and-scatter", [5]); g = m.op("Gather", "x", numpy.array([3, 1, 0]), axis=1); m.op("ScatterElements", "x", numpy.array([[0, 1, 2]] * 3), g, axis=1); yield m
    m = Made("topk", [6]); m.outputs = m.op("TopK", "x", numpy.array([2]), outputs=2); yield m
    m = Made("nonzero", [3]); m.op("NonZero", "x"); yield m
    m = Made("split-and-tile", [6]); a, b = m.op("Split", "x", numpy.array([2, 4]), axis=1, outputs=2); m.op("Concat", m.op("Tile", a, numpy.array([1, 2])), b, axis=1); yield m
    for kind in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceL2", "ReduceLogSumExp"):
        m = Made(kind, [3, 4], opset=18); m.op(kind, "x", numpy.array([1]), keepdims=0); yield m
    m = Made("einsum", [3, 4]); m.op("Einsum", "x", weights(4, 5), equation="bij,jk->bik"); yield m
    m = Made("one-number", [4]); m.op("MatMul", m.op("Relu", head(m, "x", 4, 5)), weights(5, 1)); yield m
    m = Made("one-probability", [4]); m.op("Sigmoid", head(m, "x", 4, 1)); yield m
    m = Made("normalised-images", [3, 6, 6]); s = m.op("Div", m.op("Sub", m.op("Mul", "x", numpy.float32(1 / 255)), weights(3, 1, 1)), abs(weights(1, 3, 1, 1)) + numpy.float32(0.5)); head(m, m.op("Flatten", m.op("Conv", s, weights(2, 3, 3, 3))), 32); yield m
    m = Made("channels-last-normalised", [6, 6, 3]); s = m.op("Div", m.op("Sub", "x", weights(3)), abs(weights(1, 1, 3)) + numpy.float32(0.5)); c = m.op("Relu", m.op("Add", m.op("Transpose", m.op("Conv", m.op("Transpose", s, perm=[0, 3, 1, 2]), weights(4, 3, 3, 3)), perm=[0, 2, 3, 1]), weights(4))); head(m, m.op("Reshape", c, numpy.array([-1, 64])), 64); yield m
    m = Made("channels-last-pooled", [6, 6, 3]); c = m.op("Transpose", m.op("Conv", m.op("Transpose", "x", perm=[0, 3, 1, 2]), weights(4, 3, 3, 3)), perm=[0, 2, 3, 1]); g = m.op("ReduceMean", m.op("Mul", c, m.op("Sigmoid", c)), axes=[1, 2], keepdims=0); head(m, g, 4); yield m
    m = Made("global-max-pool", [3, 6, 6]); head(m, m.op("Flatten", m.op("GlobalMaxPool", m.op("Conv", "x", weights(4, 3, 3, 3)))), 4); yield m
    m = Made("probabilities-and-classes", [4]); p = m.op("Softmax", head(m, "x", 4), axis=1); m.outputs = [m.op("ArgMax", p, axis=1), p]; yield m
    m = Made("joined", [4]); a = m.op("Sigmoid", head(m, "x", 4, 1)); m.op("Concat", m.op("Sub", numpy.float32(1), a), a, axis=1); yield m
    m = Made("clip-and-power", [4]); m.op("Pow", m.op("Clip", "x", numpy.float32(0), numpy.float32(6)), numpy.float32(2)); yield m
    m = Made("cumulative", [4]); m.op("CumSum", "x", numpy.array(1)); yield m


def external(room, name="external-data"):
    """As torch saves by default: the arrays in a second file."""
    m = Made(name, [4]); head(m, "x", 4)
    model = m.model()
    onnx.save(model, room / "model.onnx", save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    return m


def softmax(y):
    e = numpy.exp(y - y.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def predicted(soma, room, x, theirs):
    """What soma predict makes of the same samples, which it takes with channels last: "" where it agrees or says why it does not answer."""
    if x.ndim not in (2, 4) or x.dtype != numpy.float32 or theirs[0].ndim == 0 or theirs[0].shape[0] != len(x):
        return ""
    for samples in (x, numpy.moveaxis(x, 1, -1)):
        numpy.save(room / "samples.npy", numpy.ascontiguousarray(samples))
        made = subprocess.run([soma, "predict", room / "model.onnx", room / "samples.npy", "--json"], capture_output=True, text=True)
        if made.returncode == 0:
            break
    if made.returncode != 0:
        return "" if made.returncode == 1 and made.stderr.count("\n") == 1 else f"predict: exit status {made.returncode}: {made.stderr}"
    rows = json.loads(made.stdout.splitlines()[-1])["predictions"]
    key = next(k for k in ("outputs", "probabilities", "output", "values") if k in rows[0])
    if isinstance(rows[0][key], dict):  # of a graph: every output by its name; of a number: its name
        ours = [numpy.array([numpy.ravel(row[key][name]) for row in rows]) for name in rows[0][key]]
        pairs = [(a, b.reshape(len(x), -1)) for a, b in zip(ours, theirs) if b.dtype.kind == "f"]
    else:
        ours = numpy.array([numpy.ravel(row[key]) for row in rows])
        wanted = [y.reshape(len(x), -1) for y in theirs if y.dtype.kind == "f"]
        if not wanted:  # classes alone
            return "" if [row["label"] for row in rows] == theirs[0].ravel().tolist() else "predict: other classes"
        means = [f(y) for y in wanted for f in (lambda y: y, softmax, numpy.exp) if y.shape == ours.shape]
        pairs = [(ours, min(means, key=lambda y: float(numpy.abs(y - ours).max())))] if means else [(ours, ours + 1)]
    worst = max((float(numpy.max(numpy.abs(a.astype("f8") - b) / numpy.maximum(1, numpy.abs(b)), initial=0)) for a, b in pairs), default=0)
    return "" if worst <= TOLERANCE else f"predict differs by {worst:.1e}"


def run(soma, room, shape, dtype):
    x = RANDOM.normal(size=shape).astype(dtype)
    session = onnxruntime.InferenceSession(room / "model.onnx", providers=["CPUExecutionProvider"])
    theirs = session.run(None, {"x": x})
    numpy.save(room / "x.npy", x)
    made = subprocess.run([soma, "run", room / "model.onnx", "--input", f"x={room / 'x.npy'}", "--output", room / "out"], capture_output=True, text=True)
    if made.returncode != 0:
        return made.stderr.strip()
    for port, wanted in zip(session.get_outputs(), theirs):
        got = numpy.load(room / "out" / f"{port.name}.npy")
        if got.shape != wanted.shape or got.dtype != wanted.dtype:
            return f"{port.name}: {got.dtype} {got.shape}, onnxruntime's is {wanted.dtype} {wanted.shape}"
        bound = TOLERANCE if wanted.dtype != numpy.float16 else 2e-3
        difference = numpy.max(numpy.abs(got.astype("f8") - wanted) / numpy.maximum(1, numpy.abs(wanted.astype("f8"))), initial=0)
        if not difference <= bound:
            return f"{port.name} differs by {difference:.1e}"
    return predicted(soma, room, x, theirs)


def main(soma):
    failures = total = 0
    for make in [*models(), None]:
        with tempfile.TemporaryDirectory() as directory:
            room = pathlib.Path(directory)
            m = make or external(room)
            if make:
                onnx.save(make.model(), room / "model.onnx")
            dtype = helper.tensor_dtype_to_np_dtype(m.x.type.tensor_type.elem_type)
            try:
                problem = run(soma, room, m.shape, dtype)
            except Exception as failure:  # one bad model must not hide the others
                problem = f"{type(failure).__name__}: {failure}"
            total += 1
            failures += bool(problem)
            if problem:
                print(f"FAIL {m.name}: {problem}")
    print(f"{total - failures} of {total} small models of other tools agree with onnxruntime {onnxruntime.__version__} to {TOLERANCE}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
