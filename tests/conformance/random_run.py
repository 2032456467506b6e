# a seed → a config of soma and its data, drawn at random: networks, losses, optimizers, schedules and how they are combined.
import random

import numpy

ACTIVATIONS = ["identity", "relu", "leaky_relu", "elu", "selu", "sigmoid", "tanh", "softplus", "gelu", "silu"]
OPTIMIZERS = ["sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw", "nadam"]


def toml(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(entry)}" for key, entry in value.items()) + " }"
    return repr(value)


def write_toml(config, file):
    tables = {key: entries for key, entries in config.items() if isinstance(entries, dict)}
    lines = [f"{key} = {toml(entry)}" for key, entry in config.items() if key not in tables]
    for key, entries in tables.items():
        lines += [f"[{key}]"] + [f"{name} = {toml(entry)}" for name, entry in entries.items()]
    file.write_text("\n".join(lines) + "\n")


def sometimes(draw, share, value, otherwise):
    return value if draw.random() < share else otherwise


def activation(draw):
    layer = {"type": draw.choice(ACTIVATIONS)}
    if layer["type"] in ("leaky_relu", "elu"):
        layer["alpha"] = draw.choice([0.05, 0.5, 1.5])
    return layer


def norm(draw):
    return {"type": "batch_norm", "momentum": draw.choice([0.1, 0.5]), "epsilon": draw.choice([1e-5, 1e-2])}


