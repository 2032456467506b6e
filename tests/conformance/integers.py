# an int8 ONNX file of soma's + samples → outputs by docs/quantization.md in numpy, and how far any runtime may be from them.
import numpy
import onnx
import onnxruntime
from onnx import numpy_helper

UNIT = 2.0**-24  # float rounding, relative


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def windows(x, kernel, strides, pads, dilations, fill):
    """[n, c, h, w] -> [n, c, positions in the window, out_h, out_w]."""
    x = numpy.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])), constant_values=fill)
    out = [(x.shape[2 + i] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1 for i in (0, 1)]
    pieces = []
    for ky in range(kernel[0]):
        for kx in range(kernel[1]):
            y0, x0 = ky * dilations[0], kx * dilations[1]
            pieces.append(x[:, :, y0 : y0 + out[0] * strides[0] : strides[0], x0 : x0 + out[1] * strides[1] : strides[1]])
    return numpy.stack(pieces, axis=2)


def product(node, x, w):
    """Conv without bias, or Gemm with transB; the padding is 0."""
    if node.op_type == "Gemm":
        return x @ w.T
    a = attributes(node)
    patches = windows(x, a["kernel_shape"], a["strides"], a["pads"], a["dilations"], 0)
    return numpy.einsum("nckyx,ock->noyx", patches, w.reshape(w.shape[0], w.shape[1], -1))


def columns(values, like):
    return values.reshape((1, -1) + (1,) * (like.ndim - 2))


def to_byte(total, step, scale, zero):
    """Rounded to nearest, halves up, in integers: multiplier of 31 bits / 2^shift."""
    fraction, exponent = numpy.frexp(step.astype(numpy.float64) / float(scale))
    multiplier, shift = numpy.rint(fraction * 2.0**31).astype(numpy.int64), 31 - exponent.astype(numpy.int64)
    multiplier, shift = columns(multiplier, total), columns(shift, total)
    return numpy.clip(int(zero) + ((total * multiplier + (1 << (shift - 1))) >> shift), 0, 255)


def softmax(y, log):
    y = y.astype(numpy.float64) - y.max(axis=1, keepdims=True)
    total = numpy.exp(y).sum(axis=1, keepdims=True)
    return y - numpy.log(total) if log else numpy.exp(y) / total


def forward(model, x, theirs):
    """theirs: what the runtime gave for each QuantizeLinear. Returns our outputs and how far theirs may be from them."""
    arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    nodes = list(model.graph.node)
    start = next(i for i, node in enumerate(nodes) if node.op_type == "QuantizeLinear")
    value = off = step = None  # sums in units of `step` per column, and by how much theirs may differ, in real numbers
    for node in nodes[start:]:
        op, name = node.op_type, node.output[0]
        if op == "QuantizeLinear":
            scale, zero = arrays[node.input[1]], arrays[node.input[2]]
            if value is None:
                q, flips = theirs[name].astype(numpy.int64), numpy.zeros(theirs[name].shape)
            else:
                q = to_byte(value, step, scale, zero)
                flips = numpy.abs(q - theirs[name].astype(numpy.int64)).astype(numpy.float64)
                # A byte may differ by one where a sum lies on a half, and by what their input differed.
                assert (flips <= numpy.floor(off / scale) + 1).all(), f"{name} differs by {flips.max():.0f} steps"
            q_real, x_scale = q - int(zero), scale
        elif op == "DequantizeLinear":
            continue
        elif op in ("Conv", "Gemm"):
            prefix = node.input[1].removesuffix(".weight_real")
            w = arrays[prefix + ".weight"].astype(numpy.int64)
            w_scale = arrays[prefix + ".weight_scale"]
            step = (x_scale * w_scale).astype(numpy.float32)
            value = product(node, q_real, w)
            if len(node.input) > 2:
                assert (arrays[prefix + ".bias_scale"] == step).all()
                value = value + columns(arrays[prefix + ".bias"].astype(numpy.int64), value)
            depth = w[0].size + 2
            magnitude = product(node, numpy.abs(q_real).astype(numpy.float64), numpy.abs(w).astype(numpy.float64)) + numpy.abs(value)
            spread = product(node, flips, numpy.abs(w).astype(numpy.float64))
            off = (spread + 4 * depth * UNIT * (magnitude + spread)) * columns(step, value)
        elif op == "Relu" and value.dtype == numpy.int64:
            value = numpy.maximum(value, 0)
        elif op == "MaxPool":
            a = attributes(node)
            window = (a["kernel_shape"], a["strides"], a["pads"], [1, 1])
            value = windows(value, *window, numpy.iinfo(numpy.int64).min).max(axis=2)
            off = windows(off, *window, 0).max(axis=2)
        elif op == "Flatten":
            value, off = value.reshape(len(x), -1), off.reshape(len(x), -1)
            step = numpy.repeat(step, value.shape[1] // len(step))
        elif op != "Identity":
            if value.dtype == numpy.int64:
                value = value.astype(numpy.float32) * columns(step, value)
            if op == "Relu":
                value = numpy.maximum(value, 0)
            elif op in ("Softmax", "LogSoftmax"):
                value, off = softmax(value, op == "LogSoftmax"), 2 * off.max(axis=1, keepdims=True) + 1e-6
            else:
                return None, 2 * off + 1e-6  # an activation whose slope is nowhere above 2
    if value.dtype == numpy.int64:
        value = value.astype(numpy.float32) * columns(step, value)
    return value, off


def check(model, x, ours):
    """Ours by numpy, exactly (softmax: to 1e-6; other activations at the end: not); the runtime's within what rounding lets through. Returns the largest difference."""
    quantized = [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    for name in quantized:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # as the operators say
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    output, *bytes_between = session.run(["output", *quantized], {"input": x})
    wanted, off = forward(model, x, dict(zip(quantized, bytes_between)))
    if wanted is not None:
        exact = wanted.dtype == numpy.float32
        assert (ours == wanted).all() if exact else numpy.allclose(ours, wanted, rtol=0, atol=1e-6), "not the documented arithmetic"
    difference = numpy.abs(output - ours)
    assert (difference <= off).all(), f"beyond the bound: {difference.max():.2e}"
    return float(difference.max())
