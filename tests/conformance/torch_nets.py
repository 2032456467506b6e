# PyTorch networks (MLPerf Tiny's among them) through both of its exporters, scikit-learn's pipelines, Keras networks → soma run beside their own outputs.
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy
import tiny_nets
import torch
from torch import nn

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
TOLERANCE = 1e-4  # both sum in float32, each in its own order
SMALLEST = 0.95, 8, 9, 9  # share of the networks of both exporters; MLPerf Tiny's four through both; of 9 of scikit-learn; of 11 of Keras


class Lambda(nn.Module):
    def __init__(self, function, **modules):
        super().__init__()
        self.function = function
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, *inputs):
        return self.function(self, *inputs)


def block(channels, norm=nn.BatchNorm2d):
    body = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), norm(channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1, bias=False), norm(channels))
    return Lambda(lambda m, x: torch.relu(m.body(x) + x), body=body)


def inverted(channels):
    body = nn.Sequential(nn.Conv2d(channels, 4 * channels, 1), nn.BatchNorm2d(4 * channels), nn.ReLU6(), nn.Conv2d(4 * channels, 4 * channels, 3, padding=1, groups=4 * channels), nn.ReLU6(), nn.Conv2d(4 * channels, channels, 1))
    return Lambda(lambda m, x: m.body(x) + x, body=body)


def gate(channels):
    body = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, 2, 1), nn.ReLU(), nn.Conv2d(2, channels, 1), nn.Sigmoid())
    return Lambda(lambda m, x: m.body(x) * x, body=body)


def networks():
    """Name, network, input."""
    flat, image = torch.randn(2, 8), torch.randn(2, 3, 12, 12)
    yield "mlp", nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3)), flat
    yield "lenet", Lambda(lambda m, x: m.head(m.body(x).view(x.size(0), -1)), body=nn.Sequential(nn.Conv2d(3, 6, 5, padding=2), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.Tanh(), nn.AvgPool2d(2)), head=nn.Linear(32, 10)), image
    yield "resnet", nn.Sequential(nn.Conv2d(3, 8, 3), block(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)), image
    yield "mobilenet", nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), inverted(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)), image
    yield "batch-norm-1d", nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.Linear(6, 3)), flat
    yield "batch-norm-2d", nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), nn.Flatten()), image
    for act in (nn.LeakyReLU(0.2), nn.ELU(), nn.SELU(), nn.CELU(), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Mish(), nn.Hardswish(), nn.Hardsigmoid(), nn.Softplus(), nn.Softsign(), nn.PReLU(), nn.LogSigmoid(), nn.Hardtanh(), nn.Tanhshrink(), nn.Hardshrink(), nn.Softshrink(), nn.Threshold(0.1, 20), nn.ReLU6(), nn.RReLU(), nn.Sigmoid(), nn.Tanh(), nn.Softmin(1), nn.Softmax(1)):
        yield repr(act), nn.Sequential(nn.Linear(8, 6), act, nn.Linear(6, 3)), flat
    for mode in ("reflect", "replicate", "circular"):
        yield f"padding-{mode}", nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode=mode), nn.ReLU(), nn.Flatten()), image
    yield "max-pool-up", nn.Sequential(nn.MaxPool2d(5, 2, ceil_mode=True), nn.Flatten()), image
    yield "average-pool-up", nn.Sequential(nn.AvgPool2d(3, 2, padding=1, ceil_mode=True), nn.Flatten()), image
    yield "adaptive-pool", nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten()), image
    yield "gate", nn.Sequential(nn.Conv2d(3, 8, 3), gate(8), nn.Flatten()), image
    yield "layer-norm", nn.Sequential(nn.Linear(8, 6), nn.LayerNorm(6), nn.Linear(6, 3)), flat
    yield "group-norm", nn.Sequential(nn.Conv2d(3, 8, 3), block(8, lambda c: nn.GroupNorm(2, c)), nn.Flatten()), image
    yield "conv-1d", nn.Sequential(nn.Conv1d(4, 6, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(48, 3)), torch.randn(2, 4, 16)
    yield "conv-transpose", nn.Sequential(nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1), nn.Flatten()), image
    yield "lstm", Lambda(lambda m, x: m.head(m.body(x)[0][:, -1]), body=nn.LSTM(4, 6, batch_first=True), head=nn.Linear(6, 3)), torch.randn(2, 5, 4)
    yield "gru", Lambda(lambda m, x: m.head(m.body(x)[0][:, -1]), body=nn.GRU(4, 6, batch_first=True, bidirectional=True), head=nn.Linear(12, 3)), torch.randn(2, 5, 4)
    yield "two-outputs", Lambda(lambda m, x: (m.a(x), m.b(x).softmax(-1)), a=nn.Linear(8, 3), b=nn.Linear(8, 4)), flat
    yield "normalised-inside", Lambda(lambda m, x: m.body((x / 255 - 0.1307) / 0.3081), body=nn.Sequential(nn.Flatten(), nn.Linear(432, 3))), image
    yield "half", nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)).half(), flat.half()
    yield "double", nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 3)).double(), flat.double()
    yield "dropout", nn.Sequential(nn.Linear(8, 6), nn.Dropout(0.5), nn.Linear(6, 3), nn.LogSoftmax(1)), flat
    yield "gated", nn.Sequential(nn.Linear(8, 12), nn.GLU(), nn.Linear(6, 3)), flat
    yield "softmax-2d", nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softmax2d(), nn.Flatten()), image
    yield "instance-norm", nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4, affine=True), nn.Flatten()), image
    yield "upsample", nn.Sequential(nn.Conv2d(3, 4, 3), nn.Upsample(scale_factor=2), nn.Conv2d(4, 2, 3), nn.Flatten()), image
    yield "conv-3d", nn.Sequential(nn.Conv3d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2), nn.Flatten()), torch.randn(2, 2, 6, 6, 6)
    yield "embedding", nn.Sequential(nn.Embedding(10, 6), nn.Flatten(), nn.Linear(24, 3)), torch.randint(0, 10, (2, 4))
    yield "attention", Lambda(lambda m, x: m.body(x, x, x)[0], body=nn.MultiheadAttention(8, 2, batch_first=True)), torch.randn(2, 5, 8)


