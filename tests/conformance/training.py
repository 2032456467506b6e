# random configurations → soma's training against PyTorch's in double: losses, accuracies, rates and last weights of each run.
"""training.py WRITE_TRAINING [COUNT [FIRST]]: the runs of seeds FIRST to FIRST + COUNT − 1 (100 from 1)."""
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
import torch.nn.functional as F
from random_run import random_run

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

# soma's floats have 24 bits; a few dozen steps of a small network lose about 8 of them where nothing amplifies.
TOLERANCE = 2e-4


class Network:
    """The layers of a config, as PyTorch's functions on soma's arrays."""

    def __init__(self, layers, arrays):
        self.layers, self.arrays = layers, {}
        for name, array in arrays.items():
            self.arrays[name] = torch.tensor(array["values"]).reshape(array["shape"])
            if "running" not in name:
                self.arrays[name].requires_grad_()
        self.trained = {name: array for name, array in self.arrays.items() if array.requires_grad}
        normed = {layer["name"] for layer in layers if layer["type"] == "batch_norm"}
        self.penalised = [a for name, a in self.trained.items() if name.endswith(".weight") and name[: -len(".weight")] not in normed]

    def forward(self, x, training):
        values = {}
        for layer in self.layers:
            x = values[layer["name"]] = self.apply(layer, [values[i] for i in layer.get("inputs", [])] or [x], training)
        return x

    def apply(self, layer, inputs, training):
        x, name, array = inputs[0], layer["name"], self.arrays.get
        pool = {key: layer.get(key) for key in ("stride", "padding")}
        match layer["type"]:
            case "linear":
                return F.linear(x, array(name + ".weight"), array(name + ".bias"))
            case "conv2d":
                return F.conv2d(x, array(name + ".weight"), array(name + ".bias"), layer["stride"], layer["padding"], layer["dilation"],
                                layer["groups"])
            case "max_pool":
                return F.max_pool2d(x, layer["size"], **pool)
            case "average_pool":
                return F.avg_pool2d(x, layer["size"], **pool)
            case "global_average_pool":
                return x.mean((2, 3), keepdim=True)
            case "batch_norm":
                return F.batch_norm(x, array(name + ".running_mean"), array(name + ".running_var"), array(name + ".weight"),
                                    array(name + ".bias"), training, layer["momentum"], layer["epsilon"])
            case "flatten":
                return x.flatten(1)
            case "add":
                return inputs[0] + inputs[1]
            case "concat":
                return torch.cat(inputs, 1)
            case "log_softmax":
                return F.log_softmax(x, 1)
            case "identity":
                return x
            case "leaky_relu" | "elu" as kind:
                return getattr(F, kind)(x, layer["alpha"])
            case kind:
                return getattr(torch if kind in ("sigmoid", "tanh") else F, kind)(x)


def total_loss(config, y, labels):
    """Σ weight·loss and Σ weight of some rows."""
    classes = len(config.get("codes", [])) or y.shape[1]
    weights = torch.tensor(config["class_weights"]) if "class_weights" in config else None
    targets = torch.tensor(config["codes"])[labels, None] if "codes" in config else F.one_hot(labels, classes).to(y.dtype)
    weight = float(len(labels)) if weights is None else weights[labels].sum().item()
    match config["kind"]:
        case "cross_entropy":
            return F.cross_entropy(y, labels, weights, label_smoothing=config["label_smoothing"], reduction="sum"), weight
        case "nll":
            return F.nll_loss(y, labels, weights, reduction="sum"), weight
        case "quadratic":
            return (y - targets).square().mean(1).sum(), weight
        case "binary_cross_entropy":
            return F.binary_cross_entropy_with_logits(y, targets, reduction="none").mean(1).sum(), weight


def hits(config, y, labels):
    if "codes" not in config:
        return (y.argmax(1) == labels).sum().item()
    y = y.sigmoid() if config["kind"] == "binary_cross_entropy" else y
    return ((y - torch.tensor(config["codes"])).abs().argmin(1) == labels).sum().item()


