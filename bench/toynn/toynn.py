# rows + sizes + a network class → readings: what the three Python platforms share.
#
#   SCRIPT ROWS SIZES BATCHES BUDGET CAP RATE
#
# ROWS: a file, one row per line, the target last. SIZES, BATCHES: "4,3,4,5,1". BUDGET: seconds of a reading; 0 = train one sweep in
# batches of the first size and print what the network then says of each row. CAP: a batch that would take longer is left out.
# Prints "train BATCH SECONDS ROWS" and "predict BATCH SECONDS ROWS", or "output Y".
import sys
import time


def first_weight(layer, o, i):
    return 0.125 * ((7 * o + 3 * i + layer) % 11 - 5)


def measure(step, batch, count, budget):
    seconds, done = 0.0, 0
    while seconds < budget:
        for first in range(0, count, batch):
            last = min(first + batch, count)
            start = time.perf_counter()
            step(first, last)
            seconds += time.perf_counter() - start
            done += last - first
            if seconds >= budget:
                break
    return seconds, done


def run(make):
    rows = [[float(word) for word in line.split()] for line in open(sys.argv[1])]
    x, target = [row[:-1] for row in rows], [row[-1] for row in rows]
    sizes, batches = ([int(word) for word in argument.split(",")] for argument in sys.argv[2:4])
    budget, cap, rate = (float(argument) for argument in sys.argv[4:7])
    net = make(sizes, x, target, rate)
    if budget == 0:
        for first in range(0, len(x), batches[0]):
            net.train(first, min(first + batches[0], len(x)))
        for y in net.predict(0, len(x)):
            print("output", repr(float(y)))
        return
    for name, step in (("train", net.train), ("predict", net.predict)):
        row_seconds = 0.0
        for batch in batches:
            if row_seconds * batch > cap:
                break
            seconds, done = measure(step, batch, len(x), budget)
            row_seconds = seconds / done
            print(name, batch, seconds, done, flush=True)
