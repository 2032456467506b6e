// soma export → files that soma and others read; and what it cannot export, in one line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/program.h"

namespace soma::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Json = nlohmann::json;

class Export : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch = new Scratch;
    scratch->write(
        "a.toml",
        "preprocess = [{ kind = \"divide\", by = 255 }]\n[data]\ntrain = \"digits\"\ntest = \"digits:test\"\nlimit = 600\n"
        "[network]\nlayers = [{ type = \"conv2d\", out = 4, kernel = 5 }, { type = \"max_pool\", size = 2 }, "
        "{ type = \"relu\" }, { type = \"flatten\" }, { type = \"linear\", out = \"classes\" }]\n"
        "[train]\nepochs = 2\nbatch = 20\n");
    const Outcome outcome = scratch->soma({"train", "a.toml", "--out", "m", "--quiet"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
  }
  static void TearDownTestSuite() { delete scratch; }

  static std::string refused(const std::vector<std::string>& arguments, int status) {
    const Outcome outcome = scratch->soma(arguments);
    EXPECT_EQ(outcome.status, status) << outcome.out << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_THAT(outcome.err, StartsWith("soma: "));
    return outcome.err;
  }

  static double accuracy(const std::string& model) {
    const Outcome outcome = scratch->soma({"eval", model, "--data", "digits:test", "--json"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return Json::parse(outcome.out.substr(outcome.out.rfind('\n', outcome.out.size() - 2) + 1))["accuracy"].get<double>();
  }

  static Scratch* scratch;
};
Scratch* Export::scratch = nullptr;

TEST_F(Export, Int8IsMeasuredOnTheTrainingDataAndReadBack) {
  const Outcome outcome = scratch->soma({"export", "m/model.onnx", "--to", "onnx", "--int8"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("m/model.int8.onnx: ONNX, 8 bits with ranges measured on digits"));
  EXPECT_NEAR(accuracy("m/model.int8.onnx"), accuracy("m/model.onnx"), 0.01);
  EXPECT_LT(std::filesystem::file_size(*scratch / "m/model.int8.onnx"),
            std::filesystem::file_size(*scratch / "m/model.onnx") / 2);
  const Outcome info = scratch->soma({"info", "m/model.int8.onnx"});
  EXPECT_THAT(info.out, HasSubstr("int8"));
  EXPECT_THAT(scratch->soma({"info", "m/model.int8.onnx", "--json"}).out, HasSubstr(R"("precision":"int8")"));
  EXPECT_THAT(scratch->soma({"info", "m/model.onnx", "--json"}).out, HasSubstr(R"("precision":"fp32")"));
  EXPECT_THAT(refused({"export", "m/model.int8.onnx", "--to", "onnx", "--int8"}, 2), HasSubstr("which is int8 already"));
}

TEST_F(Export, PlainOnnxIsTheModelAgain) {
  ASSERT_EQ(scratch->soma({"export", "m/model.onnx", "--to", "onnx", "-o", "again.onnx"}).status, 0);
  EXPECT_EQ(scratch->read("again.onnx"), scratch->read("m/model.onnx"));
}

TEST_F(Export, DataOfOnesOwnChoice) {
  const Outcome outcome =
      scratch->soma({"export", "m/model.onnx", "--to", "onnx", "--int8", "--data", "digits:test", "-o", "b.onnx"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NEAR(accuracy("b.onnx"), accuracy("m/model.onnx"), 0.01);
}

TEST_F(Export, SaysWhatItCannotDo) {
  std::filesystem::copy(*scratch / "m/model.onnx", *scratch / "lonely.onnx", std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(refused({"export", "lonely.onnx", "--to", "onnx", "--int8"}, 2), HasSubstr("got neither --data nor a config.toml"));
  EXPECT_THAT(refused({"export", "lonely.onnx", "--to", "onnx", "--int8", "--data", "nowhere.csv"}, 2), HasSubstr("nowhere.csv"));
  EXPECT_THAT(refused({"export", "lonely.onnx", "--to", "bpf"}, 2), HasSubstr("wanted a model in 8 bits"));
  EXPECT_THAT(refused({"export", "lonely.onnx", "--to", "tflite"}, 2), HasSubstr("wanted --to onnx or bpf"));
  EXPECT_THAT(refused({"export", "lonely.onnx", "--to", "onnx", "--data", "digits"}, 2), HasSubstr("try adding --int8"));
  EXPECT_THAT(refused({"export", "lonely.onnx"}, 2), HasSubstr("--to"));
  EXPECT_THAT(refused({"export", "none.onnx", "--to", "onnx"}, 1), HasSubstr("none.onnx"));
  EXPECT_THAT(refused({"export", "lonely.onnx", "--to", "onnx", "-o", "no/such/place.onnx"}, 1), HasSubstr("no/such/place.onnx"));
  scratch->write(
      "b.toml",
      "[data]\ntrain = \"digits\"\nlimit = 100\n[network]\nlayers = [{ type = \"flatten\" }, { type = \"linear\", out = 5 }, "
      "{ type = \"tanh\", name = \"bend\" }, { type = \"linear\", out = \"classes\" }]\n[train]\nepochs = 1\n");
  ASSERT_EQ(scratch->soma({"train", "b.toml", "--out", "bent", "--quiet"}).status, 0);
  EXPECT_THAT(refused({"export", "bent/model.onnx", "--to", "onnx", "--int8"}, 1), HasSubstr("int8: layer 'bend': wanted relu"));
}

}  // namespace
}  // namespace soma::test