def optimizer_for(o, parameters):
    rate, epsilon, betas = o["rate"], o["epsilon"], (o["beta1"], o["beta2"])
    match o["kind"]:
        case "sgd":
            return torch.optim.SGD(parameters, rate)
        case "momentum" | "nesterov":
            return torch.optim.SGD(parameters, rate, o["momentum"], nesterov=o["kind"] == "nesterov")
        case "adagrad":
            return torch.optim.Adagrad(parameters, rate, eps=epsilon)
        case "adadelta":
            return torch.optim.Adadelta(parameters, rate, o["rho"], epsilon)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, rate, o["alpha"], epsilon)
        case "adam" | "adamw":
            return torch.optim.Adam(parameters, rate, betas, epsilon)
        case "nadam":
            return torch.optim.NAdam(parameters, rate, betas, epsilon)


class Schedule:
    """PyTorch's own schedulers on an optimizer of their own, and soma's warm-up on top."""

    def __init__(self, s, o, epochs, steps_per_epoch):
        self.s, self.warmup, self.steps = s, s.get("warmup_epochs", 0) * steps_per_epoch, 0
        self.own = torch.optim.SGD([torch.zeros(1, requires_grad=True)], o["rate"], 0.5)
        schedulers = torch.optim.lr_scheduler
        self.scheduler = {
            "constant": lambda: None,
            "step": lambda: schedulers.StepLR(self.own, s["every"], s["gamma"]),
            "exponential": lambda: schedulers.ExponentialLR(self.own, s["gamma"]),
            "cosine": lambda: schedulers.CosineAnnealingLR(self.own, epochs, s["min_rate"]),
            "one_cycle": lambda: schedulers.OneCycleLR(self.own, o["rate"], total_steps=epochs * steps_per_epoch, pct_start=s["peak_at"],
                                                       base_momentum=s["momentum_low"], max_momentum=s["momentum_high"]),
            "plateau": lambda: schedulers.ReduceLROnPlateau(self.own, factor=s["factor"], patience=s["patience"], min_lr=s["min_rate"],
                                                            eps=0),
        }[s["kind"]]()

    def before_step(self, group):
        if self.s["kind"] == "one_cycle":
            if self.steps > 0:
                self.own.step()
                self.scheduler.step()
            momentum = self.own.param_groups[0]["momentum"]
            if "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
            elif group.get("momentum", 0) > 0:
                group["momentum"] = momentum
        self.steps += 1
        group["lr"] = self.own.param_groups[0]["lr"] * (self.steps / self.warmup if self.steps < self.warmup else 1)

    def after_epoch(self, loss):
        self.own.step()
        if self.s["kind"] == "plateau":
            self.scheduler.step(loss)
        elif self.s["kind"] not in ("constant", "one_cycle"):
            self.scheduler.step()


def move(network, config, optimizer):
    """One step for the gradients that are there, in the order docs/training.md gives."""
    o, parameters = config["optimizer"], list(network.trained.values())
    if o["clip_norm"] > 0:
        torch.nn.utils.clip_grad_norm_(parameters, o["clip_norm"])
    if o["clip_value"] > 0:
        torch.nn.utils.clip_grad_value_(parameters, o["clip_value"])
    with torch.no_grad():
        for p in network.penalised:
            p.grad += (o["l1"] + o["elastic_net"]) * p.sign() + (o["l2"] + 2 * o["elastic_net"]) * p
        for p in parameters:
            p *= 1 - optimizer.param_groups[0]["lr"] * o["weight_decay"]
    optimizer.step()


