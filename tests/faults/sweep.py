# the built program + fault.so → every call of every kind failed once, or so many of them; what it made of that, judged.
#
#   sweep.py SOMA FAULT.SO [--budget N] [--state FILE] [--only SCENARIO[:KIND]] [--table FILE]
#
# --budget N tries at most N calls of each kind in each scenario, evenly spread; without it all. --state FILE keeps what was tried, so
# that the next call goes on; --table FILE writes the table of all of it between the marks there. Ends with 1 when anything was wrong: an abort, a hang, a torn file, a result lost with status 0.
import argparse
import concurrent.futures
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.dont_write_bytecode = True
import scenarios
from powercut import disk_of, what_is_left

KINDS = ["malloc", "open", "read", "write", "fsync", "rename", "stat", "mkdir", "unlink", "flock", "thread", "kill", "power"]
KILLED = -9
BEGIN, END = "<!-- faults:begin (scripts/test faults) -->\n", "<!-- faults:end -->"
TEMPORARY = re.compile(r"^\..*\.[a-z0-9]{6}$")


class Sweep:
    def __init__(self, soma, preload, root):
        self.soma, self.preload, self.root = soma, preload, root
        self.places = scenarios.prepare(soma, preload, root / "start")
        self.counts, self.wanted = {}, {}
        for each in scenarios.SCENARIOS:
            place = self.copy(each)
            done = self.run(place, each.command, FAULT_COUNTS=str(root / "counts"))
            if done.returncode != 0:
                raise SystemExit(f"faults: {each.name} failed without a fault: {done.stderr}")
            self.counts[each.name] = {k: int(n) for k, n in map(str.split, (root / "counts").read_text().splitlines())}
            self.wanted[each.name] = each.result(place, done.stdout)
            shutil.rmtree(place)

    def copy(self, scenario):
        place = Path(tempfile.mkdtemp(dir=self.root))
        shutil.rmtree(place)
        shutil.copytree(self.places[scenario.name], place)
        return place

    def run(self, place, words, **environment):
        extra = {"LD_PRELOAD": str(self.preload), **environment} if environment else {}
        return subprocess.run([self.soma, *words], cwd=place, env={"PATH": "/usr/bin:/bin", **extra}, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60)

    def judge(self, scenario, kind, call):
        """Empty when all is well, else what is wrong."""
        place = self.copy(scenario)
        disk = disk_of(place, self.root) if kind == "power" else None
        try:
            return self.judged(scenario, kind, call, place, disk)
        except subprocess.TimeoutExpired:
            return "hangs"
        finally:
            shutil.rmtree(place, ignore_errors=True)
            if disk:
                shutil.rmtree(disk, ignore_errors=True)

    def judged(self, scenario, kind, call, place, disk):
        extra = {"FAULT_DISK": str(disk)} if disk else {}
        before = set(place.rglob("*"))
        done = self.run(place, scenario.command, FAULT=f"{kind}:{call}", **extra)
        if done.returncode not in (0, 1, 2, KILLED) or (done.returncode == KILLED) != (kind in ("kill", "power")):
            return f"status {done.returncode}: {done.stderr[-200:]}"
        if done.returncode in (1, 2) and (done.stderr.count("\n") != 1 or not done.stderr.startswith("soma: ")):
            return f"wanted one line, got {done.stderr!r}"
        if done.returncode == 0 and scenario.result(place, done.stdout) != self.wanted[scenario.name]:
            return "ended with 0 and another result"
        if disk:
            what_is_left(place, disk)
        if done.returncode in (1, 2) and kind not in ("unlink", "flock"):
            left = [str(path) for path in set(place.rglob("*")) - before
                    if TEMPORARY.match(path.name) or path.name in ("lock", "results.lock")]
            if left:
                return f"left behind {left}"
        if done.returncode == 0:
            return ""
        torn = [path for path in place.rglob("*") if path.suffix in (".onnx", ".safetensors") and not TEMPORARY.match(path.name)
                and self.run(place, ["verify", str(path)]).returncode != 0]
        if torn:
            return f"torn: {torn}"
        again = self.run(place, scenario.recover)
        if again.returncode != 0:
            return f"cannot go on: {again.stderr[-200:]}"
        if scenario.result(place, again.stdout) != self.wanted[scenario.name]:
            return "goes on to another result"
        left = [str(path) for path in place.rglob("*") if TEMPORARY.match(path.name)]
        return f"never cleared away {left}" if left and scenario.name in ("train", "resume", "batch", "batch again") else ""

    def trials(self, budget, only):
        for each in scenarios.SCENARIOS:
            for kind in KINDS:
                calls = self.counts[each.name][kind]
                if only and only not in (each.name, f"{each.name}:{kind}"):
                    continue
                step = max(1, calls // budget) if budget else 1
                yield from ((each, kind, call) for call in range(1 + calls % step // 2, calls + 1, step))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("soma", type=Path)
    parser.add_argument("preload", type=Path)
    parser.add_argument("--budget", type=int, default=0)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--table", type=Path)
    asked = parser.parse_args()
    known = scenarios.load(asked.state) if asked.state else {}
    with tempfile.TemporaryDirectory() as root:
        sweep = Sweep(asked.soma.resolve(), asked.preload.resolve(), Path(root))
        lock = threading.Lock()

        def one(trial):
            scenario, kind, call = trial
            wrong = sweep.judge(scenario, kind, call)
            with lock:
                known[scenario.name, kind, call] = wrong
                if asked.state:
                    with open(asked.state, "a") as file:
                        file.write(json.dumps([scenario.name, kind, call, wrong]) + "\n")
                if wrong:
                    print(f"{scenario.name}, {kind}:{call}: {wrong}", flush=True)

        todo = [trial for trial in sweep.trials(asked.budget, asked.only) if (trial[0].name, trial[1], trial[2]) not in known]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(one, todo))
        bad = sum(1 for wrong in known.values() if wrong)
        rows = scenarios.table(list(known), sweep.counts)
        print(rows)
        if asked.table:
            said = f"{datetime.date.today()}: {len(known)} faults injected, {bad} answered wrongly.\n\n{rows}\n"
            text = asked.table.read_text()
            begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
            asked.table.write_text(text[:begin] + said + text[end:])
        print(f"{len(known)} faults, {bad} wrong")
    sys.exit(bad > 0)


main()