def image_layers(draw, size):
    """One or two convolutions; what their kernels do to the extents is followed so that every window fits."""
    layers, channels = [], 1
    for _ in range(draw.randint(1, 2)):
        kernel, dilation, padding = draw.randint(1, 3), draw.randint(1, 2), draw.randint(0, 1)
        while dilation * (kernel - 1) + 1 > size + 2 * padding:
            kernel -= 1
        stride = draw.randint(1, 2) if size > 5 else 1
        groups = channels if channels > 1 and draw.random() < 0.3 else 1
        out = channels * draw.randint(1, 2) if groups > 1 else draw.choice([3, 4, 17])
        normed = draw.random() < 0.3  # then a bias moves nothing, and its gradient is noise that adam would blow up
        layers.append(dict(type="conv2d", out=out, kernel=kernel, stride=stride, padding=padding, dilation=dilation, groups=groups,
                           bias=not normed and draw.random() < 0.8))
        channels, size = out, (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        layers += ([norm(draw)] if normed else []) + [activation(draw)]
        if size >= 4 and draw.random() < 0.6:
            window, step = draw.randint(2, 3), draw.randint(1, 2)
            layers.append(dict(type=draw.choice(["max_pool", "average_pool"]), size=window, stride=step, padding=draw.randint(0, 1)))
            size = (size + 2 * layers[-1]["padding"] - window) // step + 1
    return layers + sometimes(draw, 0.3, [{"type": "global_average_pool"}], []) + [{"type": "flatten"}]


def table_layers(draw):
    layers = []
    for i in range(draw.randint(0, 3)):
        out, normed = draw.randint(2, 20), draw.random() < 0.3
        layers.append({"type": "linear", "out": out, "bias": not normed and draw.random() < 0.8})
        layers += ([norm(draw)] if normed else []) + [activation(draw)]
        if draw.random() < 0.3:
            layers[-1]["name"] = f"here{i}"
            layers.append({"type": "linear", "out": out, "name": f"there{i}"})
            layers.append({"type": draw.choice(["add", "concat"]), "inputs": [f"here{i}", f"there{i}"]})
    return layers


def loss_of(draw, classes):
    loss = {"kind": draw.choice(["cross_entropy", "cross_entropy", "quadratic", "binary_cross_entropy", "nll"])}
    if loss["kind"] == "cross_entropy":
        loss["label_smoothing"] = sometimes(draw, 0.4, 0.1, 0.0)
    if loss["kind"] in ("cross_entropy", "nll") and draw.random() < 0.4:
        loss["class_weights"] = [draw.choice([0.0, 0.5, 1.0, 3.0]) for _ in range(classes - 1)] + [1.0]
    if loss["kind"] in ("quadratic", "binary_cross_entropy") and draw.random() < 0.3:
        loss["codes"] = [i / (classes - 1) for i in range(classes)]
    return loss


def optimizer_of(draw):
    kind = draw.choice(OPTIMIZERS)
    gentle = {"adadelta": 1.0, "sgd": 0.05, "momentum": 0.02, "nesterov": 0.02}.get(kind, 0.01)
    return dict(kind=kind, rate=gentle * draw.choice([0.3, 1.0]), momentum=draw.choice([0.5, 0.9]), beta1=draw.choice([0.8, 0.9]),
                beta2=draw.choice([0.9, 0.999, 0.99999]), rho=draw.choice([0.9, 0.999]), alpha=draw.choice([0.9, 0.9999]),
                epsilon=draw.choice([1e-4, 1e-6]), weight_decay=sometimes(draw, 0.3, 0.1, 0.0), l1=sometimes(draw, 0.3, 0.01, 0.0),
                l2=sometimes(draw, 0.3, 0.05, 0.0), elastic_net=sometimes(draw, 0.2, 0.01, 0.0),
                clip_norm=sometimes(draw, 0.3, 0.5, 0.0), clip_value=sometimes(draw, 0.3, 0.1, 0.0))


def schedule_of(draw, rate, epochs):
    kinds = ["constant", "step", "exponential", "cosine", "plateau"] + (["one_cycle"] if epochs > 2 else [])  # PyTorch divides by 0 for two
    schedule = {"kind": draw.choice(kinds), "gamma": 0.5, "every": 1,
                "factor": 0.5, "patience": draw.randint(0, 1), "min_rate": sometimes(draw, 0.5, rate * 0.3, 0.0)}
    if schedule["kind"] == "one_cycle":
        schedule |= {"peak_at": draw.choice([0.3, 0.5]), "momentum_low": 0.8, "momentum_high": 0.9}
    else:
        schedule["warmup_epochs"] = sometimes(draw, 0.3, 1.5, 0.0)
    return schedule


def random_run(seed, directory):
    """Writes directory/SEED.toml with its data beside it; the config as a dictionary."""
    draw, numbers = random.Random(seed), numpy.random.default_rng(seed)
    classes, count = draw.randint(2, 4), draw.randint(20, 45)
    labels = numpy.arange(count) % classes
    image = draw.random() < 0.5
    if image:
        size = draw.randint(5, 9)
        x = numbers.integers(0, 256, (count, size, size), dtype=numpy.uint8)
        numpy.save(directory / f"{seed}.npy", x)
        numpy.save(directory / f"{seed}.labels.npy", labels.astype(numpy.uint8))
        source, layers = f"{directory}/{seed}.npy", image_layers(draw, size)
    else:
        x = numbers.normal(size=(count, draw.randint(2, 8))).round(3) + labels[:, None]
        rows = [",".join(f"x{i}" for i in range(x.shape[1])) + ",y"] + [",".join(map(str, row)) + f",c{k}" for row, k in zip(x, labels)]
        (directory / f"{seed}.csv").write_text("\n".join(rows) + "\n")
        source, layers = f"{directory}/{seed}.csv", table_layers(draw)
    loss = loss_of(draw, classes)
    layers.append({"type": "linear", "out": 1 if "codes" in loss else classes, "bias": draw.random() < 0.9})
    if loss["kind"] == "nll":
        layers.append({"type": "log_softmax"})
    for i, layer in enumerate(layers):
        layer.setdefault("name", f"layer{i}")
    optimizer = optimizer_of(draw)
    watched = draw.random() < 0.4
    train = {"epochs": draw.randint(1, 4), "batch": draw.randint(4, 12), "accumulate": sometimes(draw, 0.3, draw.randint(2, 3), 1),
             "seed": seed, "threads": 1, "early_stopping": sometimes(draw, 0.5, 1, 0) if watched else 0}
    if draw.random() < 0.2 and not any(layer["type"] == "batch_norm" for layer in layers):
        train |= {"strategy": "data-parallel", "workers": draw.randint(1, 5)}
    config = {"name": str(seed), "preprocess": [{"kind": "divide", "by": 255}] if image else [],
              "data": {"train": source, "test_fraction": 0.1, "validation_fraction": 0.25 if watched else 0.0},
              "network": {"layers": layers}, "loss": loss, "optimizer": optimizer,
              "schedule": schedule_of(draw, optimizer["rate"], train["epochs"]), "train": train}
    write_toml(config, directory / f"{seed}.toml")
    return config
