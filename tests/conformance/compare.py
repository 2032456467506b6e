# the models write_zoo makes → the ONNX checker's verdict, and onnxruntime's outputs against soma's, to 1e-5 or to a derived bound.
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import integers
import numpy
import onnx
import onnxruntime

TOLERANCE = 1e-5


def read_safetensors(file):
    """By the format's own words, with nothing of soma's."""
    raw = file.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    arrays = {}
    for name, entry in header.items():
        if name == "__metadata__":  # words, soma's seal among them
            continue
        begin, end = entry["data_offsets"]
        assert entry["dtype"] == "F32"
        arrays[name] = numpy.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
    return arrays


def check(model_file):
    model = onnx.load(model_file)
    onnx.checker.check_model(model, full_check=True)
    assert [i.domain + str(i.version) for i in model.opset_import] == ["17"], "opset"
    assert model.producer_name == "soma"
    words = {entry.key: entry.value for entry in model.metadata_props}
    arrays = read_safetensors(model_file.with_suffix(".safetensors"))
    assert len(json.loads(words["soma.classes"])) in (arrays["output"].shape[1], 2), "class names"

    if words.get("soma.precision") == "int8":
        return integers.check(model, arrays["input"], arrays["output"])
    session = onnxruntime.InferenceSession(model_file, providers=["CPUExecutionProvider"])
    (theirs,) = session.run(["output"], {"input": arrays["input"]})
    ours = arrays["output"]
    assert theirs.shape == ours.shape, f"shape {ours.shape}, onnxruntime's is {theirs.shape}"
    assert numpy.isfinite(ours).all(), "not finite"
    difference = numpy.abs(theirs - ours) / numpy.maximum(1, numpy.abs(theirs))
    return float(difference.max())


def main(write_zoo):
    failures = 0
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([write_zoo, directory], check=True)
        files = sorted(pathlib.Path(directory).glob("*.onnx"))
        assert len(files) > 50, f"only {len(files)} models"
        for file in files:
            try:
                difference = check(file)
                bounded = file.stem.endswith(".int8")  # by what one rounding more or less lets through
                problem = "" if bounded or difference <= TOLERANCE else f"differs by {difference:.2e}"
            except Exception as failure:  # one bad model must not hide the others
                difference, problem = float("nan"), f"{type(failure).__name__}: {failure}"
            print(f"{'FAIL' if problem else 'ok  '} {file.stem:32} {difference:.1e} {problem}")
            failures += bool(problem)
        print(f"{len(files) - failures} of {len(files)} models agree with onnxruntime {onnxruntime.__version__} to {TOLERANCE}, in 8 bits to the bound")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
