#!/usr/bin/env python3
# the soma program → its function inside XDP, tc, a tracepoint and a TCP congestion control, and its whole program loaded by others: the answers of soma predict in all.
import ast
import ctypes
import json
import math
import os
import platform
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOMA = Path(sys.argv[1]).resolve()
HERE = Path(__file__).resolve().parent / "callers"
CONFIG = """
name = "digits"
preprocess = [{ kind = "divide", by = 255 }]
[data]
train = "digits"
test = "digits"
[network]
layers = [{ type = "conv2d", out = 4, kernel = 5, stride = 2 }, { type = "relu" }, { type = "flatten" }, { type = "linear", out = "classes" }]
[train]
epochs = 1
"""
CONGESTION = 13  # TCP_CONGESTION
BPF = {"x86_64": 321, "aarch64": 280}.get(platform.machine())  # bpf(2)
OBJECT_GET, TRACEPOINT_OPEN = 7, 17  # two of its commands


def run(*words):
    done = subprocess.run([str(each) for each in words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}: {done.stderr or done.stdout}")
    return done.stdout


def skip(why):
    print(f"SKIPPED, no other BPF program called soma_predict: {why}")
    sys.exit(77)


def sample(path):
    head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 28, 28), }"
    head += b" " * (-(11 + len(head)) % 64) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(i * 37 & 255 for i in range(784)))


def talk():
    with socket.socket() as listening, socket.socket() as asking:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        asking.setsockopt(socket.IPPROTO_TCP, CONGESTION, b"soma_test")
        asking.connect(listening.getsockname())
        with listening.accept()[0] as answering:
            for _ in range(20):
                asking.sendall(bytes(10000))
                answering.recv(100000)


def bpf(command, *attribute):
    packed = ctypes.create_string_buffer(struct.pack("<QII", *attribute), 128)
    done = ctypes.CDLL(None, use_errno=True).syscall(BPF, command, packed, 128)
    assert done >= 0, os.strerror(ctypes.get_errno())
    return done


def trace(program):
    """Attached to every switch of tasks for some of them."""
    path, event = ctypes.create_string_buffer(os.fsencode(program)), ctypes.create_string_buffer(b"sched_switch")
    opened = bpf(OBJECT_GET, ctypes.addressof(path), 0, 0)
    attached = bpf(TRACEPOINT_OPEN, ctypes.addressof(event), opened, 0)
    time.sleep(0.05)
    os.close(attached)
    os.close(opened)


def answers(ids):
    """place → (label, how often asked, outputs), out of the map among `ids` that has them."""
    found = [each for each in json.loads(run("bpftool", "-j", "map", "show")) if each["id"] in ids and each.get("name") == "answers"]
    rows = json.loads(run("bpftool", "-j", "map", "dump", "id", found[0]["id"]))
    raw = [bytes(int(byte, 16) for byte in row["value"]) for row in rows]
    return [(*struct.unpack_from("<iI", each), struct.unpack_from(f"<{len(each) // 4 - 2}f", each, 8)) for each in raw]


def expect(answer, wanted, what):
    label, asked, outputs = answer
    most = max(outputs)
    parts = [math.exp(each - most) for each in outputs]
    shares = [each / sum(parts) for each in parts]
    assert asked > 0, f"{what}: never asked"
    assert label == wanted["label"], f"{what}: {label}, wanted {wanted['label']}"
    assert all(abs(a - b) < 1e-5 for a, b in zip(shares, wanted["probabilities"])), f"{what}: {shares}, wanted {wanted['probabilities']}"
    print(f"{what}: asked {asked} times, as soma predict says")
    return outputs


def programs(place, pinned, wanted):
    run("bpftool", "prog", "loadall", place / "caller.o", pinned)
    try:
        frame = place / "frame"
        frame.write_bytes(bytes(200))
        for name in ("of_packet", "of_buffer"):
            run("bpftool", "prog", "run", "pinned", pinned / name, "data_in", frame)
        trace(pinned / "of_switch")
        all_answers = answers(json.loads(run("bpftool", "-j", "prog", "show", "pinned", pinned / "of_packet"))["map_ids"])
        return [expect(all_answers[i], wanted, what) for i, what in enumerate(("xdp", "tc", "tracepoint"))]
    finally:
        shutil.rmtree(pinned, ignore_errors=True)


