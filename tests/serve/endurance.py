# soma serve under abuse and through restarts → every documented answer, no lost request, memory where it was. Minutes, not in ctest.
#
#   .venv-serving/bin/python tests/serve/endurance.py build/release/soma MODEL_DIRECTORY [REQUESTS]
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

SOMA, MODEL = sys.argv[1:3]
REQUESTS = int(sys.argv[3]) if len(sys.argv) > 3 else 200_000
DIGIT = bytes(784)
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 784\r\n\r\n" + DIGIT


def start(port, *options, source=MODEL):
    process = subprocess.Popen([SOMA, "serve", source, "--listen", f"127.0.0.1:{port}", "--control", *options], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("listening"):
            return process, int(line.rsplit(":", 1)[1])
    sys.exit("soma serve did not start")


def memory(process):
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def answer(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return 0
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    length = int(next(line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")))
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split()[1])


def ask(port, data=POST):
    with connect(port) as connection:
        connection.sendall(data)
        return answer(connection)


def report(what, fine, detail=""):
    print(f"{'ok  ' if fine else 'FAIL'} {what} {detail}", flush=True)
    failures.extend([] if fine else [what])


def startup():
    times = []
    for _ in range(20):
        began = time.monotonic()
        process, port = start(0)
        while ask(port, b"GET /v2/health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n") != 200:
            pass
        times.append((time.monotonic() - began) * 1000)
        process.terminate()
        process.wait()
    times.sort()
    report("ready after start", times[10] < 50, f"median {times[10]:.0f} ms, most {times[-1]:.0f} ms")


def crowd():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    process, port = start(0)
    for _ in range(1000):
        ask(port)
    before = memory(process)
    idle = [connect(port) for _ in range(10_000)]
    report("10 000 idle connections, another is answered", ask(port) == 200, f"{before:.1f} → {memory(process):.1f} MB")
    for connection in idle:  # half a head each: now they hold memory
        connection.sendall(b"POST / HTTP/1.1\r\nX: ")
    report("10 000 slow heads, another is answered", ask(port) == 200, f"{memory(process):.1f} MB")
    late = [answer(connection) for connection in idle]
    report("each slow head gets 408", set(late) == {408}, str({status: late.count(status) for status in set(late)}))
    for connection in idle:
        connection.close()
    time.sleep(3)
    after = memory(process)
    report("memory is back", after < before + 8, f"{before:.1f} → {after:.1f} MB")
    process.terminate()
    process.wait()


def slow_body():
    process, port = start(0)
    with connect(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 784\r\n\r\nabc")
        began = time.monotonic()
        status = answer(connection)
        report("a body that stops gets 408", status == 408, f"after {time.monotonic() - began:.0f} s")
    with connect(port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = json.dumps({"inputs": [{"name": "input", "shape": [20000, 784], "datatype": "UINT8", "parameters": {"binary_data_size": 15680000}}]})
        name = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/soma/status"))["models"][0]["name"]
        connection.sendall(f"POST /v2/models/{name}/infer HTTP/1.1\r\nHost: localhost\r\nInference-Header-Content-Length: {len(request)}\r\n"
                           f"Content-Length: {len(request) + 15680000}\r\n\r\n{request}".encode() + bytes(15680000))
        report("while a client does not read, another is answered", ask(port) == 200)
    time.sleep(1)
    report("20 000 rows leave no memory behind", memory(process) < 40, f"{memory(process):.1f} MB")
    process.terminate()
    process.wait()


class Load:
    """Keep-alive users in threads; a connection that the server announced to close is opened anew, anything else is a failure."""

    def __init__(self, port, users=8):
        self.port, self.done, self.failed, self.stop = port, 0, [], False
        self.threads = [threading.Thread(target=self.user) for _ in range(users)]
        for thread in self.threads:
            thread.start()

    def user(self):
        connection = connect(self.port)
        while not self.stop:
            try:
                connection.sendall(POST)
                data = b""
                while b"\r\n\r\n" not in data or not data[-1:].isdigit():
                    piece = connection.recv(65536)
                    if not piece:
                        raise ConnectionError("closed before the answer")
                    data += piece
                if not data.startswith(b"HTTP/1.1 200"):
                    raise ConnectionError(data[:60])
                self.done += 1
                if b"Connection: close" in data:
                    connection.close()
                    connection = connect(self.port)
            except OSError as error:
                self.failed.append(repr(error))
                connection = connect(self.port)

    def end(self):
        self.stop = True
        for thread in self.threads:
            thread.join()


def versions(port):
    return json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/m"))["versions"]


def reload_and_restart():
    with tempfile.TemporaryDirectory() as directory:
        def version(number):
            os.makedirs(f"{directory}/m/.new")
            shutil.copy(f"{MODEL}/model.onnx", f"{directory}/m/.new/")
            os.rename(f"{directory}/m/.new", f"{directory}/m/{number}")
        version(1)
        process, port = start(0, source=directory)
        load = Load(port)
        for number in range(2, 52):
            version(number)
            process.send_signal(signal.SIGHUP)
            while load.done < REQUESTS * 0.8 * (number - 1) / 50 or versions(port) != [str(number)]:
                time.sleep(0.01)
        report("50 reloads", True, f"serving {versions(port)}, {load.done} requests, {memory(process):.1f} MB")
        second, _ = start(port, "--share-port", source=directory)
        time.sleep(0.2)
        process.terminate()
        code = process.wait(timeout=40)
        while load.done < REQUESTS:
            time.sleep(0.05)
        load.end()
        report("restart behind one port", code == 0, f"exit {code}")
        report("no request failed", not load.failed, f"{load.done} answered, {len(load.failed)} failed {load.failed[:3]}")
        second.terminate()
        second.wait()


def fresh_connections_through_a_restart():
    process, port = start(0)
    results, stop = [], False

    def user():
        while not stop:
            try:
                results.append(ask(port))
            except OSError as error:
                results.append(repr(error))
    users = [threading.Thread(target=user) for _ in range(4)]
    for each in users:
        each.start()
    for _ in range(3):
        time.sleep(0.5)
        second, _ = start(port, "--share-port")
        time.sleep(0.2)
        process.terminate()
        process.wait(timeout=40)
        process = second
    stop = True
    for each in users:
        each.join()
    failed = [result for result in results if result != 200]
    report("3 restarts under new connections", not failed, f"{len(results)} answered, {len(failed)} failed {failed[:3]}")
    process.terminate()
    process.wait()


failures = []
for part in (startup, reload_and_restart, fresh_connections_through_a_restart, slow_body, crowd):
    part()
sys.exit(1 if failures else 0)
