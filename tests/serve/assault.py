# strangers → soma serve: mutated requests cut anywhere, hostile uploads, a proxy that opens one path. It answers, or refuses, and lives.
#
#   tests/serve/assault.py SOMA MODELS REQUESTS [--minutes N] [--uploaders N] [--memory MIB] [--proxy | --limits]
#
# MODELS is what assault_models makes. REQUESTS is a directory of whole requests, one a file (build/dev/tests/serve/write_requests DIR writes them). --memory runs the
# server in a control group with that limit (takes root). --proxy sends them through nginx with only /v2/health/ open.
# --limits sends no mutations but what takes memory: uploads without the token, archives that unpack to much, heads under a limit of address space.
import argparse
import gzip
import json
import multiprocessing
import os
import pathlib
import random
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

arguments = argparse.ArgumentParser()
arguments.add_argument("soma")
arguments.add_argument("model")
arguments.add_argument("requests", type=pathlib.Path)
arguments.add_argument("--minutes", type=float, default=1)
arguments.add_argument("--seed", type=int, default=1)
arguments.add_argument("--threads", type=int, default=4)
arguments.add_argument("--uploaders", type=int, default=0)
arguments.add_argument("--memory", type=int, default=0)
arguments.add_argument("--proxy", action="store_true")
arguments.add_argument("--limits", action="store_true")
ARGUMENTS = arguments.parse_args()
CORPUS = [file.read_bytes() for file in sorted(ARGUMENTS.requests.iterdir())]
PIECES = [b"\r\n", b"\n", b"\0", b" ", b":", b"Content-Length: 16\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: localhost\r\n", b"Expect: 100-continue\r\n",
          b"GET /soma/status HTTP/1.1\r\nHost: localhost\r\n\r\n", b"0\r\n\r\n", b"ffffffff", b"%2f", b"Content-Encoding: gzip\r\n", b"-1", b"{}", b"\xff" * 16]
failures = []


def report(what, fine, detail=""):
    print(("ok    " if fine else "FAILED"), what, detail, flush=True)
    if not fine:
        failures.append(what)


def group():
    """A control group of either version with a memory limit, below the one this process is in."""
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for root, name in ((f"/sys/fs/cgroup/memory{path}", "memory.limit_in_bytes"), (f"/sys/fs/cgroup{path}", "memory.max")):
            if ("memory" in controllers) == ("limit" in name) and os.path.exists(f"{root}/{name}"):
                place = f"{root}/soma-assault-{os.getpid()}"
                os.makedirs(place, exist_ok=True)
                pathlib.Path(f"{place}/{name}").write_text(str(ARGUMENTS.memory << 20))
                return place
    raise OSError("no controller for memory")


class Server:
    def __init__(self, *options, address_space=None):
        try:
            self.place = group() if ARGUMENTS.memory else None
        except OSError as error:
            if not ARGUMENTS.limits:
                sys.exit(f"assault: wanted a control group for memory, got '{error}'; try as root, or leave --memory out")
            print(f"SKIPPED the control group of {ARGUMENTS.memory} MiB ({error}): --max-memory in its place")
            self.place, options = None, (*options, "--max-memory", str(ARGUMENTS.memory << 19))

        def join():
            if self.place:
                pathlib.Path(f"{self.place}/cgroup.procs").write_text(str(os.getpid()))
            if address_space:
                resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))

        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([ARGUMENTS.soma, "serve", ARGUMENTS.model, "--listen", "127.0.0.1:0", "--control", "--access-log", "all", *options],
                                        stdout=subprocess.PIPE, stderr=self.errors, text=True, preexec_fn=join)
        self.port = next(int(line.rsplit(":", 1)[1]) for line in self.process.stdout if line.startswith("listening"))

    def memory(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=60)
        self.errors.seek(0)
        lines = self.errors.read().splitlines()
        self.process.stdout.close()
        if self.place:
            os.rmdir(self.place)
        return status, [line for line in lines if line.startswith("{")], [line for line in lines if not line.startswith("{")]