def save(network, x, file, dynamo):
    if dynamo:
        torch.onnx.export(network, (x,), file, dynamo=True, verbose=False)
    else:
        torch.onnx.export(network, (x,), file, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "batch"}}, opset_version=17)


def compare(soma, room, feeds, wanted):
    import onnx

    model = onnx.load(room / "model.onnx", load_external_data=False)
    arguments = []
    for i, (port, array) in enumerate(zip(model.graph.input, feeds)):
        numpy.save(room / f"{i}.npy", array)
        arguments += ["--input", f"{port.name}={room / f'{i}.npy'}"]
    run = subprocess.run([soma, "run", room / "model.onnx", *arguments, "--output", room / "out"], capture_output=True, text=True)
    if run.returncode != 0:
        return run.stderr.strip().split("model.onnx: ", 1)[-1]
    for port, theirs in zip(model.graph.output, wanted):
        if theirs is None:
            continue
        ours = numpy.load(room / "out" / (port.name.replace("/", "_") + ".npy"))
        if ours.shape != theirs.shape:
            return f"shape {ours.shape}, wanted {theirs.shape}"
        if theirs.dtype.kind in "UO":
            if not (ours == theirs.astype("U")).all():
                return "other words"
            continue
        bound = TOLERANCE if theirs.dtype != numpy.float16 else 1e-2
        difference = numpy.max(numpy.abs(ours.astype("f8") - theirs) / numpy.maximum(1, numpy.abs(theirs.astype("f8"))), initial=0)
        if not difference <= bound:
            return f"{port.name} differs by {difference:.1e}"
    return ""


def pytorch(soma, kind, networks):
    """How many of the networks, through either exporter, agree; and how many there are."""
    taken = total = 0
    for dynamo in (False, True):
        torch.manual_seed(1)
        for name, network, x in networks():
            network.eval()
            with tempfile.TemporaryDirectory() as directory:
                room = pathlib.Path(directory)
                try:
                    save(network, x, room / "model.onnx", dynamo)
                    with torch.no_grad():
                        wanted = network(x)
                    wanted = [w.numpy() for w in (wanted if isinstance(wanted, tuple) else (wanted,))]
                    problem = compare(soma, room, [x.numpy()], wanted)
                except Exception as failure:
                    problem = f"{type(failure).__name__}: {str(failure)[:200]}"
            total += 1
            taken += not problem
            if problem:
                print(f"FAIL {name} ({'dynamo' if dynamo else 'script'}): {problem}")
    print(f"{taken} of {total} {kind} networks and exporters of PyTorch {torch.__version__} agree")
    return taken, total


