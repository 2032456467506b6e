# deploy/* → checked against the schemas of Kubernetes and KServe, by systemd, and against the libraries the program needs.
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import kserve
import kubernetes.client
import kubernetes_validate
import yaml

SOMA = sys.argv.pop(1)
DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
BASE_IMAGE = {"libc6", "libgcc-s1", "libstdc++6", "zlib1g", "gcc-12-base"}


def unknown_keys(kind, value, where):
    """Keys of `value` that the SDK's model `kind` does not have, at any depth."""
    if kind.startswith("list["):
        return [key for i, one in enumerate(value) for key in unknown_keys(kind[5:-1], one, f"{where}[{i}]")]
    model = getattr(kserve, kind, None) or getattr(kubernetes.client, kind, None)
    if model is None:
        return []  # a plain type, or a dict of them
    kinds = {model.attribute_map[name]: each for name, each in model.openapi_types.items()}
    found = [f"{where}.{key}" for key in value if key not in kinds]
    for key, one in value.items():
        found += unknown_keys(kinds.get(key, "str"), one, f"{where}.{key}")
    return found


class Deploy(unittest.TestCase):
    def test_kubernetes(self):
        documents = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
        self.assertEqual([document["kind"] for document in documents], ["Deployment", "Service"])
        for document in documents:
            kubernetes_validate.validate(document, "1.29", strict=True)
        documents[0]["spec"]["template"]["spec"]["container"] = []
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(documents[0], "1.29", strict=True)

    def test_kserve(self):
        runtime, service = yaml.safe_load_all((DEPLOY / "kserve.yaml").read_text())
        self.assertEqual(unknown_keys("V1alpha1ServingRuntime", runtime, "runtime"), [])
        self.assertEqual(unknown_keys("V1beta1InferenceService", service, "service"), [])
        self.assertEqual(service["spec"]["predictor"]["model"]["runtime"], runtime["metadata"]["name"])
        runtime["spec"]["containers"][0]["imgae"] = "x"
        self.assertEqual(unknown_keys("V1alpha1ServingRuntime", runtime, "runtime"), ["runtime.spec.containers[0].imgae"])

    def test_systemd(self):
        self.assertIsNotNone(shutil.which("systemd-analyze"), "wanted systemd-analyze, found none; try apt-get install systemd")
        unit = (DEPLOY / "soma.service").read_text()
        self.assertIn("/usr/local/bin/soma", unit)
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "soma.service"
            for text, fine in ((unit, True), (unit.replace("[Service]", "[Service]\nRestrat=yes"), False)):
                file.write_text(text.replace("/usr/local/bin/soma", SOMA))
                done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(file)], capture_output=True, text=True)
                said = [line for line in done.stderr.splitlines() if "soma.service" in line]
                self.assertEqual(not said, fine, done.stderr)

    def test_container_has_every_library(self):
        installed = set(re.findall(r"lib[\w.+-]+", (DEPLOY / "Containerfile").read_text()))
        files = re.findall(r"=> (/\S+)", subprocess.run(["ldd", SOMA], capture_output=True, text=True, check=True).stdout)
        for file in files:
            for path in {file, str(pathlib.Path(file).resolve()), re.sub("^/lib/", "/usr/lib/", file)}:
                owner = subprocess.run(["dpkg", "-S", path], capture_output=True, text=True).stdout.split(":")[0]
                if owner:
                    break
            self.assertTrue(owner in installed | BASE_IMAGE, f"{file} of {owner} is not in the image")


if __name__ == "__main__":
    unittest.main(verbosity=1)
