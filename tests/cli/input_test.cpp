// bad input → exit status 1, one line that names the place, and nothing lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "cli/program.h"

namespace soma::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string u32(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}
std::string idx_images(std::uint32_t count, std::uint32_t height, std::uint32_t width, std::size_t bytes) {
  return u32(0x803) + u32(count) + u32(height) + u32(width) + std::string(bytes, '\x40');
}
std::string idx_labels(const std::string& labels) { return u32(0x801) + u32(static_cast<std::uint32_t>(labels.size())) + labels; }

class BadInput : public ::testing::Test {
 protected:
  std::string refused(const std::vector<std::string>& arguments, int status = 1, const Setting& setting = {}) {
    const Outcome outcome = scratch.soma(arguments, setting);
    EXPECT_EQ(outcome.status, status) << outcome.out << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_THAT(outcome.err, StartsWith("soma: "));
    return outcome.err;
  }

  /// Trains a linear layer on the data, or on what the settings say instead.
  std::string refused_training(const std::string& data, const std::string& layers = R"({ type = "linear", out = "classes" })",
                               int status = 1) {
    scratch.write("a.toml", "[network]\nlayers = [" + layers + "]\n[train]\nepochs = 1\n");
    return refused({"train", "a.toml", "--data", data}, status);
  }

  Scratch scratch;
};

TEST_F(BadInput, TruncatedIdx) {
  scratch.write("x-images-idx3-ubyte", idx_images(3, 4, 4, 3 * 16 - 1));
  scratch.write("x-labels-idx1-ubyte", idx_labels(std::string("\0\1\1", 3)));
  EXPECT_THAT(refused_training("x-images-idx3-ubyte"), AllOf(HasSubstr("x-images-idx3-ubyte"), HasSubstr("47"), HasSubstr("48")));
  scratch.write("x-images-idx3-ubyte", "\0\0\x08");
  EXPECT_THAT(refused_training("x-images-idx3-ubyte"), HasSubstr("x-images-idx3-ubyte"));
}

TEST_F(BadInput, LyingIdxHeader) {
  scratch.write("x-labels-idx1-ubyte", idx_labels(std::string("\0\1\1", 3)));
  scratch.write("x-images-idx3-ubyte", idx_images(0xffffffff, 0xffff, 0xffff, 48));
  EXPECT_THAT(refused_training("x-images-idx3-ubyte"), HasSubstr("x-images-idx3-ubyte"));
  scratch.write("x-images-idx3-ubyte", idx_images(2, 4, 4, 32));
  EXPECT_THAT(refused_training("x-images-idx3-ubyte"), AllOf(HasSubstr("2"), HasSubstr("3")));
}

TEST_F(BadInput, CsvWithTheWrongNumberOfFields) {
  scratch.write("a.csv", "x,y,class\n1,2,a\n1,2\n3,4,b\n");
  EXPECT_THAT(refused_training("a.csv"), AllOf(HasSubstr("a.csv:3"), HasSubstr("3"), HasSubstr("2")));
}

TEST_F(BadInput, CsvWithAWordForANumberInAModelOfNumbers) {
  scratch.write("a.csv", "x,y,class\n1,2,a\n3,4,b\n5,6,a\n7,8,b\n1,3,a\n3,5,b\n");
  scratch.write("a.toml", "[network]\nlayers = [{ type = \"linear\", out = \"classes\" }]\n[train]\nepochs = 1\n");
  ASSERT_EQ(scratch.soma({"train", "a.toml", "--data", "a.csv", "--out", "m"}).status, 0);
  scratch.write("b.csv", "x,y,class\n1,2,a\n1,two,b\n");
  EXPECT_THAT(refused({"eval", "m/model.onnx", "--data", "b.csv"}), AllOf(HasSubstr("b.csv:3:3"), HasSubstr("two")));
  scratch.write("c.csv", "x,y\n1,two\n");
  EXPECT_THAT(refused({"predict", "m/model.onnx", "c.csv"}), AllOf(HasSubstr("c.csv:2:3"), HasSubstr("two")));
}

TEST_F(BadInput, LabelsOutsideTheClasses) {
  scratch.write("x-images-idx3-ubyte", idx_images(4, 4, 4, 64));
  scratch.write("x-labels-idx1-ubyte", idx_labels(std::string("\0\1\0\1", 4)));
  scratch.write("y-images-idx3-ubyte", idx_images(4, 4, 4, 64));
  scratch.write("y-labels-idx1-ubyte", idx_labels(std::string("\0\1\7\1", 4)));
  scratch.write("a.toml",
                "[data]\ntrain = \"x-images-idx3-ubyte\"\ntest = \"y-images-idx3-ubyte\"\n[network]\nlayers = [{ type = "
                "\"flatten\" }, { type = \"linear\", out = \"classes\" }]\n[train]\nepochs = 1\n");
  EXPECT_THAT(refused({"train", "a.toml"}), AllOf(HasSubstr("y-labels-idx1-ubyte"), HasSubstr("7")));
}

