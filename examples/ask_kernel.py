#!/usr/bin/env python3
# a sample of bytes → a question over UDP → the class that a model in the kernel gives it: docs/in-kernel.md in 30 lines.
import socket
import struct
import sys


def checksum(words):
    a = b = 0
    for word in words:
        a += word
        b += a
    for _ in range(2):  # fold into 32 bits
        a, b = (a & 0xFFFFFFFF) + (a >> 32), (b & 0xFFFFFFFF) + (b >> 32)
    return a, b


def question(values, number, outputs=16):
    header = struct.pack("<4sBBBBQIHHQ", b"soma", 1, 1, 0, 0, number, 0, len(values), 0, 0)
    covered = values + bytes(-len(values) % 4)
    sums = checksum(struct.unpack(f"<{(len(header) + len(covered)) // 4}I", header + covered))
    return header + struct.pack("<2I", *sums) + covered.ljust(4 * outputs, b"\0")


def answer(message):
    magic, version, kind, _, _, number, model, count, label, _ = struct.unpack_from("<4sBBBBQIHHQ", message)
    words = struct.unpack(f"<{len(message) // 4}I", message)
    assert magic == b"soma" and (version, kind) == (1, 2) and checksum(words[:8] + words[10:]) == words[8:10]
    return number, model, label, struct.unpack_from(f"<{count}f", message, 40)


if __name__ == "__main__":
    host, port, file = sys.argv[1:]  # HOST PORT FILE: the file's bytes are the values
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.settimeout(1)
        asked.sendto(question(open(file, "rb").read(), 1), (host, int(port)))
        print(answer(asked.recv(2048)))
