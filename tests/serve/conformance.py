# tritonclient (sync, async, aio), KServe's REST client and the protocol's schema against a running server → agreement, or exit 1.
import asyncio
import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
import warnings

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from jsonschema import Draft202012Validator
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from open_inference.openapi.client import OpenInferenceClient
from open_inference.openapi.core.api_error import ApiError
from open_inference.openapi.types import InferenceRequest, RequestInput

SOMA = sys.argv.pop(1)

# The component schemas of open_inference_rest.yaml; health bodies, which it leaves open, as inference_rest.md has them.
STRING, INTEGERS = {"type": "string"}, {"type": "array", "items": {"type": "integer"}}


def an_object(properties, required):
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def an_array(kind):
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{kind}"}}


SCHEMAS = {"components": {"schemas": {
    "live": an_object({"live": {"type": "boolean"}}, ["live"]),
    "ready": an_object({"live": {"type": "boolean"}, "ready": {"type": "boolean"}}, ["live", "ready"]),
    "model_ready": an_object({"name": STRING, "ready": {"type": "boolean"}}, ["name", "ready"]),
    "metadata_server_response": an_object({"name": STRING, "version": STRING, "extensions": {"type": "array", "items": STRING}},
                                          ["name", "version", "extensions"]),
    "metadata_tensor": an_object({"name": STRING, "datatype": STRING, "shape": INTEGERS}, ["name", "datatype", "shape"]),
    "metadata_model_response": an_object({"name": STRING, "versions": {"type": "array", "items": STRING}, "platform": STRING,
                                          "inputs": an_array("metadata_tensor"), "outputs": an_array("metadata_tensor")},
                                         ["name", "platform"]),
    "tensor_data": {"type": "array", "items": {"anyOf": [{"$ref": "#/components/schemas/tensor_data"},
                                                         {"type": ["number", "string", "boolean"]}]}},
    "response_output": an_object({"name": STRING, "shape": INTEGERS, "datatype": STRING, "parameters": {"type": "object"},
                                  "data": {"$ref": "#/components/schemas/tensor_data"}}, ["name", "shape", "datatype", "data"]),
    "inference_response": an_object({"model_name": STRING, "model_version": STRING, "id": STRING, "parameters": {"type": "object"},
                                     "outputs": an_array("response_output")}, ["model_name", "outputs"]),
    "inference_error_response": an_object({"error": STRING}, ["error"])}}}



def train(directory):
    subprocess.run([SOMA, "train", "mnist-mlp", "--data", "digits", "--epochs", "1", "--set", "data.limit=2000", "--quiet", "--out", directory],
                   check=True, stdout=subprocess.DEVNULL)