def train(config, run):
    """What PyTorch makes of the same rows in the same order: history and last arrays."""
    def rows(of):
        shape, x = run["input"], torch.tensor(run[of]["x"])
        x = x.reshape(-1, *shape[1:], shape[0]).movedim(-1, 1) if len(shape) == 3 else x.reshape(-1, *shape)
        return x, torch.tensor(run[of]["labels"])

    (x, labels), t, loss = rows("train"), config["train"], config["loss"]
    network = Network(config["network"]["layers"], run["first"])
    optimizer = optimizer_for(config["optimizer"], list(network.trained.values()))
    batches = -(-len(labels) // t["batch"])
    schedule = Schedule(config["schedule"], config["optimizer"], t["epochs"], -(-batches // t["accumulate"]))
    history, best, best_loss, since_best = [], None, float("inf"), 0
    for order in run["orders"]:
        parts, total, weight, right = torch.tensor(order).split(t["batch"]), 0, 0, 0
        for first in range(0, batches, t["accumulate"]):
            group = parts[first : first + t["accumulate"]]
            optimizer.zero_grad()
            for part in group:
                y = network.forward(x[part], True)
                sum_loss, sum_weight = total_loss(loss, y, labels[part])
                (sum_loss * (1 / sum_weight if sum_weight > 0 else 0) / len(group)).backward()
                total, weight, right = total + sum_loss.item(), weight + sum_weight, right + hits(loss, y, labels[part])
            schedule.before_step(optimizer.param_groups[0])
            move(network, config, optimizer)
        record = {"loss": total / weight, "accuracy": right / len(labels), "rate": optimizer.param_groups[0]["lr"]}
        if "validation" in run:
            with torch.no_grad():
                vx, vlabels = rows("validation")
                y = network.forward(vx, False)
                sum_loss, sum_weight = total_loss(loss, y, vlabels)
                record |= {"validation_loss": sum_loss.item() / sum_weight, "validation_accuracy": hits(loss, y, vlabels) / len(vlabels)}
        history.append(record)
        judged = record.get("validation_loss", record["loss"])
        schedule.after_epoch(judged)
        if t["early_stopping"] > 0:
            since_best = 0 if judged < best_loss else since_best + 1
            if since_best == 0:
                best, best_loss = {name: array.detach().clone() for name, array in network.arrays.items()}, judged
            if since_best >= t["early_stopping"]:
                break
    return history, best if best is not None else network.arrays


def in_single_precision(config, run):
    torch.set_default_dtype(torch.float32)
    try:
        return train(config, run)
    finally:
        torch.set_default_dtype(torch.float64)


def distance(got, wanted):
    """The greatest difference of losses and arrays, each relative to what it is of where that is above 1."""
    def off(a, b):
        a, b = torch.as_tensor(a, dtype=torch.float64), torch.as_tensor(b, dtype=torch.float64)
        return ((a - b).abs().max() / max(1, b.abs().max())).item()

    pairs = [(a[key], b[key]) for a, b in zip(got[0], wanted[0]) for key in b if key.endswith("loss")]
    pairs += [(got[1][name].detach(), array.detach()) for name, array in wanted[1].items()]
    return max(off(a, b) for a, b in pairs)


def differences(config, run):
    wanted = train(config, run)
    last = {name: torch.tensor(array["values"]).reshape(array["shape"]) for name, array in run["last"].items()}
    if len(wanted[0]) != len(run["history"]):
        yield f"{len(run['history'])} epochs, PyTorch {len(wanted[0])}"
        return
    for epoch, (ours, theirs) in enumerate(zip(run["history"], wanted[0]), 1):
        for key in theirs:
            if not key.endswith("loss") and not abs(ours[key] - theirs[key]) <= 1e-9 * theirs[key]:
                yield f"epoch {epoch}: {key} {ours[key]}, PyTorch {theirs[key]}"
    off = distance((run["history"], last), wanted)
    # Where a gradient is all but 0, an adaptive optimizer makes steps of its rounding: PyTorch's floats then stray as far.
    if not off <= TOLERANCE and not off <= 4 * (other := distance(in_single_precision(config, run), wanted)):
        yield f"losses or arrays off by {off:.1e}, PyTorch's own in single precision by {other:.1e}"


def main(program, count=100, first=1):
    with tempfile.TemporaryDirectory() as scratch:
        directory = pathlib.Path(scratch)
        configs = [random_run(seed, directory) for seed in range(int(first), int(first) + int(count))]
        files = [str(directory / f"{config['name']}.toml") for config in configs]
        runs = subprocess.run([program, *files], capture_output=True, text=True, check=True).stdout.splitlines()
        assert len(runs) == len(configs), "a line for each"
        refused = wrong = 0
        for config, line, file in zip(configs, runs, files):
            run = json.loads(line)
            refused += "error" in run
            problems = [] if "error" in run else list(differences(config, run))
            wrong += len(problems) > 0
            if problems:
                print(f"seed {config['name']}: " + "; ".join(problems), pathlib.Path(file).read_text(), sep="\n")
            elif "error" in run:
                print(f"seed {config['name']} refused: {run['error']}")
        print(f"{len(configs)} configurations: {len(configs) - refused - wrong} as PyTorch, {wrong} not, {refused} refused")
        assert wrong == 0, "soma trains otherwise than PyTorch"
        assert refused <= len(configs) // 10, "too many refused for a comparison"


main(*sys.argv[1:])
