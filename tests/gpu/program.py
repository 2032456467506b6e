#!/usr/bin/env python3
"""the built program, and one built without SOMA_GPU → what a user reads and gets where a GPU cannot be had.

    program.py SOMA BUILD_DIRECTORY [CMAKE_ARGUMENT...]     exit 77 with a reason: this machine cannot run one part
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

soma, build, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
os.chdir(tempfile.mkdtemp())
plain = {name: value for name, value in os.environ.items() if not name.startswith("VK_")}
lavapipe = {**plain, "VK_ICD_FILENAMES": os.environ["VK_ICD_FILENAMES"]}
failures, skipped = [], []


def check(what, holds, seen=""):
    print(("ok      " if holds else "FAILED  ") + what, flush=True)
    if not holds:
        failures.append(what)
        print("   ", seen)


def run(*command, environment=lavapipe):
    return subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment, stdin=subprocess.DEVNULL)


def refuses(what, text, *command, environment=lavapipe):
    done = run(*command, environment=environment)
    check(f"{what}: status 1 and its line", done.returncode == 1 and done.stderr == f"soma: {text}\n", done)


small = ["train", "mnist-mlp", "--data", "digits", "--set", "data.count=300", "--epochs", "1", "--quiet", "--force", "--json"]
advice = "; try installing libvulkan1 and your GPU's driver, or --device cpu"

# 1. No driver, a number nobody has, software alone, more than one range may hold.
for device in ("gpu", "gpu:0"):
    refuses(f"no driver, {device}", f"--device {device}: wanted a GPU, found no driver that Vulkan's loader can use{advice}", soma, *small,
            "--device", device, environment={**plain, "VK_ICD_FILENAMES": "/none", "VK_DRIVER_FILES": "/none"})
refuses("a number nobody has", "--device gpu:3: wanted cpu, gpu or gpu:0", soma, *small, "--device", "gpu:3")
done = run(soma, *small, "--device", "gpu")
check("software alone", done.returncode == 1 and "--device gpu: wanted a GPU, found only software (gpu:0 llvmpipe" in done.stderr and
      done.stderr.endswith("; try --device gpu:0 to test\n"), done)
done = run(soma, "train", "mnist-cnn", "--data", "digits", "--set", "data.count=8000", "--batch", "6400", "--quiet", "--device", "gpu:0")
check("a range too long", done.returncode == 1 and "in one range, its driver allows 128 MB; try a smaller train.batch" in done.stderr, done)

# 2. No loader at all: the program does not need it, and says so when asked. strace takes the library away.
hide = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=open,openat", "-e", "inject=open,openat:error=ENOENT"]
for name in ("libvulkan.so", "libvulkan.so.1"):
    for place in ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib", "/usr/lib"):
        hide += ["-P", f"{place}/{name}"]
if shutil.which("strace") and run(*hide, "/bin/true").returncode == 0:
    done = run(*hide, soma, *small, "--device", "gpu")  # strace says on stderr, too, what the links are it follows
    check("no loader: status 1 and its line", done.returncode == 1 and done.stderr.endswith(
        f"soma: --device gpu: wanted a GPU, found no Vulkan loader (libvulkan.so.1){advice}\n"), done)
    done = run(*hide, soma, "devices")
    check("no loader: devices lists the processor and says why no more", done.returncode == 0 and done.stdout.startswith("cpu    ") and
          "no gpu: wanted a GPU, found no Vulkan loader" in done.stdout, done)
    check("no loader: it trains on the processor", run(*hide, soma, *small).returncode == 0)
else:
    skipped.append("no loader: strace may not trace here")

# 3. The same accuracy.
accuracy = {}
for device in ("cpu", "gpu:0"):
    done = run(soma, "train", "mnist-mlp", "--device", device, "--data", "digits", "--epochs", "1", "--quiet", "--force", "--json")
    accuracy[device] = 100 * json.loads(done.stdout.splitlines()[-1])["test_accuracy"] if done.returncode == 0 else -1
check(f"digits: within 0.5 points of the processor: {accuracy}", abs(accuracy["cpu"] - accuracy["gpu:0"]) <= 0.5 and accuracy["cpu"] > 90)

# 4. Built without. Objects come out of ccache, since all but a few are the same; without it this would be a second whole build.
if arguments and shutil.which("ccache"):
    # The test's own XDG_CACHE_HOME is for pipelines; ccache has the objects of the build before this one in the user's.
    own = {name: value for name, value in os.environ.items() if name != "XDG_CACHE_HOME"}
    made = subprocess.run(["cmake", *arguments, "-B", build, "-DSOMA_GPU=OFF", "-DSOMA_TESTS=OFF"], capture_output=True, text=True, env=own)
    if made.returncode == 0:
        made = subprocess.run(["cmake", "--build", build, "-j", "2", "-t", "soma_program"], capture_output=True, text=True, env=own)
    check("it builds without SOMA_GPU", made.returncode == 0, made.stdout[-3000:] + made.stderr[-2000:])
    without = os.path.join(build, "soma")
    refuses("built without, train", "--device gpu: unavailable: built without SOMA_GPU", without, *small, "--device", "gpu")
    refuses("built without, devices --check", "unavailable: built without SOMA_GPU", without, "devices", "--check")
    done = run(without, "devices")
    check("built without, devices", done.returncode == 0 and done.stdout.endswith("no gpu: unavailable: built without SOMA_GPU\n"), done)
    offered = [word for arguments in (["train", "--help"], ["devices", "--help"], ["lab", "list"])
               for word in run(without, *arguments).stdout.lower().split() if "gpu" in word]
    check("built without, no help offers a GPU", not offered and "--device" in run(soma, "train", "--help").stdout, offered)
    check("built without, it trains", run(without, *small).returncode == 0)
    sizes, libraries = [], []
    for program in (soma, without):
        subprocess.run(["strip", "-o", "stripped", program], check=True)
        sizes.append(os.path.getsize("stripped"))
        libraries.append({line.split()[0] for line in run("ldd", program).stdout.splitlines()})
    check(f"the GPU adds {sizes[0] - sizes[1]} bytes, at most 500000", sizes[0] - sizes[1] <= 500000)
    check("and no library", libraries[0] == libraries[1], libraries)
else:
    skipped.append("built without SOMA_GPU: " + ("wants ccache" if arguments else "an instrumented build is no measure"))

for line in skipped:
    print("skipped", line)
sys.exit(1 if failures else 77 if skipped else 0)
