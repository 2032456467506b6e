#!/usr/bin/env python3
# PyTorch, in double → tests/golden/*.json: what every layer, loss, optimizer, schedule and initialisation should give.
"""Needs torch==2.13.0 (the CPU build is enough). Run without arguments; it writes beside itself and changes nothing else.

Every file is a JSON array with one case per line; golden.h describes the fields and reads them. Inputs are multiples of a power
of two, so that a float holds them exactly; results are doubles with 13 significant digits.
"""
import json
import math
import pathlib

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
HERE = pathlib.Path(__file__).parent
generator = torch.Generator().manual_seed(20240607)


def numbers(*shape, reach=1.0, grain=64):
    """Uniform in [-reach, reach], multiples of 1/grain."""
    return torch.round((torch.rand(*shape, generator=generator) * 2 - 1) * reach * grain) / grain


def plain(value):
    if isinstance(value, torch.Tensor):
        return [plain(v) for v in value.detach().flatten().tolist()]
    if isinstance(value, float):
        if value == int(value) and abs(value) < 1e15:
            return int(value)
        return float(f"{value:.13g}")
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def write(name, cases):
    lines = ",\n".join(json.dumps(plain(case), separators=(",", ":")) for case in cases)
    (HERE / f"{name}.json").write_text(f"[\n{lines}\n]\n")
    print(f"{name}.json: {len(cases)} cases")


# ------------------------------------------------------------------------------------------------ elementwise, softmax

ACTIVATIONS = {
    "identity": lambda x, a: x * 1,
    "relu": lambda x, a: F.relu(x),
    "leaky_relu": lambda x, a: F.leaky_relu(x, a),
    "elu": lambda x, a: F.elu(x, a),
    "selu": lambda x, a: F.selu(x),
    "sigmoid": lambda x, a: torch.sigmoid(x),
    "tanh": lambda x, a: torch.tanh(x),
    "softplus": lambda x, a: F.softplus(x, threshold=1000),
    "gelu": lambda x, a: F.gelu(x),
    "silu": lambda x, a: F.silu(x),
}


def activations():
    x0 = torch.cat([torch.tensor([0.0, 0.0078125, -0.0078125]), torch.linspace(-10, 10, 41)])
    for kind, alpha in [(k, 0) for k in ACTIVATIONS] + [("leaky_relu", 0.25), ("elu", 1.0), ("elu", 0.5)]:
        if (kind, alpha) in [("leaky_relu", 0), ("elu", 0)]:
            continue
        x = x0.clone().requires_grad_()
        y = ACTIVATIONS[kind](x, alpha)
        dy = numbers(x.numel())
        y.backward(dy)
        yield {"kind": kind, "alpha": alpha, "x": x, "y": y, "dy": dy, "dx": x.grad}


def softmaxes():
    for log in (False, True):
        for rows, cols, reach in ((3, 5, 2), (2, 10, 30), (4, 1, 3), (2, 17, 500)):
            x = numbers(rows, cols, reach=reach, grain=8).requires_grad_()
            y = (F.log_softmax if log else F.softmax)(x, dim=1)
            dy = numbers(rows, cols)
            y.backward(dy)
            yield {"log": log, "rows": rows, "cols": cols, "x": x, "y": y, "dy": dy, "dx": x.grad}


# ------------------------------------------------------------------------------------------------ losses


