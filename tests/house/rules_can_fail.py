# a tree that breaks each rule of the house → the tool that guards it must fail, and name file and line.
import subprocess
import tempfile
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
GOOD = "// bytes → numbers: an example.\n#pragma once\n"


class Rules(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)
        self.write("include/soma/error.h", GOOD)
        self.write("src/core/file.h", GOOD + '#include "soma/error.h"\n')
        self.write("src/kernels/kernels.h", GOOD + '#include "core/file.h"\n')
        self.write("ARCHITECTURE.md", "# x\n<!-- files:begin (tools/arrows --write) -->\n<!-- files:end -->\nend\n")

    def write(self, name, text):
        path = Path(self.place.name) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run_tool(self, tool, *arguments):
        done = subprocess.run([REPOSITORY / "tools" / tool, self.place.name, *arguments], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def expect_failure(self, tool, message):
        status, text = self.run_tool(tool)
        self.assertEqual(status, 1, text)
        self.assertIn(message, text)

    def test_a_good_tree_passes(self):
        for tool in ("check_layers", "budget", "check_includes"):
            self.assertEqual(self.run_tool(tool)[0], 0)

    def test_a_failure_that_nobody_looks_at(self):
        for line, message in (("  std::error_code ignored;\n  remove(x, ignored);", "4: nobody reads 'ignored'"),
                              ("  } catch (...) {", "4: a failure is thrown away"), ("  (void)file.sync();", "4: a failure is thrown away")):
            self.write("src/core/file.cpp", GOOD + "void f() {\n" + line + "\n")
            self.expect_failure("check_ignored", "src/core/file.cpp:" + message)
            self.write("src/core/file.cpp", GOOD + "void f() {\n  // it may be gone already\n" + line + "\n")
            self.assertEqual(self.run_tool("check_ignored")[0], 0)
        self.write("src/core/file.cpp", GOOD + "  std::error_code failure;\n  remove(x, failure);\n  if (failure) return failure;\n")
        self.assertEqual(self.run_tool("check_ignored")[0], 0)

    def test_an_include_that_points_up(self):
        self.write("src/core/file.cpp", GOOD + '#include "kernels/kernels.h"\n')
        self.expect_failure("check_layers", "src/core/file.cpp:3: src/core may not know src/kernels")

    def test_an_application_that_looks_behind_the_public_headers(self):
        self.write("apps/soma/main.cpp", GOOD + '#include "core/file.h"\n')
        self.expect_failure("check_layers", "apps/soma/main.cpp:3: apps/soma may not know src/core")

    def test_a_public_header_that_needs_a_private_one(self):
        self.write("include/soma/train.h", GOOD + "#include <soma/error.h>\n#include \"core/file.h\"\n")
        self.expect_failure("check_layers", "include/soma/train.h:4: include/soma may not know src/core")

    def test_two_siblings_that_know_each_other(self):
        self.write("src/train/trainer.h", GOOD)
        self.write("src/model/onnx.cpp", GOOD + '#include "train/trainer.h"\n')
        self.expect_failure("check_layers", "src/model/onnx.cpp:3: src/model may not know src/train")

    def test_a_standard_name_without_its_header(self):
        self.write("src/core/file.cpp", GOOD + '#include "core/file.h"\nvoid f(int* a, int* b) { std::sort(a, b); }\n')
        self.expect_failure("check_includes", "src/core/file.cpp:4: std::sort wants #include <algorithm>")
        self.write("src/core/file.h", GOOD + "#include <algorithm>\n")
        self.assertEqual(self.run_tool("check_includes")[0], 0)

    def test_an_include_from_outside_in_quotes_or_climbing(self):
        self.write("src/core/file.cpp", GOOD + '#include "fmt/format.h"\n#include "../kernels/kernels.h"\n')
        self.expect_failure("check_layers", 'src/core/file.cpp:3: "fmt/format.h" is no file of this tree')
        self.expect_failure("check_layers", 'src/core/file.cpp:4: "../kernels/kernels.h" climbs out')

    def test_a_folder_nobody_placed(self):
        self.write("src/misc/things.cpp", GOOD)
        self.expect_failure("check_layers", "src/misc has no line in tools/check_layers")

    def test_a_file_over_the_limit(self):
        self.write("src/core/file.cpp", GOOD + "\n" * 600)
        self.expect_failure("budget", "src/core/file.cpp: 602 lines, the limit is 500")

    def test_a_file_without_an_arrow(self):
        self.write("src/core/file.cpp", "// helpers\n")
        self.expect_failure("arrows", "src/core/file.cpp:1: wanted '// what goes in → what comes out', got '// helpers'")

    def test_a_list_of_files_that_is_out_of_date_and_its_renewal(self):
        self.expect_failure("arrows", "ARCHITECTURE.md: its list of files is not that of the tree")
        self.assertEqual(self.run_tool("arrows", "--write")[0], 0)
        self.assertEqual(self.run_tool("arrows")[0], 0)
        page = (Path(self.place.name) / "ARCHITECTURE.md").read_text()
        self.assertIn("- `file.h`: bytes → numbers: an example.", page)
        self.assertTrue(page.startswith("# x\n") and page.endswith("-->\nend\n"))


if __name__ == "__main__":
    unittest.main()