def sklearn(soma):
    from skl2onnx import to_onnx
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    random = numpy.random.default_rng(3)
    x = random.normal(size=(60, 4)).astype("f4")
    three, two, y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0.5), (x[:, 0] > 0).astype(int), x @ random.normal(size=4)
    words = numpy.array(["ant", "bee", "cat"])[three]
    small = {"max_iter": 30, "hidden_layer_sizes": (8,)}
    cases = [("mlp", MLPClassifier(**small), three, {}), ("mlp-binary", MLPClassifier(**small), two, {}), ("mlp-words", MLPClassifier(**small), words, {}), ("mlp-regression", MLPRegressor(**small), y, {}),
             ("mlp-plain", MLPClassifier(**small), three, {"zipmap": False}), ("logistic", LogisticRegression(), three, {"zipmap": False}), ("linear", LinearRegression(), y, {}),
             ("scaled-mlp", make_pipeline(StandardScaler(), MLPClassifier(**small)), three, {}), ("scaled-ridge", make_pipeline(MinMaxScaler(), Ridge()), y, {})]
    taken = 0
    for name, model, labels, options in cases:
        with tempfile.TemporaryDirectory() as directory:
            room = pathlib.Path(directory)
            try:
                model.fit(x, labels)
                (room / "model.onnx").write_bytes(to_onnx(model, x[:1], options={id(model): options} if options else None, target_opset=17).SerializeToString())
                wanted = [model.predict(x[:5]), model.predict_proba(x[:5])] if hasattr(model, "predict_proba") else [model.predict(x[:5]).reshape(5, 1)]
                problem = compare(soma, room, [x[:5]], wanted)
            except Exception as failure:
                problem = f"{type(failure).__name__}: {str(failure)[:200]}"
        taken += not problem
        if problem:
            print(f"FAIL scikit-learn {name}: {problem}")
    print(f"{taken} of {len(cases)} scikit-learn models agree")
    return taken


def keras_networks():
    """Sequential networks as people write them; channels last, as Keras has them."""
    from keras import Input, Sequential, layers

    dense, pool = layers.Dense, layers.MaxPooling2D
    yield Sequential([Input((8,)), dense(16, activation="relu"), dense(3, activation="softmax")])
    yield Sequential([Input((8,)), dense(16, activation="tanh"), layers.Dropout(0.3), dense(1, activation="sigmoid")])
    yield Sequential([Input((8,)), layers.Normalization(mean=0.3, variance=2.0), dense(16, activation="gelu"), dense(2)])
    yield Sequential([Input((8,)), dense(16, use_bias=False), layers.BatchNormalization(), layers.Activation("elu"), dense(3)])
    yield Sequential([Input((28, 28)), layers.Flatten(), dense(32, activation="relu"), dense(10, activation="softmax")])
    yield Sequential([Input((28, 28, 1)), layers.Rescaling(1 / 255), layers.Conv2D(8, 3, activation="relu"), pool(), layers.Conv2D(16, 3, activation="relu"), pool(), layers.Flatten(), dense(10, activation="softmax")])
    yield Sequential([Input((16, 16, 3)), layers.Conv2D(8, 3, strides=2, padding="same"), layers.BatchNormalization(), layers.ReLU(), layers.GlobalAveragePooling2D(), dense(4)])
    yield Sequential([Input((16, 16, 3)), layers.Conv2D(8, 3, padding="same", activation="silu"), layers.AveragePooling2D(2, padding="same"), layers.Flatten(), dense(4)])
    yield Sequential([Input((16, 16, 3)), layers.SeparableConv2D(8, 3, padding="same"), layers.ReLU(6.0), layers.DepthwiseConv2D(3, strides=2, padding="same"), layers.GlobalMaxPooling2D(), dense(4)])
    yield Sequential([Input((16, 16, 3)), layers.ZeroPadding2D(((0, 1), (0, 1))), layers.Conv2D(8, 3, strides=2), layers.LeakyReLU(), layers.Conv2DTranspose(4, 3, strides=2), layers.Flatten(), dense(4)])
    yield Sequential([Input((20, 4)), layers.Conv1D(6, 3, activation="relu"), layers.MaxPooling1D(), layers.LayerNormalization(), layers.Flatten(), dense(3)])


def keras(soma):
    os.environ["KERAS_BACKEND"] = "torch"
    import keras as library

    library.utils.set_random_seed(5)
    taken = total = 0
    for network in keras_networks():
        with tempfile.TemporaryDirectory() as directory:
            room = pathlib.Path(directory)
            x = numpy.random.default_rng(1).normal(size=(2, *network.input_shape[1:])).astype("f4")
            try:
                wanted = network(x, training=False).detach().numpy()
                network.export(room / "model.onnx", format="onnx", verbose=False)
                problem = compare(soma, room, [x], [wanted])
            except Exception as failure:
                problem = f"{type(failure).__name__}: {str(failure)[:200]}"
        total += 1
        taken += not problem
        if problem:
            print(f"FAIL Keras {[type(layer).__name__ for layer in network.layers]}: {problem}")
    print(f"{taken} of {total} networks of Keras {library.__version__} agree")
    return taken


if __name__ == "__main__":
    soma = sys.argv[1]
    keras_taken, sklearn_taken = keras(soma), sklearn(soma)
    (taken, total), (tiny, _) = pytorch(soma, "small", networks), pytorch(soma, "MLPerf Tiny", tiny_nets.networks)
    sys.exit(any(a < b for a, b in zip((taken / total, tiny, sklearn_taken, keras_taken), SMALLEST)))