def losses():
    rows, classes = 6, 4
    labels = torch.tensor([0, 3, 1, 1, 2, 0])
    weights, codes = [0.5, 2.0, 1.0, 0.25], [0.0, 0.25, 0.75, 1.0]
    one_hot = F.one_hot(labels, classes).to(torch.float64)
    coded = torch.tensor(codes)[labels].reshape(-1, 1)
    w = torch.tensor(weights)
    cases = [
        ("cross_entropy", {}, classes, lambda y: F.cross_entropy(y, labels)),
        ("cross_entropy", {"label_smoothing": 0.125}, classes, lambda y: F.cross_entropy(y, labels, label_smoothing=0.125)),
        ("cross_entropy", {"class_weights": weights}, classes, lambda y: F.cross_entropy(y, labels, weight=w)),
        ("cross_entropy", {"class_weights": weights, "label_smoothing": 0.25}, classes,
         lambda y: F.cross_entropy(y, labels, weight=w, label_smoothing=0.25)),
        ("nll", {}, classes, lambda y: F.nll_loss(y, labels)),
        ("nll", {"class_weights": weights}, classes, lambda y: F.nll_loss(y, labels, weight=w)),
        ("quadratic", {}, classes, lambda y: F.mse_loss(y, one_hot)),
        ("quadratic", {"codes": codes}, 1, lambda y: F.mse_loss(y, coded)),
        ("binary_cross_entropy", {}, classes, lambda y: F.binary_cross_entropy_with_logits(y, one_hot)),
        ("binary_cross_entropy", {"codes": codes}, 1, lambda y: F.binary_cross_entropy_with_logits(y, coded)),
    ]
    for kind, options, outputs, function in cases:
        y = numbers(rows, outputs, reach=4, grain=16).requires_grad_()
        loss = function(y)
        loss.backward()
        yield {"kind": kind, **options, "rows": rows, "outputs": outputs, "labels": labels, "y": y, "loss": loss.item(), "dy": y.grad}


# ------------------------------------------------------------------------------------------------ optimizers


def torch_optimizer(kind, w, c):
    rate, l2, decay = c["rate"], c.get("l2", 0), c.get("weight_decay", 0)
    betas, eps = (c.get("beta1", 0.9), c.get("beta2", 0.999)), c.get("epsilon", 1e-8)
    if kind == "sgd":
        return torch.optim.SGD([w], rate, weight_decay=l2)
    if kind in ("momentum", "nesterov"):
        return torch.optim.SGD([w], rate, momentum=c.get("momentum", 0.9), nesterov=kind == "nesterov", weight_decay=l2)
    if kind == "adagrad":
        return torch.optim.Adagrad([w], rate, eps=eps, weight_decay=l2)
    if kind == "adadelta":
        return torch.optim.Adadelta([w], rate, rho=c.get("rho", 0.9), eps=eps, weight_decay=l2)
    if kind == "rmsprop":
        return torch.optim.RMSprop([w], rate, alpha=c.get("alpha", 0.99), eps=eps, weight_decay=l2)
    if kind == "adam":
        return torch.optim.Adam([w], rate, betas, eps, weight_decay=l2)
    if kind == "adamw":
        return torch.optim.AdamW([w], rate, betas, eps, weight_decay=decay)
    if kind == "nadam":
        return torch.optim.NAdam([w], rate, betas, eps, weight_decay=decay or l2, momentum_decay=c.get("momentum_decay", 0.004),
                                 decoupled_weight_decay=decay > 0)
    raise ValueError(kind)


