# pages that soma writes → photographs at 400 and 1600 pixels, light and dark, on which nothing sticks out and no words overlap.
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from flowers import flowers
from photograph import photograph

soma, write_pages, pictures = sys.argv[1:]


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
