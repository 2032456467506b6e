# repeated readings of times → medians with their spread, ratios, and whether one program is slower than another beyond doubt.
import json
import os
import subprocess
import sys


def fail(who, line):
    sys.exit(f"{who}: {line}")


def quantile(values, share):
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def summary(values):
    """(median, first quartile, third quartile)."""
    return quantile(values, 0.5), quantile(values, 0.25), quantile(values, 0.75)


def ratios(numerators, denominators):
    """Round by round: a slow moment of the machine meets both and drops out."""
    return [a / b for a, b in zip(numerators, denominators, strict=True)]


def slower(old, again, new, least=0.02):
    """Compares rounds of the old program, the old program once more, and the new one, each round one turn of all three.

    The ratio again/old would be 1 on a quiet machine; how far it strays is what this machine can tell apart today. The new program
    is slower when its ratio lies above that: its lower quartile above the upper quartile of again/old, and its median by more than
    `least` and by more than the median of again/old is off. Returns (slower, summary of new/old, summary of again/old).
    """
    change, doubt = summary(ratios(new, old)), summary(ratios(again, old))
    beyond = change[1] > max(doubt[2], 1) and change[0] - 1 > max(least, 2 * abs(doubt[0] - 1))
    return beyond, change, doubt


def seconds(median, *others):
    """In the unit that suits the median, three digits: 1.23 s, 45.6 ms, 789 µs."""
    unit, size = next(((unit, size) for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)) if median >= size), ("ns", 1e-9))
    digits = 2 if median / size < 10 else 1 if median / size < 100 else 0
    return f"{median / size:.{digits}f} {unit}", *(f"{each / size:.{digits}f}" for each in others)


def plainly(*values):
    return tuple(f"{each:.2f}" for each in values)


def with_spread(values, show=seconds):
    """1.23 ms (1.20–1.31): median and quartiles."""
    median, low, high = show(*summary(values))
    return f"{median} ({low}–{high})"


def table(head, rows):
    """Markdown that is aligned for a terminal, too."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    line = lambda cells: "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths)) + " |"
    return "\n".join([line(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])


def json_lines(who, command, env=None):
    """What a program prints as JSON, one object a line; whatever else it prints is left out."""
    ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, env={**os.environ, **(env or {})})
    if ran.returncode != 0:
        fail(who, f"{' '.join(map(str, command))} ended with status {ran.returncode}: {ran.stderr.strip()}")
    return [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]


def last_line(who, command):
    return json_lines(who, command)[-1]