def optimizers():
    steps, n = 6, 8
    configs = [
        {"kind": "sgd", "rate": 0.125},
        {"kind": "sgd", "rate": 0.125, "l2": 0.01},
        {"kind": "sgd", "rate": 0.125, "l1": 0.02},
        {"kind": "sgd", "rate": 0.125, "elastic_net": 0.03},
        {"kind": "sgd", "rate": 0.125, "clip_norm": 0.75},
        {"kind": "sgd", "rate": 0.125, "clip_value": 0.25},
        {"kind": "momentum", "rate": 0.05},
        {"kind": "momentum", "rate": 0.05, "momentum": 0.5, "l2": 0.1},
        {"kind": "nesterov", "rate": 0.05},
        {"kind": "nesterov", "rate": 0.05, "momentum": 0.7, "l2": 0.1},
        {"kind": "adagrad", "rate": 0.1, "epsilon": 1e-10},
        {"kind": "adagrad", "rate": 0.1, "l2": 0.1, "epsilon": 1e-3},
        {"kind": "adadelta", "rate": 1.0, "epsilon": 1e-6},
        {"kind": "adadelta", "rate": 0.5, "rho": 0.75, "l2": 0.1, "epsilon": 1e-3},
        {"kind": "rmsprop", "rate": 0.01},
        {"kind": "rmsprop", "rate": 0.02, "alpha": 0.8, "l2": 0.1, "epsilon": 1e-3},
        {"kind": "adam", "rate": 0.01},
        {"kind": "adam", "rate": 0.02, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3, "l2": 0.1, "clip_norm": 1.0},
        {"kind": "adamw", "rate": 0.01, "weight_decay": 0.01},
        {"kind": "adamw", "rate": 0.02, "weight_decay": 0.5, "beta1": 0.8, "beta2": 0.95},
        {"kind": "nadam", "rate": 0.01},
        {"kind": "nadam", "rate": 0.02, "beta1": 0.8, "beta2": 0.95, "l2": 0.1, "momentum_decay": 0.5},
        {"kind": "nadam", "rate": 0.02, "weight_decay": 0.5},
    ]
    for config in configs:
        yield optimizer_case(config, steps, n)
    for kind in ("momentum", "adam", "nadam"):  # the rate and the momentum (or beta1) of every step come from a schedule
        yield optimizer_case({"kind": kind, "rate": 0.05}, steps, n, cycle=True)


def optimizer_case(config, steps, n, cycle=False):
    start = numbers(n, reach=2)
    start[0] = 0
    gradients = numbers(steps, n, reach=2)
    gradients[1, 3] = 0
    w = start.clone().requires_grad_()
    optimizer = torch_optimizer(config["kind"], w, config)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config["rate"], total_steps=steps) if cycle else None
    rates, momentums, after = [], [], []
    for g in gradients:
        group = optimizer.param_groups[0]
        rates.append(group["lr"])
        momentums.append(group["betas"][0] if "betas" in group else group.get("momentum", 0))
        w.grad = g.clone()
        if config.get("clip_norm"):
            torch.nn.utils.clip_grad_norm_([w], config["clip_norm"])
        if config.get("clip_value"):
            torch.nn.utils.clip_grad_value_([w], config["clip_value"])
        l1, net = config.get("l1", 0), config.get("elastic_net", 0)
        if l1 or net:  # PyTorch's optimizers know no such penalty: its gradient comes from autograd
            (l1 * w.abs().sum() + net * (w.abs().sum() + (w * w).sum())).backward()
        optimizer.step()
        if schedule and len(after) + 1 < steps:
            schedule.step()
        after.append(w.detach().clone())
    case = {"config": config, "n": n, "weights": start, "gradients": [g for g in gradients], "after": after}
    return {**case, "rates": rates, "momentums": momentums} if cycle else case


# ------------------------------------------------------------------------------------------------ schedules


