# pages that soma writes → photographs at 400 and 1600 pixels, light and dark, on which nothing sticks out and no words overlap.
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from photograph import photograph

soma, write_pages, pictures = sys.argv[1:]


def flowers(file):
    """A table with two classes that a network mixes up here and there."""
    rows = ["length,width,colour,kind"]
    for i in range(160):
        kind = i % 2
        rows.append(f"{4 + kind + math.sin(i * 7.1):.3f},{2 + math.cos(i * 3.3):.3f},{['red', 'white', 'blue'][i % 3]},{['rose', 'lily'][kind]}")
    file.write_text("\n".join(rows) + "\n")


with tempfile.TemporaryDirectory() as place:
    place = Path(place)
    shutil.rmtree(pictures, ignore_errors=True)
    os.makedirs(pictures)

    def train(*arguments):
        subprocess.run([soma, "train", *arguments, "--quiet"], check=True, cwd=place)

    train("mnist-lenet", "--data", "digits:train", "--set", "data.count=1500", "--set", "data.validation_fraction=0.1",
          "--epochs", "3", "--out", "digits")
    flowers(place / "flowers.csv")
    train("iris-small", "--data", "flowers.csv", "--set", 'preprocess=[{kind="one_hot"},{kind="standardise"}]',
          "--set", "loss.codes=[0,1]", "--epochs", "60", "--out", "flowers")
    subprocess.run([write_pages, str(place)], check=True)
    subprocess.run([soma, "lab", "run", "peak", "--quick", "--out", "peak"], check=True, cwd=place, stdout=subprocess.DEVNULL)
    pages = {name: place / name / "report.html" for name in ("digits", "flowers", "peak")}
    pages |= {name: place / f"{name}.html" for name in ("table", "many", "lab", "empty")}
    faults = photograph(pages, pictures)
bad = {where: found for where, found in faults.items() if found}
for where, found in bad.items():
    print(f"{where}:", *found, sep="\n  ")
assert len(faults) == 4 * len(pages)
if bad:
    sys.exit(1)
print(f"{len(faults)} photographs in {pictures}: nothing sticks out, no words overlap")
