# the repository → its C++ files, their folder, their first line and the files of this tree they include.
import re
from pathlib import Path

# Folders in flow order: each uses only those above it (tools/check_layers holds the tree against the exact rule).
FOLDERS = ["include/soma", "src/core", "src/kernels", "src/nn", "src/data", "src/model", "src/graph", "src/train", "src/lab", "src/batchfile",
           "src/report", "src/serve", "apps/soma"]
FREE = ["examples", "bench", "tests"]
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<(soma/[^>]+)>)')


def sources(root, tops=("apps", "include", "src", *FREE)):
    """Every .h and .cpp under the given folders, relative to root, sorted."""
    root = Path(root)
    found = [path for top in tops for kind in ("*.h", "*.cpp") for path in (root / top).rglob(kind)]
    return sorted(path.relative_to(root) for path in found)


def folder(file):
    """The layer a file belongs to: src/core, include/soma, apps/soma, tests."""
    depth = 1 if file.parts[0] in FREE else 2
    return "/".join(file.parts[:depth])


def includes(root, file):
    """(line number, name as written, file of this tree or None) of every quoted include, and of <soma/...>."""
    root = Path(root)
    for number, line in enumerate((root / file).read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        name = match[1] or match[2]
        candidates = [Path("include") / name, Path("src") / name, file.parent / name]
        yield number, name, next((c for c in candidates if (root / c).is_file()), None)


def first_line(root, file):
    with open(Path(root) / file) as text:
        return text.readline().rstrip("\n")
