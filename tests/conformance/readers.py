# the models write_zoo makes, in other people's readers: OpenCV, onnxsim, and soma again once somebody has dropped the metadata.
import pathlib
import subprocess
import sys
import tempfile

import cv2
import numpy
import onnx
import onnxruntime
from compare import read_safetensors

TOLERANCE = 1e-4  # of the largest output, or 1; both sum in float32, each in its own order
onnxruntime.set_default_logger_severity(3)


def difference(theirs, ours):
    if theirs.size != ours.size:
        raise ValueError(f"{theirs.shape}, wanted {ours.shape}")
    return float(numpy.max(numpy.abs(theirs.reshape(ours.shape) - ours)) / max(1.0, float(numpy.abs(ours).max())))


def by_opencv(file, arrays, room):
    network = cv2.dnn.readNetFromONNX(str(file))
    network.setInput(arrays["input"])
    return network.forward()


def by_soma(soma, file, arrays, room):
    numpy.save(room / "x.npy", arrays["input"])
    subprocess.run([soma, "run", file, "--input", f"input={room / 'x.npy'}", "--output", room / "out"], check=True, capture_output=True)
    return numpy.load(room / "out/output.npy")


def without_metadata(soma):
    def read(file, arrays, room):
        model = onnx.load(file)
        del model.metadata_props[:]
        onnx.save(model, room / "bare.onnx")
        return by_soma(soma, room / "bare.onnx", arrays, room)

    return read


def simplified(soma):
    import onnxsim

    def read(file, arrays, room):
        model, fine = onnxsim.simplify(onnx.load(file))
        assert fine, "onnxsim's own check"
        del model.metadata_props[:]  # with soma's words in it, soma says that it is not what soma wrote
        onnx.save(model, room / "simple.onnx")
        session = onnxruntime.InferenceSession(room / "simple.onnx", providers=["CPUExecutionProvider"])
        (theirs,) = session.run(["output"], {"input": arrays["input"]})
        assert difference(theirs, arrays["output"]) <= TOLERANCE or "int8" in file.name, "onnxruntime"
        return by_soma(soma, room / "simple.onnx", arrays, room)

    return read


def main(write_zoo, soma):
    readers = {f"OpenCV {cv2.__version__}": by_opencv, "soma without metadata": without_metadata(soma), "onnxsim, then soma": simplified(soma)}
    failures = 0
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([write_zoo, directory], check=True)
        files = sorted(pathlib.Path(directory).glob("*.onnx"))
        for who, read in readers.items():
            taken = 0
            for file in files:
                if who.startswith("OpenCV") and ".int8" in file.name:
                    continue  # its own arithmetic of 8 bits takes only files whose last layer is in 8 bits, too
                arrays = read_safetensors(file.with_suffix(".safetensors"))
                with tempfile.TemporaryDirectory() as room:
                    try:
                        off = difference(read(file, arrays, pathlib.Path(room)), arrays["output"])
                        # In 8 bits a sum on the edge of two steps may fall to either: a step of the last layer's input.
                        problem = "" if off <= (0.05 if "int8" in file.name else TOLERANCE) else f"differs by {off:.1e}"
                    except subprocess.CalledProcessError as failure:
                        problem = failure.stderr.decode().strip()
                    except Exception as failure:
                        problem = f"{type(failure).__name__}: {str(failure).strip()[:200]}"
                taken += not problem
                if problem:
                    print(f"FAIL {who}: {file.stem}: {problem}")
            total = sum(".int8" not in file.name for file in files) if who.startswith("OpenCV") else len(files)
            failures += total - taken
            print(f"{who}: {taken} of {total} models of soma's", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
