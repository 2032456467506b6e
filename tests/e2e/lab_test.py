# soma lab run EXPERIMENT --quick --out DIR → report.json with the published figures in it, marked, a verdict for each row of them, and
# a page that a browser shows as it should.
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from photograph import photograph

soma, pictures = sys.argv[1:]

# Figures as their authors published them, where each must turn up, and how many rows of them there are to judge.
STUDIES = {
    "go-service-layers": {
        "table": "Published: Go, 12 cores (7900X)", "verdicts": 4,
        "figures": [1.796, 4.285, 6.798, 4.078, 151.364, 69.158, 74.663, 86.828, 629.133, 2238.759, 4683.951, 3276.528, 5979.858, 4406.027,
                    7081.673, 6270.808, 96, 1256, 3021, 125, 14429, 635, 16239, 773, 222, 9600]},
    "cnn-timeline": {
        "table": "Published: the C program", "verdicts": 13, "figures": [1556.74, 77, 9868],
        "epochs": [0.2594, 0.0983, 0.0757, 0.0674, 0.0585, 0.0477, 0.0418, 0.0412, 0.0408, 0.0331, 92.58, 99.0]},
    "neuro-go": {"table": "Published: neuro-go, in Go", "verdicts": 3, "figures": [14, 1.00, 97.42, 4, 5.89, 97.37]},
    "thesis-speedup": {
        "table": "Published: the Go thesis", "verdicts": 18,
        "figures": [93.24, 95.22, 99.03, 90.18, 95.12, 99.02, 97.14, 99.26, 93.07, 94.83, 97.35, 97.62, 252, 142.33, 56.49, 320, 432, 498,
                    1005.80, 201.82, 66.8, 36.7, 93.2, 92.1]},
    "toynn-platforms": {"table": "Published", "verdicts": 9, "figures": [260, 160, 95, 24, 9, 5.4, 620000, 100000]},
}


def numbers(rows):
    return [cell for row in rows for cell in row if isinstance(cell, (int, float))]


def check(name, study, report):
    assert report["experiment"] == name and report["quick"] is True
    tables = {table["title"]: table for table in report["tables"]}
    for table in tables.values():
        assert all(len(row) == len(table["columns"]) for row in table["rows"]), table["title"]
    for title, figures in ((study["table"], study["figures"]), ("Epochs", study.get("epochs", []))):
        found = numbers(tables[title]["rows"]) if figures else []
        for figure in figures:
            assert any(abs(each - figure) <= 1e-9 * abs(figure) for each in found), f"{figure} is not in '{title}'"
    assert any(series["published"] for chart in report["charts"] for series in chart["series"])
    for chart in report["charts"]:
        for series in chart["series"]:
            assert any(y is not None for y in series["y"]), f"{chart['title']}: {series['name']} is empty"
            if chart["kind"] == "bars":
                assert len(series["y"]) == len(chart["categories"]), chart["title"]
    assert len(report["verdicts"]) == study["verdicts"], [verdict["text"] for verdict in report["verdicts"]]
    assert all("published" in verdict["text"] for verdict in report["verdicts"])
    assert all(verdict["holds"] is None for verdict in report["verdicts"])  # a quick run judges nothing
    assert report["notes"]


shutil.rmtree(pictures, ignore_errors=True)
os.makedirs(pictures)
with tempfile.TemporaryDirectory() as place:
    pages = {}
    for name, study in STUDIES.items():
        start = time.monotonic()
        out = Path(place) / name
        subprocess.run([soma, "lab", "run", name, "--quick", "--out", str(out)], check=True, stdout=subprocess.DEVNULL)
        report = json.loads((out / "report.json").read_text())
        check(name, study, report)
        pages[name] = out / "report.html"
        assert "What this run bears out" in pages[name].read_text()
        if name == "neuro-go":
            assert [verdict["text"].endswith("at most 0 in 200 warm steps") for verdict in report["verdicts"]].count(True) == 1
        print(f"{name}: {time.monotonic() - start:.0f} s")
    faults = {where: found for where, found in photograph(pages, pictures).items() if found}
for where, found in faults.items():
    print(f"{where}:", *found, sep="\n  ")
if faults:
    sys.exit(1)
