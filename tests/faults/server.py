# the built server + fault.so → every allocation, open, read, stat and thread of a session failed once: it answers, or says no, and goes on.
#
#   server.py SOMA FAULT.SO [--budget N] [--only KIND]
#
# A session: start, a request, a reload, two requests, the end. A server that has started answers 200 or 503 (or closes a connection it
# has no memory for), is as good as new after the fault, and ends with 0; one that has not ends with 1 and one line.
import argparse
import concurrent.futures
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
import scenarios

REQUEST = json.dumps({"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]})
KINDS = ["malloc", "open", "read", "stat", "thread"]


def ask(port, path, body):
    """Status and body; 0 where the connection was closed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (http.client.HTTPException, ConnectionError):
        return 0, b""
    finally:
        connection.close()


def session(soma, place, **environment):
    """What is wrong, or "", and the last answer."""
    server = subprocess.Popen([soma, "serve", "repository", "--listen", "127.0.0.1:0", "--threads", "2", "--control"], cwd=place,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PATH": "/usr/bin:/bin", **environment})
    try:
        port = next((int(line.rsplit(":", 1)[1].strip(" /\n")) for line in server.stdout if line.startswith("listening on ")), None)
        if port is None:
            _, said = server.communicate(timeout=20)
            fine = server.returncode == 1 and said.startswith("soma: ") and said.count("\n") == 1
            return "" if fine else f"no start: status {server.returncode}, {said[-200:]!r}", None
        wrong = ""
        statuses = [ask(port, "/v2/models/t/infer", REQUEST)[0], ask(port, "/v2/repository/models/t/load", "{}")[0],
                    ask(port, "/v2/models/t/infer", REQUEST)[0]]
        last = ask(port, "/v2/models/t/infer", REQUEST)
        if any(status not in (0, 200, 400, 500, 503) for status in statuses) or last[0] not in (200, 503, 0):
            wrong = f"answers {statuses}, {last}"
        server.send_signal(signal.SIGTERM)
        _, said = server.communicate(timeout=20)
        if server.returncode != 0:
            wrong = f"status {server.returncode}: {said[-200:]!r} after {statuses}, {last}"
        return wrong, last
    except subprocess.TimeoutExpired:
        return "hangs", None
    finally:
        server.kill()
        server.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("soma", type=Path)
    parser.add_argument("preload", type=Path)
    parser.add_argument("--budget", type=int, default=0)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    soma, preload = asked.soma.resolve(), asked.preload.resolve()
    with tempfile.TemporaryDirectory() as root:
        place = scenarios.prepare(soma, preload, Path(root) / "start", only=["eval"])["eval"]
        (place / "repository/t/1").mkdir(parents=True)
        shutil.copy(place / "m/model.onnx", place / "repository/t/1")
        counts = Path(root) / "counts"
        wrong, wanted = session(soma, place, LD_PRELOAD=str(preload), FAULT_COUNTS=str(counts))
        if wrong or wanted[0] != 200:
            sys.exit(f"faults: the server failed without a fault: {wrong} {wanted}")
        calls = {kind: int(n) for kind, n in map(str.split, counts.read_text().splitlines())}

        def one(trial):
            kind, call = trial
            bad, last = session(soma, place, LD_PRELOAD=str(preload), FAULT=f"{kind}:{call}")
            if not bad and last and last[0] == 200 and last[1] != wanted[1]:
                bad = "another answer"
            if bad:
                print(f"serve, {kind}:{call}: {bad}", flush=True)
            return bool(bad)

        todo = []
        for kind in KINDS if not asked.only else [asked.only]:
            step = max(1, calls[kind] // asked.budget) if asked.budget else 1
            todo += [(kind, call) for call in range(1 + calls[kind] % step // 2, calls[kind] + 1, step)]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            bad = sum(pool.map(one, todo))
        print(f"serve: {len(todo)} faults of {sum(calls[kind] for kind in KINDS)}, {bad} wrong")
    sys.exit(bad > 0)


main()
