# a file as people's data comes → whether soma learned from what is in it, or said in one line why not.
import json
import pathlib
import resource
import subprocess
import tempfile
import unittest

import numpy as np

SOMA = ""  # the program, set by the file that imports this
ROWS = 40

CONFIG = """name = "kind"
preprocess = [{preprocess}]
[network]
{network}
[optimizer]
kind = "adam"
rate = 0.01
[train]
epochs = 12
batch = {batch}
threads = 1
"""
HIDDEN = '{ type = "linear", out = 8 }, { type = "relu" }, { type = "linear", out = "classes" }'
TABLE = CONFIG.format(preprocess='{ kind = "standardise" }', network=f"layers = [{HIDDEN}]", batch=8)
PICTURES = CONFIG.format(preprocess='{ kind = "divide", by = 255 }', network='layers = [{ type = "flatten" }, ' + HIDDEN + "]", batch=8)


class Kind(unittest.TestCase):
    """One new user with one directory."""

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.at = pathlib.Path(place.name)
        (self.at / "table.toml").write_text(TABLE)
        (self.at / "pictures.toml").write_text(PICTURES)
        self.random = np.random.default_rng(3)

    def soma(self, *arguments, memory=None):
        limit = (lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory))) if memory else None
        done = subprocess.run([SOMA, *arguments], cwd=self.at, capture_output=True, check=False, preexec_fn=limit, timeout=120)
        return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")

    def train(self, data, *more, config="table", memory=None):
        return self.soma("train", f"{config}.toml", "--data", data, "--out", "run", "--force", "--json", *more, memory=memory)

    def learned(self, data, *said, config="table", more=(), memory=None):
        """The run's JSON; `said` are words of the summary."""
        status, out, err = self.train(data, *more, config=config, memory=memory)
        self.assertEqual(status, 0, err)
        summary, _, last = out.strip().rpartition("\n")
        for words in said:
            self.assertIn(words, summary)
        return json.loads(last)

    def refused(self, data, *said, config="table", more=(), pasted=False):
        """The one line, or the line to paste below it."""
        (self.at / "run" / "model.onnx").unlink(missing_ok=True)
        status, out, err = self.train(data, *more, config=config)
        self.assertIn(status, (1, 2), f"{data}: {out}")
        lines = err.splitlines()
        self.assertEqual(len(lines), 2 if pasted else 1, err)
        self.assertTrue(lines[0].startswith("soma: "), err)
        for words in said:
            self.assertIn(words, lines[0])
        self.assertFalse((self.at / "run" / "model.onnx").exists())
        return lines[-1]

    def converted(self, source):
        """What soma sees in a source, as its own CSV."""
        status, _, err = self.soma("data", "convert", source, "seen.csv")
        self.assertEqual((status, err), (0, ""), source)
        return (self.at / "seen.csv").read_bytes().decode().splitlines()

    def write(self, name, content):
        path = self.at / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return name
