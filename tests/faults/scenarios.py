# what a user does with soma → scenarios: a directory to start from, a command, what makes it whole again, what must stand there then.
import json
import struct
import subprocess
from pathlib import Path

CONFIG = """name = "t"
preprocess = [{ kind = "standardise" }]
[data]
train = "d.csv"
test_fraction = 0.2
[network]
layers = [{ type = "linear", out = 6 }, { type = "relu" }, { type = "linear", out = "classes" }]
[train]
epochs = 3
batch = 16
threads = 2
checkpoint_seconds = 0.000001
"""
BATCH = ("NetworkFile: net\nTrainFile: rows.csv\nTestFile: rows.csv\nLearningRate: 0.5\nLambda: 0\nPersistenceFile: w/weights\n"
         "ResultFile: w/results\n" + "Train: 1\nTest: 1\n" * 2)


def numbers(file):
    """A safetensors file without its header, which holds times."""
    data = file.read_bytes()
    return data[8 + struct.unpack("<Q", data[:8])[0]:]


def result_lines(file):
    """A result file without its times."""
    keep = (0, 2, 3, 4, 7, 9, 10, 11, 12, 13, 14)
    return [[line.split(";")[i] for i in keep] for line in file.read_text().splitlines()]


class Scenario:
    def __init__(self, name, command, recover=None, final=None, prints=False):
        self.name, self.command, self.prints = name, command, prints
        self.recover = recover or command  # said after a failure or a kill, until it ends with 0
        self.final = final or {}           # file → what of it must be as without faults

    def result(self, place, text):
        """What the run came to, compared with the run without faults."""
        return {file: of(place / file) for file, of in self.final.items()} | ({"stdout": text} if self.prints else {})


TRAINED = {"o/model.onnx": Path.read_bytes}
BATCHED = {"w/weights": numbers, "w/results": result_lines}
SCENARIOS = [
    Scenario("train", ["train", "c.toml", "--out", "o", "--quiet"], ["train", "c.toml", "--resume", "o", "--quiet"], TRAINED),
    Scenario("resume", ["train", "c.toml", "--resume", "o", "--quiet"], final=TRAINED),
    Scenario("batch", ["batch", "b", "--quiet", "--threads", "2"], final=BATCHED),
    Scenario("batch again", ["batch", "b", "--quiet", "--threads", "2"], final=BATCHED),
    Scenario("export", ["export", "m/model.onnx", "--to", "onnx", "--int8", "--data", "d.csv", "-o", "x.onnx"],
             final={"x.onnx": Path.read_bytes}),
    Scenario("eval", ["eval", "m/model.onnx", "--data", "d.csv", "--json"], prints=True),
    Scenario("predict", ["predict", "m/model.onnx", "rows.csv", "--json"], prints=True),
    Scenario("info", ["info", "m/model.onnx"], prints=True),
    Scenario("verify", ["verify", "m"], prints=True),
    Scenario("convert", ["data", "convert", "d.csv", "e.csv"], final={"e.csv": Path.read_bytes}),
]


def prepare(soma, preload, root, only=None):
    """One directory for each scenario to start from."""
    def run(place, *words, fault=None):
        extra = {"LD_PRELOAD": str(preload), "FAULT": fault} if fault else {}
        return subprocess.run([soma, *words], cwd=place, capture_output=True, env={"PATH": "/usr/bin:/bin", **extra}).returncode
    base = root / "base"
    base.mkdir(parents=True)
    rows = [[(7 * i + 3 * j) % 11 + (4 if i % 3 == j else 0) for j in range(4)] for i in range(60)]
    (base / "d.csv").write_text("a,b,c,d,kind\n" + "".join(",".join(map(str, row)) + f",{'xyz'[i % 3]}\n" for i, row in enumerate(rows)))
    (base / "rows.csv").write_text("".join(f"{i % 3}," + ",".join(map(str, row[:3])) + "\n" for i, row in enumerate(rows)))
    (base / "c.toml").write_text(CONFIG)
    (base / "net").write_text("Identity, 3\nELU, 4\nSoftMax, 3\n")
    (base / "b").write_text(BATCH)
    if run(base, "train", "c.toml", "--out", "m", "--quiet") != 0:
        raise SystemExit("faults: the run without faults failed; is this the program?")
    rows_only = "a,b,c,d\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    places = {}
    for each in SCENARIOS:
        if only and each.name not in only:
            continue
        place = places[each.name] = root / each.name.replace(" ", "_")
        subprocess.run(["cp", "-r", base, place], check=True)
        if each.name == "predict":
            (place / "rows.csv").write_text(rows_only)
        if each.name == "resume":  # killed in the middle of the run
            run(place, "train", "c.toml", "--out", "o", "--quiet", fault="kill:60")
        if each.name == "batch again":
            run(place, "batch", "b", "--quiet", fault="kill:30")
    return places


def table(trials, count):
    """Markdown of all trials: a row for each scenario, a column for each kind, tried / calls there are."""
    kinds = list(dict.fromkeys(kind for _, kind, _ in trials))
    lines = ["| | " + " | ".join(kinds) + " |", "|---|" + "---|" * len(kinds)]
    for name in dict.fromkeys(name for name, _, _ in trials):
        cells = [f"{sum(1 for n, k, _ in trials if (n, k) == (name, kind))}/{count.get(name, {}).get(kind, 0)}" for kind in kinds]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def load(file):
    """The trials that are on the disk already, by scenario, kind and call."""
    return {tuple(json.loads(line)[:3]): json.loads(line)[3] for line in file.read_text().splitlines()} if file.exists() else {}