def congestion(place, wanted):
    run("bpftool", "struct_ops", "register", place / "congestion.o")
    try:
        talk()
        maps = json.loads(run("bpftool", "-j", "map", "show"))
        newest = max(each["id"] for each in maps if each.get("name") == "answers")
        return expect(answers([newest])[3], wanted, "struct_ops")
    finally:
        run("bpftool", "struct_ops", "unregister", "name", "soma_congestion")


def whole(place, wanted):
    """The object that is a program by itself: loaded by bpftool, attached by ip."""
    (place / "sample.bytes").write_bytes((place / "sample.npy").read_bytes()[-784:])
    example = f"{sys.executable} {HERE.parents[2]}/examples/ask_kernel.py 127.0.0.1 9000 {place}/sample.bytes"
    asked = f"{example}; {SOMA} kernel ask 127.0.0.1:9000 {place}/sample.npy --json"
    off = "ip link set dev lo xdpgeneric off"
    said = set()
    for attach in (f"bpftool prog load {place}/model.xdp.o {place}/pins/whole && ip link set dev lo xdpgeneric pinned {place}/pins/whole",
                   f"ip link set dev lo xdpgeneric obj {place}/model.xdp.o sec xdp"):
        *_, from_example, from_soma = run("unshare", "-n", "sh", "-ec", f"ip link set lo up; {attach}; {asked}; {off}").splitlines()
        answer = json.loads(from_soma)[0]
        assert ast.literal_eval(from_example)[2:] == (answer["label"], tuple(answer["outputs"])), from_example
        said.add(expect((answer["label"], 1, tuple(answer["outputs"])), wanted, attach.split()[0]))
    (place / "pins/whole").unlink()
    assert len(said) == 1
    return said.pop()


def main():
    if os.geteuid() != 0:
        skip("this takes root")
    for tool in ("clang", "bpftool"):
        if shutil.which(tool) is None:
            sys.exit(f"wanted {tool}, found none; try scripts/setup")
    if not Path("/sys/kernel/btf/vmlinux").exists():
        skip("this kernel has no BTF")
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        (place / "digits.toml").write_text(CONFIG)
        run(SOMA, "train", place / "digits.toml", "--out", place / "run", "--quiet")
        run(SOMA, "export", place / "run/model.onnx", "--to", "onnx", "--int8", "-o", place / "model.onnx")
        run(SOMA, "export", place / "model.onnx", "--to", "bpf", "-o", place)
        sample(place / "sample.npy")
        wanted = json.loads(run(SOMA, "predict", place / "model.onnx", place / "sample.npy", "--json").splitlines()[-1])["predictions"][0]
        (place / "vmlinux.h").write_text(run("bpftool", "btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c"))
        files = place / "pins"
        files.mkdir()
        mounted = subprocess.run(["mount", "-t", "bpf", "bpf", str(files)], capture_output=True, text=True)
        if mounted.returncode != 0:
            skip(f"no bpf file system: {mounted.stderr.strip()}")
        try:
            said = {whole(place, wanted)}
            for linked in (False, True):
                print("linked to model.bpf.o" if linked else "with model.bpf.h")
                for name in ("caller", "congestion"):
                    flags = ["-DSOMA_LINKED"] if linked else []
                    run("clang", "-g", "-O2", "-target", "bpf", *flags, "-I", place, "-I", HERE, "-c", HERE / f"{name}.bpf.c", "-o", place / f"{name}.part")
                    parts = [place / f"{name}.part", place / "model.bpf.o"] if linked else [place / f"{name}.part"]
                    run("bpftool", "gen", "object", place / f"{name}.o", *parts)
                said.update(programs(place, files / "callers", wanted))
                said.add(congestion(place, wanted))
            assert len(said) == 1, f"not the same bits: {said}"
        finally:
            run("umount", files)


main()
