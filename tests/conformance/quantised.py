# networks as onnxruntime's quantiser writes them (QDQ, operators on bytes, dynamic; a scale each tensor or channel) → soma run beside onnxruntime.
import logging
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

TOLERANCE = 1e-5
RANDOM = numpy.random.default_rng(5)
logging.disable()


class Made:
    """A network, node by node: each takes and gives one value, its arrays are drawn."""

    def __init__(self, name, shape):
        self.name, self.shape, self.nodes, self.arrays, self.last = name, shape, [], [], "x"

    def op(self, kind, *arrays, inputs=None, **attributes):
        names = []
        for array in arrays:
            names.append(f"a{len(self.arrays)}")
            drawn = RANDOM.normal(size=array) / max(1, numpy.prod(array[1:])) ** 0.5 if isinstance(array, tuple) else array
            self.arrays.append(numpy_helper.from_array(numpy.asarray(drawn, "f4"), names[-1]))
        before, self.last = inputs or [self.last], f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [*before, *names], [self.last], **attributes))
        return self.last

    def model(self):
        self.nodes[-1].output[0] = "y"
        ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *self.shape])], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
        graph = helper.make_graph(self.nodes, self.name, *ports, self.arrays)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def networks():
    m = Made("gemm", [20]); m.op("Gemm", (32, 20), (32,), transB=1); m.op("Relu"); m.op("Gemm", (5, 32), (5,), transB=1); m.op("Sigmoid"); yield m
    m = Made("matmul", [20]); m.op("MatMul", (20, 32)); m.op("Add", (32,)); m.op("LeakyRelu"); m.op("MatMul", (32, 5)); yield m
    m = Made("convolutions", [3, 12, 12]); m.op("Conv", (8, 3, 3, 3), (8,), pads=[1, 1, 1, 1]); m.op("Relu"); m.op("MaxPool", kernel_shape=[2, 2], strides=[2, 2]); m.op("Conv", (12, 4, 3, 3), (12,), group=2, strides=[2, 2], pads=[1, 1, 1, 1]); m.op("Clip", 0.0, 6.0); m.op("GlobalAveragePool"); m.op("Flatten"); m.op("Gemm", (5, 12), (5,), transB=1); m.op("Softmax"); yield m
    m = Made("residual", [3, 6, 6]); m.op("Conv", (6, 3, 3, 3), (6,), pads=[1, 1, 1, 1]); b = m.op("Relu"); c = m.op("Conv", (6, 6, 3, 3), (6,), pads=[1, 1, 1, 1]); m.op("Add", inputs=[b, c]); e = m.op("Relu"); m.op("Concat", inputs=[e, b], axis=1); m.op("AveragePool", kernel_shape=[2, 2], strides=[2, 2]); m.op("Flatten"); m.op("Gemm", (4, 108), (4,), transB=1); yield m
    m = Made("gate", [4, 6, 6]); g = m.op("GlobalAveragePool"); m.op("Conv", (4, 4, 1, 1), (4,)); g = m.op("Sigmoid"); m.op("Mul", inputs=["x", g]); m.op("Flatten"); m.op("Gemm", (3, 144), (3,), transB=1); yield m


class Rows(CalibrationDataReader):
    def __init__(self, shape):
        self.rows = iter([{"x": RANDOM.normal(size=[4, *shape]).astype("f4")} for _ in range(8)])

    def get_next(self):
        return next(self.rows, None)


def quantise(room, shape, form, per_channel, activations, weights):
    whole, file = room / "float.onnx", room / "model.onnx"
    if form == "dynamic":
        quantize_dynamic(whole, file, per_channel=per_channel, weight_type=weights)
    else:
        quantize_static(whole, file, Rows(shape), quant_format=QuantFormat[form], per_channel=per_channel, activation_type=activations, weight_type=weights)


def difference(soma, room, shape):
    """The least of those to onnxruntime as the file stands, and as it fuses it: the two round at different places."""
    x = RANDOM.normal(size=[16, *shape]).astype("f4")
    numpy.save(room / "x.npy", x)
    made = subprocess.run([soma, "run", room / "model.onnx", "--input", f"x={room / 'x.npy'}", "--output", room / "out"], capture_output=True, text=True)
    if made.returncode != 0:
        return made.stderr.strip()
    ours, least = numpy.load(room / "out" / "y.npy"), numpy.inf
    for level in (onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = level
        (theirs,) = onnxruntime.InferenceSession(room / "model.onnx", options, providers=["CPUExecutionProvider"]).run(None, {"x": x})
        if theirs.shape != ours.shape:
            return f"{ours.shape}, onnxruntime's is {theirs.shape}"
        least = min(least, float(numpy.abs(ours - theirs).max()))
    return "" if least <= TOLERANCE else f"differs by {least:.1e}"


def main(soma):
    total = failures = 0
    unsigned, signed = QuantType.QUInt8, QuantType.QInt8
    for network in networks():
        for form in ("QDQ", "QOperator", "dynamic"):
            for per_channel in (False, True):
                for activations, weights in ((unsigned, signed), (unsigned, unsigned)) + (((signed, signed),) if form != "dynamic" else ()):
                    with tempfile.TemporaryDirectory() as directory:
                        room = pathlib.Path(directory)
                        onnx.save(network.model(), room / "float.onnx")
                        quantise(room, network.shape, form, per_channel, activations, weights)
                        problem = difference(soma, room, network.shape)
                    total += 1
                    failures += bool(problem)
                    if problem:
                        print(f"FAIL {network.name} {form} {'channel' if per_channel else 'tensor'} {activations.name} {weights.name}: {problem}")
    print(f"{total - failures} of {total} quantised networks agree with onnxruntime {onnxruntime.__version__} to {TOLERANCE}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
