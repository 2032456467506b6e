# runs of soma → what the real TensorBoard reads of their events: every epoch once, every number as in history.csv.
import csv
import subprocess
import sys
import tempfile
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

soma = sys.argv[1]
SCALARS = {"loss/train": "loss", "accuracy/train": "accuracy", "loss/validation": "validation_loss",
           "accuracy/validation": "validation_accuracy", "rate": "rate", "seconds": "seconds"}


def train(*arguments):
    subprocess.run([soma, "train", *arguments, "--quiet"], check=True)


def read(out):
    events = EventAccumulator(str(out), size_guidance={"scalars": 0, "histograms": 0})
    events.Reload()
    return events


def check_scalars(out, epochs):
    events = read(out)
    with open(out / "history.csv") as file:
        history = list(csv.DictReader(file))
    assert len(history) == epochs, history
    for tag, column in SCALARS.items():
        got = [(event.step, event.value) for event in events.Scalars(tag)]
        assert [step for step, _ in got] == list(range(1, epochs + 1)), (tag, got)
        for (_, value), row in zip(got, history):
            wanted = float(row[column])
            assert abs(value - wanted) <= 1e-3 + 1e-5 * abs(wanted), (tag, value, wanted)
    return events


with tempfile.TemporaryDirectory() as place:
    out = Path(place) / "run"
    settings = ["--data", "digits:train", "--set", "data.count=600", "--set", "data.validation_fraction=0.1"]
    train("mnist-mlp", *settings, "--epochs", "3", "--out", str(out))
    events = check_scalars(out, 3)
    assert events.Tags()["histograms"], events.Tags()
    sizes = {"linear1.weight": 784 * 128, "linear1.bias": 128, "linear2.weight": 1280, "linear2.bias": 10}
    for name, size in sizes.items():
        for kind in ("weights", "gradients"):
            spreads = events.Histograms(f"{kind}/{name}")
            assert [spread.step for spread in spreads] == sorted({spread.step for spread in spreads}), spreads
            assert spreads[-1].step == 3, "the last epoch always has them"
            value = spreads[-1].histogram_value
            assert value.num == size and sum(value.bucket) == size, (name, value)
            assert value.min < value.max and value.min <= value.bucket_limit[0], (name, value)
            assert abs(value.bucket_limit[-1] - value.max) < 1e-12
    assert len(events.Scalars("accuracy/test")) == 1 and 0 <= events.Scalars("accuracy/test")[0].value <= 1

    # A resumed run goes on where its checkpoint stands.
    train("--resume", str(out), "--epochs", "5")
    check_scalars(out, 5)
    assert len(list(out.glob("events.out.tfevents.*"))) == 2

    # Half a record at the end, as a kill leaves it, is nobody's problem.
    newest = max(out.glob("events.out.tfevents.*"), key=lambda path: path.stat().st_mtime_ns)
    with open(newest, "ab") as file:
        file.write(b"\x40\0\0\0\0\0\0\0half")
    check_scalars(out, 5)

    # What an interrupted run had beyond its checkpoint, and a run that started over, count no longer.
    train("mnist-mlp", *settings, "--epochs", "2", "--seed", "9", "--out", str(out), "--force")
    check_scalars(out, 2)
print("TensorBoard reads every epoch once, through a resume, a torn record and a fresh start")