class Server:
    def __init__(self, source, *options):
        self.process = subprocess.Popen([SOMA, "serve", source, "--listen", "127.0.0.1:0", *options], stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if line.startswith("listening on http"):
                self.address = line.split("//")[1].strip()
                return
        raise RuntimeError("soma serve did not start")

    def stop(self):
        self.process.terminate()
        self.process.stdout.close()
        return self.process.wait(timeout=40)


def setUpModule():
    global scratch, server, x, want
    scratch = tempfile.TemporaryDirectory()
    repository = os.path.join(scratch.name, "repository")
    train(os.path.join(repository, "digits", "1"))
    server = Server(repository, "--control")
    x = np.random.default_rng(1).integers(0, 256, (5, 1, 28, 28)).astype(np.float32)
    with triton.InferenceServerClient(server.address) as client:
        given = triton.InferInput("input", [5, 1, 28, 28], "FP32")
        given.set_data_from_numpy(x)
        want = client.infer("digits", [given]).as_numpy("output")


def tearDownModule():
    assert server.stop() == 0
    scratch.cleanup()


def tensor(kind="FP32", binary=True, rows=5):
    values = {"FP32": np.float32, "FP64": np.float64, "UINT8": np.uint8, "INT16": np.int16, "INT64": np.int64, "FP16": np.float16}
    given = triton.InferInput("input", [rows, 1, 28, 28], kind)
    given.set_data_from_numpy(x[:rows].astype(values[kind]), binary_data=binary)
    return given


def get(path, data=None, headers=None):
    request = urllib.request.Request(f"http://{server.address}{path}", data=data, headers=headers or {})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


class Triton(unittest.TestCase):
    def setUp(self):
        self.client = triton.InferenceServerClient(server.address)

    def tearDown(self):
        self.client.close()

    def test_health_and_metadata(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready("digits"))
        self.assertTrue(self.client.is_model_ready("digits", "1"))
        self.assertFalse(self.client.is_model_ready("digits", "7"))
        self.assertEqual(self.client.get_server_metadata()["name"], "soma")
        model = self.client.get_model_metadata("digits")
        self.assertEqual(model["inputs"], [{"name": "input", "datatype": "FP32", "shape": [-1, 1, 28, 28]}])
        self.assertEqual(model["outputs"], [{"name": "output", "datatype": "FP32", "shape": [-1, 10]}])
        self.assertEqual(self.client.get_model_config("digits")["input"][0]["dims"], [1, 28, 28])

    def test_every_way_gives_the_same_numbers(self):
        for binary_in in (True, False):
            for binary_out in (True, False):
                wanted = [triton.InferRequestedOutput("output", binary_data=binary_out)]
                for coding in (None, "gzip", "deflate"):
                    answer = self.client.infer("digits", [tensor(binary=binary_in)], outputs=wanted, request_id="7",
                                               request_compression_algorithm=coding, response_compression_algorithm=coding)
                    np.testing.assert_array_equal(answer.as_numpy("output"), want)
                    self.assertEqual(answer.get_response()["id"], "7")
                    self.assertEqual(answer.get_response()["model_version"], "1")

    def test_data_types(self):
        for kind in ("FP64", "UINT8", "INT16", "INT64", "FP16"):
            np.testing.assert_array_equal(self.client.infer("digits", [tensor(kind)]).as_numpy("output"), want, kind)
        for kind in ("FP64", "UINT8", "INT16", "INT64"):
            np.testing.assert_array_equal(self.client.infer("digits", [tensor(kind, binary=False)]).as_numpy("output"), want, kind)

    def test_async(self):
        calls = [self.client.async_infer("digits", [tensor()]) for _ in range(20)]
        for call in calls:
            np.testing.assert_array_equal(call.get_result().as_numpy("output"), want)

    def test_aio(self):
        async def main():
            async with triton_aio.InferenceServerClient(server.address) as client:
                self.assertTrue(await client.is_server_ready())
                answers = await asyncio.gather(*(client.infer("digits", [tensor()]) for _ in range(50)))
                for answer in answers:
                    np.testing.assert_array_equal(answer.as_numpy("output"), want)
        asyncio.run(main())

    def test_classification(self):
        for binary in (True, False):
            wanted = [triton.InferRequestedOutput("output", binary_data=binary, class_count=3)]
            classes = self.client.infer("digits", [tensor()], outputs=wanted).as_numpy("output")
            self.assertEqual(classes.shape, (5, 3))
            for row, values in zip(classes, want):
                probabilities = np.exp(values - values.max(), dtype=np.float64)
                probabilities /= probabilities.sum()
                for text, index in zip(row, np.argsort(-values, kind="stable")):
                    text = text.decode() if isinstance(text, bytes) else text
                    value, place, label = text.split(":")
                    self.assertEqual((int(place), label), (index, str(index)))
                    self.assertAlmostEqual(float(value), probabilities[index], places=5)

    def test_errors_are_words(self):
        wrong = triton.InferInput("input", [1, 3], "FP32")
        wrong.set_data_from_numpy(np.zeros((1, 3), np.float32))
        with self.assertRaisesRegex(triton.InferenceServerException, "wanted shape"):
            self.client.infer("digits", [wrong])
        with self.assertRaisesRegex(triton.InferenceServerException, "no model"):
            self.client.infer("nothing", [tensor()])

    def test_statistics(self):
        before = self.client.get_inference_statistics("digits")["model_stats"][0]
        for _ in range(3):
            self.client.infer("digits", [tensor()])
        after = self.client.get_inference_statistics("digits", "1")["model_stats"][0]
        self.assertEqual(after["inference_count"] - before["inference_count"], 15)
        self.assertEqual(after["inference_stats"]["success"]["count"] - before["inference_stats"]["success"]["count"], 3)
        self.assertGreater(after["last_inference"], 1.7e12)
        self.assertEqual(len(self.client.get_inference_statistics()["model_stats"]), 1)

    def test_repository(self):
        train(os.path.join(scratch.name, "repository", "other", "3"))
        self.assertEqual([m["name"] for m in self.client.get_model_repository_index()], ["digits"])
        self.client.load_model("other")
        self.assertTrue(self.client.is_model_ready("other"))
        self.assertEqual({(m["name"], m["version"], m["state"]) for m in self.client.get_model_repository_index()},
                         {("digits", "1", "READY"), ("other", "3", "READY")})
        os.mkdir(os.path.join(scratch.name, "repository", "other", "4"))
        with open(os.path.join(scratch.name, "repository", "other", "4", "model.onnx"), "w") as file:
            file.write("no model")
        with self.assertRaises(triton.InferenceServerException):
            self.client.load_model("other")
        self.assertTrue(self.client.is_model_ready("other", "3"))
        states = {(m["name"], m["version"]): m for m in self.client.get_model_repository_index()}
        self.assertEqual(states[("other", "4")]["state"], "UNAVAILABLE")
        self.assertTrue(states[("other", "4")]["reason"])
        self.client.unload_model("other")
        self.assertFalse(self.client.is_model_ready("other"))
        self.assertTrue(self.client.is_server_ready())
        with self.assertRaises(triton.InferenceServerException):
            self.client.load_model("nothing")


class KServe(unittest.TestCase):
    def test_client(self):
        async def main():
            client = InferenceRESTClient(RESTConfig(protocol="v2"))
            base = f"http://{server.address}"
            self.assertTrue(await client.is_server_live(base))
            self.assertTrue(await client.is_server_ready(base))
            self.assertTrue(await client.is_model_ready(base, "digits"))
            self.assertFalse(await client.is_model_ready(base, "nothing"))
            for binary in (False, True):
                given = InferInput("input", [5, 1, 28, 28], "FP32")
                given.set_data_from_numpy(x, binary_data=binary)
                answer = await client.infer(base, InferRequest("digits", [given]), model_name="digits")
                np.testing.assert_array_equal(answer.outputs[0].as_numpy(), want)
            await client.close()
        asyncio.run(main())


class OpenInference(unittest.TestCase):
    """The client that is generated from the protocol's OpenAPI document, with its own types for every answer."""

    def test_client(self):
        client = OpenInferenceClient(base_url=f"http://{server.address}")
        client.check_server_liveness()
        client.check_server_readiness()
        client.check_model_readiness("digits")
        client.check_model_version_readiness("digits", "1")
        self.assertEqual(client.read_server_metadata().name, "soma")
        self.assertEqual(client.read_model_metadata("digits").inputs[0].shape, [-1, 1, 28, 28])
        given = RequestInput(name="input", shape=[5, 784], datatype="FP32", data=x.ravel().tolist())
        for answer in (client.model_infer("digits", request=InferenceRequest(id="3", inputs=[given])),
                       client.model_version_infer("digits", "1", request=InferenceRequest(id="3", inputs=[given]))):
            self.assertEqual((answer.id, answer.outputs[0].shape), ("3", [5, 10]))
            np.testing.assert_array_equal(np.float32(answer.outputs[0].data.__root__).reshape(5, 10), want)
        with self.assertRaises(ApiError) as refused:
            client.read_model_metadata("nothing")
        self.assertEqual(refused.exception.status_code, 404)


# a, b float32 [n, 2], ids int64 [n, 1], words string [w] → y = (a + b) · ids, twice = ids + ids, same = words, q = a / b.
GRAPH = (
    "CAg6tAIKDgoBYQoBYhIBcyIDQWRkChkKA2lkcxIBZiIEQ2FzdCoJCgJ0bxgBoAECCg4KAXMKAWYSAXkiA011bAoWCgNpZHMKA2lkcxIFdHdpY2UiA0FkZA"
    "oXCgV3b3JkcxIEc2FtZSIISWRlbnRpdHkKDgoBYQoBYhIBcSIDRGl2EgFnWhQKAWESDwoNCAESCQoDEgFuCgIIAloUCgFiEg8KDQgBEgkKAxIBbgoCCAJa"
    "FgoDaWRzEg8KDQgHEgkKAxIBbgoCCAFaFAoFd29yZHMSCwoJCAgSBQoDEgF3YhQKAXkSDwoNCAESCQoDEgFuCgIIAmIYCgV0d2ljZRIPCg0IBxIJCgMSAW"
    "4KAggBYhMKBHNhbWUSCwoJCAgSBQoDEgF3YhQKAXESDwoNCAESCQoDEgFuCgIIAkIECgAQDQ==")


class SeveralTensors(unittest.TestCase):
    """A graph that is no list of layers: its own names, types and shapes."""

    def test_tritons_client(self):
        directory = os.path.join(scratch.name, "graphs", "several", "1")
        os.makedirs(directory)
        with open(os.path.join(directory, "model.onnx"), "wb") as file:
            file.write(base64.b64decode(GRAPH))
        served = Server(os.path.dirname(os.path.dirname(directory)))
        values = {"a": np.float32([[1, 2.5], [-3, 0]]), "b": np.float32([[4, 8], [1, 2]]), "ids": np.int64([[7], [-2]]),
                  "words": np.array(["über", "b"], dtype=object)}
        kinds = {"a": "FP32", "b": "FP32", "ids": "INT64", "words": "BYTES"}
        with triton.InferenceServerClient(served.address) as client:
            self.assertEqual({each["name"]: each["datatype"] for each in client.get_model_metadata("several")["inputs"]}, kinds)
            for binary in (False, True):
                given = []
                for name, value in values.items():
                    given.append(triton.InferInput(name, list(value.shape), kinds[name]))
                    given[-1].set_data_from_numpy(value, binary_data=binary)
                wanted = [triton.InferRequestedOutput(name, binary_data=name != "q" and binary) for name in ("q", "same", "twice", "y")]
                answer = client.infer("several", given, outputs=wanted)
                np.testing.assert_allclose(answer.as_numpy("y"), (values["a"] + values["b"]) * values["ids"], rtol=1e-6)
                np.testing.assert_allclose(answer.as_numpy("q"), values["a"] / values["b"], rtol=1e-6)
                np.testing.assert_array_equal(answer.as_numpy("twice"), 2 * values["ids"])
                self.assertEqual([word.decode() if isinstance(word, bytes) else word for word in answer.as_numpy("same")], ["über", "b"])
        self.assertEqual(served.stop(), 0)


class PlainClients(unittest.TestCase):
    """What people have at hand: curl, and Python without packages. Both say application/x-www-form-urlencoded unasked."""

    def test_raw_pixels(self):
        pixels = x[0].astype(np.uint8).tobytes()
        self.assertEqual(len(pixels), 784)
        digit = str(want[0].argmax())
        file = os.path.join(scratch.name, "digit.raw")
        with open(file, "wb") as to:
            to.write(pixels)
        address = f"http://{server.address}/"
        said = subprocess.run(["curl", "-sS", "--fail", "--data-binary", f"@{file}", address], capture_output=True, text=True, check=True)
        self.assertEqual(said.stdout, digit)
        said = subprocess.run(["curl", "-sS", "--fail", "-F", f"picture=@{file}", address], capture_output=True, text=True, check=True)
        self.assertEqual(said.stdout, digit)
        self.assertEqual(urllib.request.urlopen(address, data=pixels).read().decode(), digit)


class Tls(unittest.TestCase):
    def make_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key, "-out", self.certificate],
                       check=True, stderr=subprocess.DEVNULL)

    def setUp(self):
        self.certificate, self.key, self.token = (os.path.join(scratch.name, name) for name in ("certificate.pem", "key.pem", "token"))
        self.make_certificate()
        self.server = Server(os.path.join(scratch.name, "repository", "digits", "1"), "--tls-certificate", self.certificate, "--tls-key", self.key)
        self.trusting = ssl.create_default_context(cafile=self.certificate)

    def tearDown(self):
        self.assertEqual(self.server.stop(), 0)

    def ask(self, context):
        with urllib.request.urlopen(f"https://{self.server.address}/v2/health/ready", context=context) as answer:
            return json.loads(answer.read())

    def test_answers_whom_trusts_it(self):
        self.assertTrue(self.ask(self.trusting)["ready"])
        with triton.InferenceServerClient(self.server.address, ssl=True, ssl_context_factory=lambda: self.trusting) as client:
            name = client.get_model_repository_index()[0]["name"]
            np.testing.assert_array_equal(client.infer(name, [tensor()]).as_numpy("output"), want)

    def test_a_signal_renews_certificate_and_token(self):
        self.server.stop()
        with open(self.token, "w") as file:
            file.write("first\n")
        self.server = Server(os.path.join(scratch.name, "repository", "digits", "1"), "--tls-certificate", self.certificate, "--tls-key", self.key,
                             "--token-file", self.token)

        def status(context, token):
            request = urllib.request.Request(f"https://{self.server.address}/v2", headers={"Authorization": f"Bearer {token}"})
            try:
                with urllib.request.urlopen(request, context=context) as answer:
                    return answer.status
            except urllib.error.HTTPError as error:
                return error.code
        old = self.trusting
        self.assertEqual((status(old, "first"), status(old, "second")), (200, 401))
        self.make_certificate()
        with open(self.token, "w") as file:
            file.write("second\n")
        new = ssl.create_default_context(cafile=self.certificate)
        self.server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                if status(new, "second") == 200:
                    break
            except urllib.error.URLError:  # still the old certificate
                pass
            time.sleep(0.05)
        self.assertEqual((status(new, "second"), status(new, "first")), (200, 401))
        with self.assertRaises(urllib.error.URLError):
            status(old, "second")
        with open(self.key, "w") as file:  # what cannot be read leaves what was there
            file.write("nothing\n")
        self.server.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        self.assertEqual(status(new, "second"), 200)

    def test_an_encrypted_key_is_an_error_and_nobody_is_asked(self):
        locked = os.path.join(scratch.name, "locked.pem")
        subprocess.run(["openssl", "pkey", "-in", self.key, "-aes256", "-passout", "pass:secret", "-out", locked], check=True)
        done = subprocess.run([SOMA, "serve", scratch.name + "/repository", "--listen", "127.0.0.1:0", "--tls-certificate", self.certificate,
                               "--tls-key", locked], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("the key without a password", done.stderr)

    def test_refuses_what_is_not_tls_or_too_old(self):
        with self.assertRaises(urllib.error.URLError):
            self.ask(ssl.create_default_context())  # a client that does not trust the certificate hangs up
        with self.assertRaises(OSError):
            urllib.request.urlopen(f"http://{self.server.address}/v2/health/ready", timeout=20)
        warnings.simplefilter("ignore", DeprecationWarning)
        old = ssl.create_default_context(cafile=self.certificate)
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises(urllib.error.URLError):
            self.ask(old)
        self.assertTrue(self.ask(self.trusting)["ready"])


class Schema(unittest.TestCase):
    """The component schemas of the protocol's OpenAPI document, with nothing allowed that they do not name."""

    def valid(self, kind, body):
        Draft202012Validator({"$ref": f"#/components/schemas/{kind}", **SCHEMAS}).validate(body)

    def test_answers(self):
        infer = {"id": "1", "inputs": [{"name": "input", "shape": [1, 784], "datatype": "FP32", "data": [0] * 784}]}
        for kind, path, data, status in (
                ("live", "/v2/health/live", None, 200), ("ready", "/v2/health/ready", None, 200),
                ("metadata_server_response", "/v2", None, 200), ("metadata_model_response", "/v2/models/digits", None, 200),
                ("metadata_model_response", "/v2/models/digits/versions/1", None, 200),
                ("model_ready", "/v2/models/digits/ready", None, 200),
                ("inference_response", "/v2/models/digits/infer", json.dumps(infer).encode(), 200),
                ("inference_response", "/v2/models/digits/versions/1/infer", json.dumps(infer).encode(), 200),
                ("inference_error_response", "/v2/models/digits/infer", b"{", 400),
                ("inference_error_response", "/v2/models/nothing", None, 404),
                ("inference_error_response", "/v2/models/nothing/infer", b"{}", 404),
                ("inference_error_response", "/v2/models/digits/infer", None, 405)):
            got, body = get(path, data)
            self.assertEqual(got, status, path)
            self.valid(kind, body)


if __name__ == "__main__":
    unittest.main(verbosity=1)