TEST_F(BadInput, EmptySets) {
  scratch.write("a.csv", "");
  EXPECT_THAT(refused_training("a.csv"), HasSubstr("a.csv"));
  scratch.write("a.csv", "x,y,class\n");
  EXPECT_THAT(refused_training("a.csv"), HasSubstr("a.csv"));
  scratch.write("x-images-idx3-ubyte", idx_images(0, 4, 4, 0));
  scratch.write("x-labels-idx1-ubyte", idx_labels(""));
  EXPECT_THAT(refused_training("x-images-idx3-ubyte"), HasSubstr("x-images-idx3-ubyte"));
  std::filesystem::create_directories(scratch / "pictures");
  EXPECT_THAT(refused_training("pictures"), HasSubstr("pictures"));
}

TEST_F(BadInput, ShapesThatDoNotChain) {
  const std::string line = refused_training("digits:train", R"({ type = "linear", name = "top", out = "classes" })", 2);
  EXPECT_THAT(line, AllOf(HasSubstr("top"), HasSubstr("1×28×28"), HasSubstr("flatten")));
  EXPECT_THAT(refused_training("digits:train", R"({ type = "conv2d", name = "deep", out = 3, kernel = 40 })", 2),
              AllOf(HasSubstr("deep"), HasSubstr("40"), HasSubstr("28")));
}

TEST_F(BadInput, ModelsThatAreNone) {
  EXPECT_THAT(refused({"eval", "none.onnx", "--data", "digits"}), HasSubstr("none.onnx"));
  scratch.write("garbage.onnx", "this is no model");
  EXPECT_THAT(refused({"predict", "garbage.onnx", "a.png"}), HasSubstr("garbage.onnx"));
  EXPECT_THAT(refused({"info", "garbage.onnx"}), HasSubstr("garbage.onnx"));
}

TEST_F(BadInput, OutputDirectoriesThatCannotBeWritten) {
  scratch.write("file", "not a directory");
  const std::vector<std::string> run = {"train", "mnist-mlp",      "--data",  "digits:train",
                                        "--set", "data.count=100", "--quiet", "--out"};
  for (const char* out : {"file", "file/inside", "/proc/nowhere"}) {
    std::vector<std::string> arguments = run;
    arguments.emplace_back(out);
    EXPECT_THAT(refused(arguments), HasSubstr(std::string(out).substr(0, std::string(out).rfind('/'))));
  }
  EXPECT_EQ(scratch.read("file"), "not a directory");
  EXPECT_THAT(refused({"data", "make", "digits", "--count", "3", "--out", "file"}), HasSubstr("file"));
}

TEST_F(BadInput, AFullDiskKeepsTheFilesThatAreThere) {
  const std::vector<std::string> run = {"train", "mnist-mlp", "--data", "digits:train", "--set", "data.count=100", "--out",
                                        "m",     "--epochs",  "1",      "--quiet"};
  ASSERT_EQ(scratch.soma(run).status, 0);
  const std::string checkpoint = scratch.read("m/checkpoint.safetensors"), model = scratch.read("m/model.onnx");
  ASSERT_GT(checkpoint.size(), 100000U);
  const std::vector<std::string> again = {"train", "--resume", "m", "--epochs", "2", "--quiet"};
  EXPECT_THAT(refused(again, 1, {{}, 50000}), AllOf(HasSubstr("m/checkpoint.safetensors"), HasSubstr("File too large")));
  EXPECT_TRUE(scratch.read("m/checkpoint.safetensors") == checkpoint);
  EXPECT_TRUE(scratch.read("m/model.onnx") == model);
  for (const auto& entry : std::filesystem::directory_iterator(scratch / "m"))
    EXPECT_THAT(entry.path().filename().string(), ::testing::Not(StartsWith("."))) << "no temporary file stays";
}

TEST_F(BadInput, TrainingThatDiverges) {
  const std::string line =
      refused({"train", "mnist-mlp", "--data", "digits:train", "--set", "data.count=200", "--set", "optimizer.kind=sgd", "--set",
               "optimizer.rate=1e30", "--set", "schedule.kind=constant", "--quiet"});
  EXPECT_THAT(line, AllOf(HasSubstr("step"), HasSubstr("rate")));
}

}  // namespace
}  // namespace soma::test