def mutated(rng):
    data = bytearray(rng.choice(CORPUS))
    for _ in range(rng.choice((0, 1, 1, 2, 4, 9))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(6)
        if kind == 0 and data:
            data[min(at, len(data) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at:at] = rng.choice(PIECES)
        elif kind == 2:
            del data[at:at + rng.choice((1, 2, 8, 100))]
        elif kind == 3:
            data[at:at] = rng.choice(CORPUS)[:rng.choice((10, 100, 20000))]
        elif kind == 4:
            data[at:at] = bytes([rng.randrange(256)]) * rng.choice((1, 7, 300, 16384))
        else:
            data += rng.choice(CORPUS)
    return bytes(data)


def attack(port, until, seed, counts):
    rng = random.Random(seed)
    while time.monotonic() < until and counts.get("refused", 0) < 1000:
        data = mutated(rng)
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for _ in range(rng.randrange(4)):
                    cut = rng.randrange(len(data) + 1) if rng.random() < 0.7 else min(len(data), rng.choice((16383, 16384, 16385)))
                    connection.sendall(data[:cut])
                    data = data[cut:]
                    time.sleep(rng.random() * 0.004)
                connection.sendall(data)
                if rng.random() < 0.9:
                    connection.shutdown(socket.SHUT_WR)
                    while piece := connection.recv(65536):
                        counts["bytes"] += len(piece)
        except ConnectionRefusedError:  # it lives no longer
            counts["refused"] = counts.get("refused", 0) + 1
            continue
        except OSError:
            pass
        counts["sent"] += 1


def upload(port, until, seed):
    rng = random.Random(seed)
    while time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 67108864\r\n\r\n")
                for _ in range(1024):
                    if time.monotonic() > until or rng.random() < 0.001:
                        break
                    connection.sendall(bytes(65536))
        except OSError:
            time.sleep(0.05)


def healthy(port, until, told):
    """In a process of its own: beside the threads of this one it would measure how long Python lets it wait."""
    times, refused = [], []
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                    refused.append("not 200")
        except OSError as error:
            refused.append(repr(error))
        times.append(1000 * (time.monotonic() - began))
        time.sleep(0.05)
    told.send((times, refused, waited(os.getpid())))


def waited(pid):
    """Seconds that the threads of a process were ready to run and did not: what other processes cost it."""
    return sum(int(file.read_text().split()[1]) for file in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def assault():
    server = Server()
    before = server.memory()
    until = time.monotonic() + 60 * ARGUMENTS.minutes
    counts = {"sent": 0, "bytes": 0}
    heard, told = multiprocessing.Pipe(duplex=False)
    prober = multiprocessing.Process(target=healthy, args=(server.port, until, told))
    prober.start()
    users = [threading.Thread(target=attack, args=(server.port, until, ARGUMENTS.seed * 1000 + i, counts)) for i in range(ARGUMENTS.threads)]
    users += [threading.Thread(target=upload, args=(server.port, until, i)) for i in range(ARGUMENTS.uploaders)]
    for each in users:
        each.start()
    for each in users:
        each.join()
    lives = server.process.poll() is None
    times, refused, prober_waited = heard.recv()
    prober.join()
    report("the server lives", lives, f"{counts['sent']} connections, {counts['bytes']} bytes of answers in {ARGUMENTS.minutes} min")
    if not lives:
        server.errors.seek(0)
        print(server.errors.read()[-4000:])
        return
    report("health always answers", not refused, f"{len(times)} asked, {len(refused)} not answered {refused[:3]}")
    p99 = statistics.quantiles(times, n=100)[98]
    print(f"      health: median {statistics.median(times):.1f} ms, p99 {p99:.1f} ms, longest {max(times):.1f} ms")
    print(f"      waited for a processor: who asks {1000 * prober_waited / len(times):.1f} ms each time, the server's threads {waited(server.process.pid):.0f} s in all")
    time.sleep(5)
    after = server.memory()
    print(f"      resident: {before:.1f} MB before, {after:.1f} MB five seconds after")
    status, _, rest = server.stop()
    found = [line for line in rest if "ERROR:" in line or "runtime error" in line or "terminate" in line]
    report("nothing for a sanitizer to say, and an orderly end", status == 0 and not found, f"status {status} {found[:3]}")


def behind_a_proxy():
    server = Server()
    with tempfile.TemporaryDirectory() as place:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        pathlib.Path(f"{place}/nginx.conf").write_text(
            f"daemon off; worker_processes 1; error_log {place}/error.log; pid {place}/pid;\nevents {{}}\nhttp {{ access_log off; client_body_temp_path {place}; "
            f"proxy_temp_path {place}; fastcgi_temp_path {place}; uwsgi_temp_path {place}; scgi_temp_path {place}; large_client_header_buffers 8 32k;\n"
            f"server {{ listen 127.0.0.1:{port}; location /v2/health/ {{ proxy_pass http://127.0.0.1:{server.port}; proxy_http_version 1.1; "
            f"proxy_buffering off; proxy_request_buffering off; }} location / {{ return 403; }} }} }}\n")
        nginx = subprocess.Popen(["nginx", "-p", place, "-c", f"{place}/nginx.conf"], stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        counts, until = {"sent": 0, "bytes": 0}, time.monotonic() + 60 * ARGUMENTS.minutes
        for data in CORPUS:  # each as it is, and with its path behind the one that is open
            for head in (data, data.replace(b"GET /", b"GET /v2/health/live?/", 1), data.replace(b"POST /", b"POST /v2/health/live?/", 1)):
                for cut in (len(head), 1, 16384):
                    try:
                        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                            connection.sendall(head[:cut])
                            time.sleep(0.002)
                            connection.sendall(head[cut:])
                            connection.shutdown(socket.SHUT_WR)
                            while connection.recv(65536):
                                pass
                    except OSError:
                        pass
                    counts["sent"] += 1
        users = [threading.Thread(target=attack, args=(port, until, ARGUMENTS.seed * 1000 + i, counts)) for i in range(ARGUMENTS.threads)]
        for each in users:
            each.start()
        for each in users:
            each.join()
        nginx.terminate()
        nginx.wait()
    _, lines, _ = server.stop()
    # A proxy passes on what it takes for the open path; soma takes it for that path as well, or for none.
    answered = {line["path"] for line in map(json.loads, lines) if line["status"] < 400 or line["status"] == 405}
    paths = {json.loads(line)["path"] for line in lines}
    beyond = sorted(path for path in answered if path and not urllib.parse.unquote(path).startswith("/v2/health/"))
    report("no bytes reach another path through a proxy", not beyond and any(path.startswith("/v2/health/live") for path in paths),
           f"{counts['sent']} connections, {len(lines)} requests came through, {len(paths)} paths {beyond[:3]}")


def ask(port, request, piece=b"", pieces=0):
    """The status of what it is answered, and as many pieces behind it as it takes; 0 for none."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            connection.sendall(request)
            for _ in range(pieces):
                connection.sendall(piece)
        except OSError:
            pass  # it has had enough, and may have said so
        try:
            return int(connection.recv(4096)[9:12] or 0)
        except OSError:
            return 0


def at_once(server, count, *asked):
    """`count` of them together, health meanwhile, and what they leave behind."""
    live = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    before, statuses = server.memory(), []
    users = [threading.Thread(target=lambda: statuses.append(ask(server.port, *asked))) for _ in range(count)]
    for each in users:
        each.start()
    health = [ask(server.port, live)]
    while any(each.is_alive() for each in users):
        health.append(ask(server.port, live))
        time.sleep(0.02)
    time.sleep(5)
    alive = server.process.poll() is None
    after = server.memory() if alive else 0
    fine = alive and set(health) == {200} and after < before + 10
    return statuses, fine, f"answers {sorted(statuses)}, health {len(health)} times, {before:.1f} MB before and {after:.1f} after"


def limits():
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 67108864\r\n\r\n"
    with tempfile.NamedTemporaryFile("w") as token:
        token.write("secret")
        token.flush()
        server = Server("--token-file", token.name)
        statuses, fine, detail = at_once(server, 6, head, bytes(65536), 1024)
        report("six uploads without the token", fine and set(statuses) <= {401, 0}, detail)
        server.stop()
    server = Server("--default-model", "table")
    bomb = gzip.compress(b"1,2,3,4\n" * 8388608)
    statuses, fine, detail = at_once(server, 4, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb)
    report("four archives of 64 MiB each", fine and set(statuses) == {503}, detail)
    server.stop()
    server = Server("--threads", "2", address_space=700_000 << 10)
    statuses, fine, detail = at_once(server, 8, head + b"abc")
    report("eight heads with little address space", fine and set(statuses) <= {408, 503}, detail)
    server.stop()


if ARGUMENTS.limits:
    limits()
elif ARGUMENTS.proxy:
    behind_a_proxy()
else:
    assault()
sys.exit(1 if failures else 0)