def schedules():
    def run(config, make, steps_per_epoch=3, epochs=8, rate=0.5, momentum=False, losses=None, per_step=False, warmup=None):
        w = torch.zeros(1, requires_grad=True)
        optimizer = torch.optim.SGD([w], rate, momentum=0.9)
        schedule = make(optimizer) if make else None
        rates, momentums = [], []
        for step in range(steps_per_epoch * epochs):
            group = optimizer.param_groups[0]
            factor = warmup(step) if warmup else 1.0
            rates.append(group["lr"] * factor)
            momentums.append(group["momentum"])
            optimizer.step()
            if not schedule or step + 1 == steps_per_epoch * epochs:
                continue
            if per_step:
                schedule.step()
            elif (step + 1) % steps_per_epoch == 0:
                schedule.step(losses[step // steps_per_epoch]) if losses else schedule.step()
        case = {"config": config, "rate": rate, "steps_per_epoch": steps_per_epoch, "epochs": epochs, "rates": rates}
        if momentum:
            case["momentums"] = momentums
        if losses:
            case["losses"] = losses
        return case

    lr = torch.optim.lr_scheduler
    yield run({"kind": "constant"}, None)
    yield run({"kind": "step", "gamma": 0.5, "every": 3}, lambda o: lr.StepLR(o, 3, 0.5))
    yield run({"kind": "exponential", "gamma": 0.9}, lambda o: lr.ExponentialLR(o, 0.9))
    yield run({"kind": "cosine"}, lambda o: lr.CosineAnnealingLR(o, 8))
    yield run({"kind": "cosine", "min_rate": 0.1, "over": 8}, lambda o: lr.CosineAnnealingLR(o, 8, 0.1), epochs=8)
    for options, epochs in (({}, 8), ({"peak_at": 0.5, "start_divisor": 10, "final_divisor": 100}, 5), ({"momentum_low": 0.5, "momentum_high": 0.9}, 3),
                            ({"peak_at": 0.9}, 2), ({"peak_at": 0.05}, 4)):
        o1 = {"pct_start": options.get("peak_at", 0.3), "div_factor": options.get("start_divisor", 25),
              "final_div_factor": options.get("final_divisor", 1e4), "base_momentum": options.get("momentum_low", 0.85),
              "max_momentum": options.get("momentum_high", 0.95)}
        yield run({"kind": "one_cycle", **options}, lambda o: lr.OneCycleLR(o, 0.5, epochs=epochs, steps_per_epoch=3, **o1),
                  epochs=epochs, momentum=True, per_step=True)
    falling = [1.0, 0.9, 0.95, 0.9, 0.89999, 0.8, 0.85, 0.9, 0.85, 0.9, 0.7, 0.75]
    for patience in (0, 1, 2):
        yield run({"kind": "plateau", "factor": 0.5, "patience": patience},
                  lambda o: lr.ReduceLROnPlateau(o, factor=0.5, patience=patience), epochs=12, losses=falling)
    yield run({"kind": "plateau", "factor": 0.1, "patience": 0, "min_rate": 0.02},
              lambda o: lr.ReduceLROnPlateau(o, factor=0.1, patience=0, min_lr=0.02), epochs=12, losses=falling)
    yield run({"kind": "step", "gamma": 0.5, "every": 3, "warmup_epochs": 2.5}, lambda o: lr.StepLR(o, 3, 0.5),
              warmup=lambda step: min(1.0, (step + 1) / 7.5))


# ------------------------------------------------------------------------------------------------ layers


class Case:
    """A little network: layers are added one by one, each reading the node before it or the ones named."""

    def __init__(self, name, shape, training=True, batch=2):
        self.name, self.training, self.nodes, self.parameters, self.buffers = name, training, [], {}, {}
        self.shape = shape
        self.x = numbers(batch, *shape, reach=2, grain=16).requires_grad_()
        self.values = {"input": self.x}
        self.last = self.x

    def parameter(self, name, *shape, reach=1.0):
        self.parameters[name] = numbers(*shape, reach=reach).requires_grad_()
        return self.parameters[name]

    def node(self, kind, name=None, inputs=None, **fields):
        count = 1 + sum(n["kind"] == kind for n in self.nodes)
        name = name or f"{kind}{count}"
        sources = [self.values[i] for i in inputs] if inputs else [self.last]
        self.last = getattr(self, kind)(name, *sources, **fields)
        self.values[name] = self.last
        self.nodes.append({"name": name, "kind": kind, **({"inputs": inputs} if inputs else {}), **fields})
        return self

    def linear(self, name, x, out, bias=True):
        w = self.parameter(f"{name}.weight", out, x.shape[1])
        return F.linear(x, w, self.parameter(f"{name}.bias", out) if bias else None)

    def conv2d(self, name, x, out, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, bias=True):
        w = self.parameter(f"{name}.weight", out, x.shape[1] // groups, *kernel)
        return F.conv2d(x, w, self.parameter(f"{name}.bias", out) if bias else None, stride, padding, dilation, groups)

    def max_pool(self, name, x, size, stride, padding=(0, 0)):
        # PyTorch wants padding ≤ size/2, so wider padding is −∞ laid on by hand.
        return F.max_pool2d(F.pad(x, (padding[1], padding[1], padding[0], padding[0]), value=-math.inf), size, stride)

    def average_pool(self, name, x, size, stride, padding=(0, 0)):
        return F.avg_pool2d(x, size, stride, padding, count_include_pad=True)

    def global_average_pool(self, name, x):
        return F.adaptive_avg_pool2d(x, 1)

    def batch_norm(self, name, x, momentum=0.1, epsilon=1e-5):
        channels = x.shape[1]
        scale, shift = self.parameter(f"{name}.weight", channels), self.parameter(f"{name}.bias", channels)
        mean, var = numbers(channels), numbers(channels, reach=0.5) + 1
        self.buffers[f"{name}.running_mean"], self.buffers[f"{name}.running_var"] = mean.clone(), var.clone()
        self.after = {f"{name}.running_mean": mean, f"{name}.running_var": var}
        return F.batch_norm(x, mean, var, scale, shift, self.training, momentum, epsilon)

    def dropout(self, name, x, rate):
        return F.dropout(x, rate, self.training)

    def alpha_dropout(self, name, x, rate):
        return F.alpha_dropout(x, rate, self.training)

    def flatten(self, name, x):
        return x.flatten(1)

    def add(self, name, *x):
        return sum(x[1:], x[0])

    def concat(self, name, *x):
        return torch.cat(x, 1)

    def activation(self, name, x, function, alpha=0):
        return ACTIVATIONS[function](x, alpha)

    def softmax(self, name, x, log=False):
        return (F.log_softmax if log else F.softmax)(x, dim=1)

    def done(self):
        case = {"name": self.name, "batch": self.x.shape[0], "training": self.training, "input": list(self.shape), "nodes": self.nodes,
                "parameters": {k: {"shape": list(v.shape), "values": v} for k, v in {**self.parameters, **self.buffers}.items()},
                "x": self.x, "output": list(self.last.shape[1:]), "y": self.last}
        if self.training:
            dy = numbers(*self.last.shape)
            self.last.backward(dy)
            case |= {"dy": dy, "dx": self.x.grad, "gradients": {k: v.grad for k, v in self.parameters.items()}}
            case |= {"after": self.after} if hasattr(self, "after") else {}
        return case


def layers():
    def flat(name, **options):
        return Case(name, (5,), **options)

    def image(name, **options):
        return Case(name, (2, 6, 5), **options).node("conv2d", "first", out=3, kernel=[1, 1])

    yield flat("linear").node("linear", out=4).done()
    yield flat("linear_without_bias").node("linear", out=3, bias=False).done()
    yield flat("two_linear").node("linear", out=17).node("activation", function="tanh").node("linear", out=3).done()
    yield Case("conv", (2, 6, 5)).node("conv2d", out=3, kernel=[3, 3]).done()
    yield image("conv_padded").node("conv2d", out=2, kernel=[3, 3], padding=[1, 1]).done()
    yield image("conv_without_bias").node("conv2d", out=2, kernel=[2, 3], bias=False).done()
    yield image("conv_strided").node("conv2d", out=2, kernel=[3, 2], stride=[2, 3], padding=[1, 0]).done()
    yield image("conv_dilated").node("conv2d", out=2, kernel=[3, 2], dilation=[2, 3], padding=[1, 1]).done()
    yield image("conv_groups").node("conv2d", "wide", out=4, kernel=[1, 1]).node("conv2d", out=6, kernel=[3, 3], groups=2, padding=[1, 0]).done()
    yield image("conv_depthwise").node("conv2d", out=6, kernel=[3, 3], groups=3, stride=[2, 1]).done()
    yield image("conv_everything").node("conv2d", "wide", out=4, kernel=[1, 1]).node(
        "conv2d", out=2, kernel=[2, 3], stride=[2, 1], padding=[1, 2], dilation=[3, 2], groups=2).done()
    yield image("max_pool").node("max_pool", size=[2, 2], stride=[2, 2]).done()
    yield image("max_pool_overlapping").node("max_pool", size=[3, 2], stride=[1, 1]).done()
    yield image("max_pool_padded").node("max_pool", size=[3, 3], stride=[2, 2], padding=[1, 1]).done()
    yield image("average_pool").node("average_pool", size=[2, 2], stride=[2, 2]).done()
    yield image("average_pool_padded").node("average_pool", size=[3, 2], stride=[2, 1], padding=[1, 1]).done()
    yield image("global_average_pool").node("global_average_pool").node("flatten").node("linear", out=2).done()
    yield image("flatten").node("flatten").node("linear", out=2).done()
    yield image("conv_relu_pool").node("conv2d", out=3, kernel=[3, 2]).node("activation", function="relu").node(
        "max_pool", size=[2, 2], stride=[2, 2]).node("flatten").node("linear", out=3).done()
    yield image("batch_norm").node("batch_norm").done()
    yield image("batch_norm_options").node("batch_norm", momentum=0.25, epsilon=0.125).node("activation", function="silu").done()
    yield flat("batch_norm_flat", batch=6).node("linear", "first", out=4).node("batch_norm").done()
    yield image("batch_norm_eval", training=False).node("batch_norm").done()
    yield flat("batch_norm_flat_eval", training=False).node("linear", out=4).node("batch_norm", epsilon=0.001).node(
        "activation", function="relu").done()
    yield image("dropout_eval", training=False).node("dropout", rate=0.5).done()
    yield flat("alpha_dropout_eval", training=False).node("linear", out=4).node("alpha_dropout", rate=0.25).done()
    yield image("residual").node("conv2d", "a", out=3, kernel=[3, 3], padding=[1, 1]).node("activation", "b", function="gelu").node(
        "add", inputs=["b", "first"]).node("activation", function="relu").done()
    yield flat("add_three").node("linear", "a", out=4).node("linear", "b", out=4).node("linear", "c", ["a"], out=4).node(
        "add", inputs=["c", "a", "b"]).done()
    yield image("concat").node("conv2d", "a", out=2, kernel=[3, 3], padding=[1, 1]).node("activation", "b", ["first"], function="sigmoid").node(
        "concat", inputs=["a", "first", "b"]).node("conv2d", out=2, kernel=[2, 2]).done()
    yield flat("concat_flat").node("linear", "a", out=3).node("linear", "b", ["input"], out=2).node(
        "concat", inputs=["b", "a", "input"]).node("linear", out=2).done()
    yield flat("softmax").node("linear", out=4).node("softmax").done()
    yield flat("log_softmax").node("linear", out=4).node("softmax", log=True).done()
    for function in ACTIVATIONS:
        alpha = {"leaky_relu": 0.125, "elu": 0.75}.get(function, 0)
        yield flat(f"activation_{function}").node("linear", "first", out=6).node(
            "activation", function=function, **({"alpha": alpha} if alpha else {})).node("linear", out=2).done()


# ------------------------------------------------------------------------------------------------ initialisation


def initialisations():
    """The deviation (normal) or half-width (uniform) that torch.nn.init draws with."""
    for shape in ([10, 784], [3, 7], [8, 3, 5, 5], [6, 2, 3, 1]):
        fan_in, fan_out = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
        he = torch.nn.init.calculate_gain("relu") / math.sqrt(fan_in)
        xavier = torch.nn.init.calculate_gain("linear") * math.sqrt(2.0 / (fan_in + fan_out))
        lecun = torch.nn.init.calculate_gain("linear") / math.sqrt(fan_in)
        for kind, deviation in (("he", he), ("xavier", xavier), ("lecun", lecun)):
            yield {"kind": kind, "distribution": "normal", "shape": shape, "deviation": deviation}
            yield {"kind": kind, "distribution": "uniform", "shape": shape, "deviation": deviation, "half_width": math.sqrt(3.0) * deviation}


if __name__ == "__main__":
    write("activations", list(activations()))
    write("softmax", list(softmaxes()))
    write("losses", list(losses()))
    write("optimizers", list(optimizers()))
    write("schedules", list(schedules()))
    write("layers", list(layers()))
    write("initialisations", list(initialisations()))
