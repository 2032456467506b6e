# tables and pictures of one's own → soma train, eval, predict, serve, and onnxruntime on model.onnx: all say the same, with every kind of target.
import csv
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import numpy as np
import onnxruntime

SOMA = sys.argv.pop(1)
ROWS, SHOWN = 900, 60

CONFIG = """name = "own"
preprocess = [{preprocess}]
[data]
{data}
[network]
layers = [{layers}{{ type = "linear", out = "targets" }}]
[optimizer]
kind = "adam"
rate = 0.005
[train]
epochs = {epochs}
batch = 32
threads = 2
"""
HIDDEN = '{ type = "linear", out = 24 }, { type = "relu" }, '
NARROW = '{ type = "linear", out = 12 }, { type = "tanh" }, { type = "linear", out = 2 }, { type = "linear", out = 12 }, { type = "tanh" }, '
STEPS = '{ kind = "impute", with = "median", indicator = true }, { kind = "one_hot" }, { kind = "standardise" }'


class Run:
    """One table, trained on."""

    def __init__(self, directory, head, rows, inputs, preprocess, data, layers=HIDDEN, epochs=30):
        self.directory = pathlib.Path(directory)
        self.inputs = head[:inputs]
        self.rows = [row[:inputs] for row in rows]
        with open(self.directory / "train.csv", "w", newline="") as file:
            csv.writer(file).writerows([head, *rows])
        (self.directory / "own.toml").write_text(CONFIG.format(preprocess=preprocess, data=f'train = "train.csv"\n{data}', layers=layers, epochs=epochs))
        self.trained = self.soma("train", "own.toml", "--out", "run", "--json")

    def soma(self, *arguments):
        done = subprocess.run([SOMA, *arguments], cwd=self.directory, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.strip().splitlines()[-1])

    def predicted(self, count=SHOWN):
        with open(self.directory / "ask.csv", "w", newline="") as file:
            csv.writer(file).writerows([self.inputs, *self.rows[:count]])
        return self.soma("predict", "run/model.onnx", "ask.csv", "--json")["predictions"]

    def served(self, count=SHOWN):
        """What `curl --data-binary @ask.csv` gets from soma serve."""
        process = subprocess.Popen([SOMA, "serve", self.directory / "run/model.onnx", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        try:
            address = next(line.split("//")[1].strip() for line in process.stdout if line.startswith("listening on http"))
            request = urllib.request.Request(f"http://{address}/", (self.directory / "ask.csv").read_bytes(),
                                             {"Content-Type": "text/csv", "Accept": "application/json"})
            with urllib.request.urlopen(request) as answer:
                rows = json.load(answer)
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()
        assert len(rows) == count, rows
        return rows

    def onnxruntime(self, words=None, count=SHOWN):
        """model.onnx on raw rows: numbers as they are, a word as its place among those of its column, a gap as NaN."""
        table = [[float("nan") if cell == "" else words[name].index(cell) if words and name in words else float(cell)
                  for name, cell in zip(self.inputs, row)] for row in self.rows[:count]]
        session = onnxruntime.InferenceSession(self.directory / "run/model.onnx", providers=["CPUExecutionProvider"])
        (output,) = session.run(None, {session.get_inputs()[0].name: np.array(table, np.float32)})
        return output


def softmax(y):
    e = np.exp(y - y.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class OwnData(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.random = np.random.default_rng(7)

    def tearDown(self):
        self.place.cleanup()

    def close(self, ours, theirs, scale=1.0):
        self.assertLessEqual(float(np.abs((np.array(ours) - np.array(theirs)) / scale).max()), 1e-5)

    def houses(self):
        """A district's price and rooms: numbers of very different size, gaps in two columns, a word."""
        r, rows, shore = self.random, [], ["far", "inland", "near"]
        for _ in range(ROWS):
            income, age, people, place = r.gamma(4, 1), r.integers(1, 52), r.integers(3, 35000), r.integers(0, 3)
            price = 40000 * income + 60000 * place - 500 * age + r.normal(0, 9000)
            rooms = 4 + 0.3 * income + r.normal(0, 0.1)
            rows.append([f"{income:.4f}" if r.random() > 0.1 else "", age if r.random() > 0.05 else "", people, shore[place],
                         f"{price:.2f}", f"{rooms:.4f}", "dear" if price > 200000 else "cheap"])
        return ["income", "age", "people", "shore", "price", "rooms", "kind"], rows, {"shore": shore}

    def test_two_values_in_their_units(self):
        head, rows, words = self.houses()
        run = Run(self.place.name, head, rows, 4, STEPS, 'label = ["price", "rooms"]\nignore = ["kind"]')
        self.assertGreater(run.trained["test"]["r2"], 0.8)
        self.assertEqual(set(run.soma("eval", "run", "--json")["per_label"][0]), {"label", "mae", "rmse", "r2", "pinball"})
        said = [[row["values"]["price"], row["values"]["rooms"]] for row in run.predicted()]
        theirs = run.onnxruntime(words)
        self.close(said, theirs, np.abs(theirs).max(axis=0))
        served = run.served()
        self.assertEqual(served[0]["names"], ["price", "rooms"])
        self.close([row["values"] for row in served], theirs, np.abs(theirs).max(axis=0))

    def test_classes_with_gaps_and_words(self):
        head, rows, words = self.houses()
        run = Run(self.place.name, head, rows, 4, STEPS, 'label = "kind"\nignore = ["price", "rooms"]')
        self.assertGreater(run.trained["test"]["accuracy"], 0.8)
        theirs = softmax(run.onnxruntime(words))
        self.close([row["probabilities"] for row in run.predicted()], theirs)
        self.close([row["probabilities"] for row in run.served()], theirs)

    def test_several_labels(self):
        x = self.random.normal(size=(ROWS, 5))
        y = (x @ self.random.normal(size=(5, 3)) + 0.3 * self.random.normal(size=(ROWS, 3)) > 0).astype(int)
        names = ["red", "green", "blue"]
        rows = [[*(f"{v:.5f}" for v in a), *b] for a, b in zip(x, y)]
        run = Run(self.place.name, list("abcde") + names, rows, 5, '{ kind = "standardise" }', f"label = {json.dumps(names)}")
        self.assertGreater(run.trained["test"]["roc_auc"], 0.95)
        self.assertEqual([each["label"] for each in run.trained["test"]["per_label"]], names)
        theirs = 1 / (1 + np.exp(-run.onnxruntime()))
        said, served = run.predicted(), run.served()
        self.close([[row["probabilities"][name] for name in names] for row in said], theirs)
        self.close([row["probabilities"] for row in served], theirs)
        for rows in (said, served):
            self.assertEqual([row["labels"] for row in rows], [[n for n, p in zip(names, each) if p >= 0.5] for each in theirs])

    def test_what_is_unusual_has_a_high_score(self):
        hum = self.random.normal(size=(ROWS, 2)) @ self.random.normal(size=(2, 8))
        odd = self.random.random(ROWS) < 0.05
        hum[odd] += 1.5 * self.random.normal(size=(odd.sum(), 8))
        rows = [[*(f"{v:.5f}" for v in a), "odd" if b else "fine"] for a, b in zip(hum, odd)]
        run = Run(self.place.name, [f"s{i}" for i in range(8)] + ["label"], rows, 8, '{ kind = "standardise" }', 'task = "reconstruct"', NARROW, 80)
        self.assertGreater(run.trained["test"]["roc_auc"], 0.9)
        scores = [row["score"] for row in run.predicted(200)]
        self.close([row["score"] for row in run.served(200)], scores, max(scores))
        self.assertGreater(np.median([s for s, o in zip(scores, odd) if o]), 10 * np.median([s for s, o in zip(scores, odd) if not o]))


if __name__ == "__main__":
    unittest.main()
