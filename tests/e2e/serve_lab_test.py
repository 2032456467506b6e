# soma lab run serve --quick → servers started, loaded and compared: answers counted, percentiles in order, a verdict for each promise.
import json
import subprocess
import sys

soma = sys.argv[1]
report = json.loads(subprocess.run([soma, "lab", "run", "serve", "--quick", "--json"], check=True, capture_output=True, text=True).stdout)
rates, latency, footprint = report["tables"]
models = ["mnist-mlp", "mnist-lenet", "mnist-lenet, int8"]
for table in (rates, latency, footprint):
    assert [row[0] for row in table["rows"]][-3:] == models, table["title"]
for _, rate, low, high, *_ in rates["rows"]:
    assert 0 < low <= rate <= high
for _, p50, p99, p999, *_ in latency["rows"]:
    assert 0 < p50 <= p99 <= p999
for _, ready, resident in footprint["rows"]:
    assert ready > 0 and resident > 0
assert len(report["verdicts"]) == 7
print(*(verdict["text"] for verdict in report["verdicts"]), sep="\n")
