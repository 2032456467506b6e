# onnx's own tests of single operators and small models → how many soma run passes, refuses with a reason, or gets wrong.
import collections
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
from onnx import numpy_helper

DEBIAN = pathlib.Path("/usr/include/onnx/backend/test/data")
NEWEST = pathlib.Path(onnx.__file__).parent / "backend/test/data"
SCOPE = pathlib.Path(__file__).with_name("node_tests.tsv")
SMALLEST_SHARE = 0.98
# soma rounds halves once behind each operator, others also inside: a unit or two in the last place.
HALVES = {onnx.TensorProto.BFLOAT16: 2**-6, onnx.TensorProto.FLOAT16: 2**-9}


def array_of(value, port):
    """As soma run takes and gives it: bfloat16 is float32, text is of fixed width."""
    array = numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else numpy.asarray(value)
    if array.dtype == object:
        array = array.astype("U")
    if port.type.tensor_type.elem_type == onnx.TensorProto.BFLOAT16:  # older data have its bits as whole numbers
        array = (array.astype("u4") << 16).view("f4") if array.dtype == numpy.uint16 else array.astype("f4")
    return array


def from_files(root=DEBIAN):
    """Models and data as onnx keeps them: all of Debian's 1.12, of newer packages those that no code makes."""
    for kind in ("node", "simple", "pytorch-converted", "pytorch-operator"):
        for folder in sorted((root / kind).glob("test_*")):
            model = onnx.load(folder / "model.onnx")
            sets = []
            for data in sorted(folder.glob("test_data_set_*")):

                def read(word, values):
                    arrays = []
                    for i, value in enumerate(values):
                        file = data / f"{word}_{i}.pb"
                        if not value.type.HasField("tensor_type") or not file.exists():
                            return None
                        tensor = onnx.TensorProto()
                        tensor.ParseFromString(file.read_bytes())
                        arrays.append(array_of(tensor, value))
                    return arrays

                given = [v for v in model.graph.input if v.name not in {i.name for i in model.graph.initializer}]
                sets.append((read("input", given), read("output", model.graph.output)))
            yield folder.name, model, sets, (1e-3, 1e-7)


def from_code():
    """The cases the installed onnx makes, and the files that come with it."""
    from onnx.backend.test.case import node

    cases = {case.name: case for case in node.collect_testcases("") if case.model is not None}
    for name, case in sorted(cases.items()):
        sets = []
        for inputs, outputs in case.data_sets:

            def read(values, ports):
                arrays = []
                for value, port in zip(values, ports):
                    if not port.type.HasField("tensor_type") or isinstance(value, (list, dict)) or value is None:
                        return None
                    arrays.append(array_of(value, port))
                return arrays

            sets.append((read(inputs, case.model.graph.input), read(outputs, case.model.graph.output)))
        yield name, case.model, sets, (case.rtol, case.atol)
    yield from from_files(NEWEST)


def compare(wanted, got, tolerance):
    if wanted.dtype.kind == "U":
        return got.dtype.kind == "U" and wanted.shape == got.shape and (wanted == got).all()
    if wanted.dtype != got.dtype or wanted.shape != got.shape:
        return False
    return numpy.allclose(got, wanted, rtol=tolerance[0], atol=tolerance[1], equal_nan=True)


def verdict(soma, model, sets, tolerance, room):
    if any(inputs is None or outputs is None for inputs, outputs in sets):
        return "refused", "sequences, maps or optional values"
    file = room / "model.onnx"
    file.write_bytes(model.SerializeToString())
    for inputs, outputs in sets:
        arguments = []
        ports = [v for v in model.graph.input if v.name not in {i.name for i in model.graph.initializer}]
        for i, (port, array) in enumerate(zip(ports, inputs)):
            try:
                numpy.save(room / f"input_{i}.npy", numpy.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
            except ValueError:
                return "refused", f"type {array.dtype}"
            arguments += ["--input", f"{port.name}={room / f'input_{i}.npy'}"]
        for old in room.glob("out/*.npy"):
            old.unlink()
        run = subprocess.run([soma, "run", file, *arguments, "--output", room / "out"], capture_output=True, text=True, timeout=120)
        if run.returncode == 1 and run.stderr.startswith("soma: ") and run.stderr.count("\n") == 1 and "bug" not in run.stderr:
            return "refused", run.stderr.strip().split("model.onnx: ", 1)[-1]
        if run.returncode != 0:
            return "crashed", f"exit status {run.returncode}: {run.stderr[-300:]}"
        for port, wanted in zip(model.graph.output, outputs):
            got = numpy.load(room / "out" / (port.name.replace("/", "_") + ".npy"))
            relative = HALVES.get(port.type.tensor_type.elem_type, tolerance[0])
            if not compare(wanted, got, (relative, tolerance[1])):
                return "wrong", f"{port.name}: wanted {wanted.dtype} {wanted.shape}, got {got.dtype} {got.shape} {wanted.ravel()[:4]} {got.ravel()[:4]}"
    return "passed", ""


def main(soma, *names):
    scope = {line.split("\t")[2] for line in SCOPE.read_text().splitlines()[1:]}
    failed = False
    with tempfile.TemporaryDirectory() as directory:
        for source, cases in (("onnx 1.12 (Debian)", from_files), (f"onnx {onnx.__version__}", from_code)):
            if cases is from_files and not DEBIAN.exists():
                print(f"nodes: SKIPPED the tests of {source}: wanted {DEBIAN}, found none; try scripts/setup --tests")
                continue
            counts, inside = collections.Counter(), collections.Counter()
            for name, model, sets, tolerance in cases():
                if names and name not in names:
                    continue
                kind, why = verdict(soma, model, sets, tolerance, pathlib.Path(directory))
                counts[kind] += 1
                if name in scope:
                    inside[kind] += 1
                if kind in ("wrong", "crashed") or (name in scope and kind != "passed") or names:
                    print(f"{kind} {name}: {why}")
                    failed = failed or kind in ("wrong", "crashed")
                elif "--all" in sys.argv:
                    print(f"{kind} {name}: {why}")
            for what, each in (("in scope", inside), ("in all", counts)):
                print(f"{source}, {what}: {sum(each.values())} tests, {each['passed']} passed, {each['refused']} refused, {each['wrong']} wrong, {each['crashed']} crashed")
            failed = failed or (not names and inside["passed"] < SMALLEST_SHARE * sum(inside.values()))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *[word for word in sys.argv[2:] if word != "--all"]))
