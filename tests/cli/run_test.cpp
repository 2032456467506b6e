// whole runs on built-in digits → models, reports, and the same bytes however they were interrupted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/program.h"
#include "core/random.h"

namespace soma::test {
namespace {

using ::testing::HasSubstr;
using Arguments = std::vector<std::string>;
using Json = nlohmann::json;

/// A small run: 240 digits to train on, 60 to test, seconds at most.
Arguments small_run(const Arguments& more = {}) {
  Arguments arguments = {"train", "mnist-mlp", "--data", "digits:train", "--set", "data.count=300", "--epochs", "3"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

/// The last line of stdout, which must be the only JSON.
Json last_line(const std::string& out) {
  EXPECT_THAT(out, ::testing::EndsWith("\n"));
  const auto start = out.rfind('\n', out.size() - 2);
  const std::string line = start == std::string::npos ? out : out.substr(start + 1);
  const Json json = Json::parse(line, nullptr, false);
  EXPECT_TRUE(json.is_object()) << out;
  return json;
}

TEST(Train, SaysWhereHalfPrecisionIsEmulated) {
  const Scratch scratch;
  const Setting sse4 = {{"SOMA_TARGET=sse4"}};
  const Outcome outcome = scratch.soma(small_run({"--precision", "fp16", "--json"}), sse4);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("fp16 is emulated: target sse4 has no half-precision multiply-adds (AVX512-FP16); the same "
                                     "bits, but slower than fp32\n"));
  EXPECT_EQ(last_line(outcome.out)["precision"], "fp16");
}

TEST(Train, WritesTheFilesItNamesAndSaysWhatToTypeNext) {
  const Scratch scratch;
  const Outcome outcome = scratch.soma(small_run());
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, HasSubstr("epoch 1/3  loss "));
  EXPECT_THAT(outcome.out, HasSubstr("epoch 3/3  loss "));
  EXPECT_EQ(outcome.out.find('\r'), std::string::npos) << "no bar where nobody watches";
  EXPECT_EQ(outcome.out.find('\033'), std::string::npos) << "no colours either";
  EXPECT_THAT(outcome.out, HasSubstr("test accuracy "));
  EXPECT_THAT(outcome.out, HasSubstr("of 60), loss"));
  EXPECT_THAT(outcome.out, HasSubstr("next: soma eval out/mnist-mlp\n"));
  EXPECT_THAT(outcome.out, HasSubstr("soma predict out/mnist-mlp/model.onnx FILE.png\n"));

  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(scratch / "out/mnist-mlp"))
    files.push_back(entry.path().filename().string());
  EXPECT_THAT(files,
              ::testing::IsSupersetOf({"model.onnx", "checkpoint.safetensors", "config.toml", "history.csv", "report.html"}));
  EXPECT_THAT(files, ::testing::Contains(::testing::StartsWith("events.out.tfevents.")));
  EXPECT_THAT(outcome.out, HasSubstr("look at out/mnist-mlp/report.html\n"));
  EXPECT_THAT(scratch.read("out/mnist-mlp/report.html"), HasSubstr("test accuracy"));
  EXPECT_THAT(files, ::testing::Each(::testing::Not(::testing::StartsWith(".")))) << "no temporary file stays";
  const std::string history = scratch.read("out/mnist-mlp/history.csv");
  EXPECT_EQ(std::count(history.begin(), history.end(), '\n'), 4) << history;
}

TEST(Train, ReportsOneJsonObject) {
  const Scratch scratch;
  const Outcome outcome = scratch.soma(small_run({"--json", "--out", "here", "--threads", "1", "--seed", "5"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, testing::StartsWith("data: digits: 300 rows")) << "what was understood comes before the object";
  EXPECT_THAT(outcome.err, HasSubstr("epoch 1/3"));
  const Json json = last_line(outcome.out);
  EXPECT_EQ(json["name"], "mnist-mlp");
  EXPECT_EQ(json["epochs"], 3);
  EXPECT_EQ(json["samples"], 240);
  EXPECT_EQ(json["threads"], 1);
  EXPECT_EQ(json["seed"], 5);
  EXPECT_EQ(json["strategy"], "team");
  EXPECT_EQ(json["parameters"], 784 * 128 + 128 + 128 * 10 + 10);
  EXPECT_GT(json["flops_per_sample"], 2 * 784 * 128);
  EXPECT_EQ(json["out"], "here");
  EXPECT_TRUE(json["target"].is_string());
  EXPECT_EQ(json["epoch_seconds"].size(), 3U);
  EXPECT_GT(json["train_seconds"].get<double>(), 0);
  EXPECT_GE(json["total_seconds"].get<double>(), json["train_seconds"].get<double>());
  EXPECT_GT(json["rss_bytes"], 1 << 20);
  EXPECT_EQ(json["train_accuracy"], json["epoch_accuracy"][2]);
  EXPECT_EQ(json["train_loss"], json["epoch_loss"][2]);
  EXPECT_GT(json["test_accuracy"].get<double>(), 0.2);
  EXPECT_LE(json["test_accuracy"].get<double>(), 1);
  EXPECT_GT(json["test_loss"].get<double>(), 0);
  EXPECT_EQ(json["interrupted"], false);
  EXPECT_LT(json["epoch_loss"][2].get<double>(), json["epoch_loss"][0].get<double>()) << "it learns";
}

TEST(Train, CountsOnlyItsOwnMemory) {
  const Scratch scratch;
  const std::vector<char> ours(std::size_t{600} << 20, 1);  // held while the program is started
  const Outcome outcome = scratch.soma(small_run({"--json", "--quiet"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_LT(last_line(outcome.out)["rss_bytes"].get<std::size_t>(), ours.size() / 2);
}

TEST(Train, QuietSaysNothing) {
  const Scratch scratch;
  const Outcome outcome = scratch.soma(small_run({"--quiet"}));
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out + outcome.err, "");
  const Outcome json = scratch.soma(small_run({"--quiet", "--json"}));
  EXPECT_EQ(json.err, "");
  EXPECT_EQ(last_line(json.out)["epochs"], 3);
}

TEST(Train, GivesTheSameBytesWithAnyNumberOfThreads) {
  const Scratch scratch;
  for (const char* threads : {"1", "2", "3"})
    ASSERT_EQ(scratch.soma(small_run({"--out", threads, "--threads", threads})).status, 0);
  const std::string model = scratch.read("1/model.onnx");
  ASSERT_FALSE(model.empty());
  EXPECT_TRUE(scratch.read("2/model.onnx") == model);
  EXPECT_TRUE(scratch.read("3/model.onnx") == model);
  ASSERT_EQ(scratch.soma(small_run({"--out", "seed", "--seed", "2"})).status, 0);
  EXPECT_FALSE(scratch.read("seed/model.onnx") == model) << "another seed is another model";
}

TEST(Train, ItsOwnConfigGivesTheSameModel) {
  const Scratch scratch;
  ASSERT_EQ(scratch.soma(small_run({"--out", "a", "--set", "optimizer.rate=0.003"})).status, 0);
  const Outcome again = scratch.soma({"train", "a/config.toml", "--out", "b"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_TRUE(scratch.read("a/model.onnx") == scratch.read("b/model.onnx"));
}

/// Many quick steps in few epochs, so that most checkpoints lie in the middle of one.
void write_long_run(const Scratch& scratch) {
  scratch.write("long.toml", R"(
preprocess = [{ kind = "standardise" }]
augment = { shift = 2 }
[data]
train = "digits:train"
count = 1500
test_fraction = 0.1
[network]
layers = [
  { type = "flatten" }, { type = "linear", out = 12 }, { type = "relu" }, { type = "dropout", rate = 0.1 },
  { type = "linear", out = "classes" },
]
[train]
epochs = 4
batch = 2
threads = 1
checkpoint_seconds = 0.01
)");
}

TEST(Resume, AfterSigkillEndsInTheSameBytes) {
  const Scratch scratch;
  write_long_run(scratch);
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(scratch.soma({"train", "long.toml", "--out", "whole"}).status, 0);
  const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - start;

  int killed = 0;
  for (std::uint64_t moment = 0; moment < 4; ++moment) {
    const pid_t child = scratch.start({"train", "long.toml", "--resume", "cut"});
    std::this_thread::sleep_for(whole * (0.2 + 0.5 * random_unit(7, stream(Stream::test), moment)));
    ::kill(child, SIGKILL);
    const Outcome outcome = scratch.wait(child);
    killed += outcome.status == 128 + SIGKILL ? 1 : 0;
    EXPECT_TRUE(outcome.status == 0 || outcome.status == 128 + SIGKILL) << outcome.err;
  }
  EXPECT_GT(killed, 0);
  const Outcome last = scratch.soma({"train", "--resume", "cut"});
  ASSERT_EQ(last.status, 0) << last.err;
  EXPECT_TRUE(scratch.read("cut/model.onnx") == scratch.read("whole/model.onnx"));
  for (const auto& entry : std::filesystem::directory_iterator(scratch / "whole"))
    EXPECT_THAT(entry.path().filename().string(), ::testing::Not(::testing::StartsWith(".")));
}

TEST(Resume, InterruptSavesSaysHowToGoOnAndExits130) {
  const Scratch scratch;
  write_long_run(scratch);
  ASSERT_EQ(scratch.soma({"train", "long.toml", "--out", "whole"}).status, 0);

  const pid_t child = scratch.start({"train", "long.toml", "--out", "cut", "--json"});
  while (!std::filesystem::exists(scratch / "cut/checkpoint.safetensors") && ::kill(child, 0) == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ::kill(child, SIGINT);
  const Outcome outcome = scratch.wait(child);
  ASSERT_EQ(outcome.status, 130) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("Go on with: soma train --resume cut\n"));
  EXPECT_EQ(last_line(outcome.out)["interrupted"], true);
  EXPECT_TRUE(last_line(outcome.out)["test_accuracy"].is_null());
  EXPECT_FALSE(std::filesystem::exists(scratch / "cut/model.onnx"));

  const Outcome last = scratch.soma({"train", "--resume", "cut"});
  ASSERT_EQ(last.status, 0) << last.err;
  EXPECT_THAT(last.out, HasSubstr("going on from cut/checkpoint.safetensors"));
  EXPECT_TRUE(scratch.read("cut/model.onnx") == scratch.read("whole/model.onnx"));
}

TEST(Resume, StartsAfreshWhereThereIsNoCheckpoint) {
  const Scratch scratch;
  const Outcome outcome = scratch.soma(small_run({"--resume", "new"}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("no checkpoint in new yet: starting afresh there\n"));
  EXPECT_TRUE(std::filesystem::exists(scratch / "new/model.onnx"));
}

TEST(Resume, KeepsTheSettingsOfTheRunWhateverThePresetSays) {
  const Scratch scratch;
  ASSERT_EQ(scratch.soma(small_run({"--out", "run"})).status, 0);
  const Outcome again = scratch.soma({"train", "mnist-mlp", "--resume", "run", "--json"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(last_line(again.out)["epochs"], 3);  // not the preset's 10, on 240 digits and not on MNIST
  EXPECT_EQ(last_line(again.out)["samples"], 240);

  const Outcome other = scratch.soma({"train", "mnist-cnn", "--resume", "run"});
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.err, HasSubstr("--resume run: wanted a run of 'mnist-cnn', got one of 'mnist-mlp'"));
}

class Trained : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch = new Scratch;
    const Outcome outcome = scratch->soma(small_run({"--out", "m", "--epochs", "6"}));
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const Outcome made = scratch->soma({"data", "make", "digits", "--count", "50", "--out", "drawn", "--seed", "9"});
    ASSERT_EQ(made.status, 0) << made.err;
    EXPECT_THAT(made.out, HasSubstr("next: soma train mnist-cnn --data drawn/images-idx3-ubyte"));
    // The first two digits as pictures.
    const std::string images = scratch->read("drawn/images-idx3-ubyte");
    for (std::size_t i = 0; i < 2; ++i) {
      png_image picture{};
      picture.version = PNG_IMAGE_VERSION;
      picture.width = picture.height = 28;
      picture.format = PNG_FORMAT_GRAY;
      const auto file = *scratch / ("digit" + std::to_string(i) + ".png");
      ASSERT_NE(png_image_write_to_file(&picture, file.c_str(), 0, images.data() + 16 + i * 784, 0, nullptr), 0);
    }
  }
  static void TearDownTestSuite() { delete scratch; }

  static Scratch* scratch;
};
Scratch* Trained::scratch = nullptr;

TEST_F(Trained, IsEvaluated) {
  const Outcome outcome = scratch->soma({"eval", "m/model.onnx", "--data", "drawn/images-idx3-ubyte"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("of 50), loss "));
  EXPECT_THAT(outcome.out, HasSubstr("right when named"));
  const Outcome report = scratch->soma({"eval", "m/model.onnx", "--data", "drawn/images-idx3-ubyte", "--json"});
  ASSERT_EQ(report.status, 0) << report.err;
  const Json json = last_line(report.out);
  EXPECT_EQ(json["samples"], 50);
  EXPECT_GT(json["accuracy"].get<double>(), 0.2);
  EXPECT_GT(json["loss"].get<double>(), 0);
  ASSERT_EQ(json["confusion"].size(), 10U);
  std::int64_t all = 0, right = 0;
  for (std::size_t i = 0; i < 10; ++i)
    for (std::size_t k = 0; k < 10; ++k) {
      all += json["confusion"][i][k].get<std::int64_t>();
      right += i == k ? json["confusion"][i][k].get<std::int64_t>() : 0;
    }
  EXPECT_EQ(all, 50);
  EXPECT_NEAR(json["accuracy"].get<double>(), static_cast<double>(right) / 50, 1e-12);
}

TEST_F(Trained, Predicts) {
  const Outcome outcome = scratch->soma({"predict", "m/model.onnx", "digit0.png", "digit1.png"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  for (const char* word : {"digit0.png", "digit1.png", "probability", "top 3", " %"}) EXPECT_THAT(outcome.out, HasSubstr(word));
  const Outcome report = scratch->soma({"predict", "m/model.onnx", "digit0.png", "digit1.png", "--json"});
  ASSERT_EQ(report.status, 0) << report.err;
  const Json predictions = last_line(report.out)["predictions"];
  ASSERT_EQ(predictions.size(), 2U);
  for (const Json& prediction : predictions) {
    ASSERT_EQ(prediction["probabilities"].size(), 10U);
    double sum = 0;
    for (const Json& probability : prediction["probabilities"]) sum += probability.get<double>();
    EXPECT_NEAR(sum, 1, 1e-5);
    const auto label = prediction["label"].get<std::size_t>();
    EXPECT_EQ(prediction["class"], std::to_string(label));
    EXPECT_EQ(prediction["probability"], prediction["probabilities"][label]);
  }
  EXPECT_EQ(predictions[1]["file"], "digit1.png");
}

TEST_F(Trained, CallsWhatIsNoProbabilityAnOutput) {
  const Outcome trained = scratch->soma(small_run({"--quiet", "--set", "loss.kind=quadratic", "--out", "raw"}));
  ASSERT_EQ(trained.status, 0) << trained.err;
  const Outcome outcome = scratch->soma({"predict", "raw/model.onnx", "digit0.png"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("output"));
  EXPECT_THAT(outcome.out, ::testing::AllOf(::testing::Not(HasSubstr("probability")), ::testing::Not(HasSubstr(" %"))));
  const Json prediction = last_line(scratch->soma({"predict", "raw/model.onnx", "digit0.png", "--json"}).out)["predictions"][0];
  EXPECT_FALSE(prediction.contains("probabilities") || prediction.contains("probability"));
  EXPECT_EQ(prediction["output"], prediction["outputs"][prediction["label"].get<std::size_t>()]);
}

TEST_F(Trained, IsDescribed) {
  const Outcome outcome = scratch->soma({"info", "m/model.onnx"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  for (const char* word : {"1×28×28", "divide by 255", "linear", "100,480", "101,770", "total"})
    EXPECT_THAT(outcome.out, HasSubstr(word));
  const Json json = last_line(scratch->soma({"info", "m/model.onnx", "--json"}).out);
  EXPECT_EQ(json["parameters"], 101770);
  EXPECT_EQ(json["layers"].size(), 4U);
  EXPECT_EQ(json["layers"][1]["output"], Json::array({128}));
  EXPECT_EQ(json["class_names"].size(), 10U);
  scratch->write("plan.toml",
                 "[data]\ntrain = \"drawn/images-idx3-ubyte\"\n[network]\nlayers = "
                 "[{ type = \"flatten\" }, { type = \"linear\", out = \"classes\" }]\n");
  const Json plan = last_line(scratch->soma({"info", "plan.toml", "--json"}).out);
  EXPECT_EQ(plan["parameters"], 784 * 10 + 10);
}

TEST_F(Trained, RefusesInputOfAnotherShape) {
  scratch->write("table.csv", "a,b,class\n1,2,3\n3,4,5\n");
  const Outcome outcome = scratch->soma({"eval", "m/model.onnx", "--data", "table.csv"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, ::testing::StartsWith("soma: "));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("1×28×28"));
}

TEST(Data, IsListedDescribedAndMade) {
  const Scratch scratch;
  const Outcome list = scratch.soma({"data", "list"});
  EXPECT_EQ(list.status, 0);
  for (const char* word : {"mnist", "iris", "digits", "built in", "soma data fetch mnist"})
    EXPECT_THAT(list.out, HasSubstr(word));
  ASSERT_EQ(scratch.soma({"data", "make", "digits", "--count", "30", "--out", "a"}).status, 0);
  ASSERT_EQ(scratch.soma({"data", "make", "digits", "--count", "30", "--out", "b"}).status, 0);
  EXPECT_EQ(scratch.read("a/images-idx3-ubyte").size(), 16U + 30 * 784);
  EXPECT_TRUE(scratch.read("a/images-idx3-ubyte") == scratch.read("b/images-idx3-ubyte"));
  const Outcome info = scratch.soma({"data", "info", "a/images-idx3-ubyte"});
  EXPECT_EQ(info.status, 0) << info.err;
  EXPECT_THAT(info.out, HasSubstr("30 samples of 1×28×28, bytes"));
}

TEST(Version, NamesWhatItRunsOn) {
  const Scratch scratch;
  const Outcome outcome = scratch.soma({"version"});
  EXPECT_EQ(outcome.status, 0);
  for (const char* word : {"soma ", "target ", "reference", "machine ", "compiler "}) EXPECT_THAT(outcome.out, HasSubstr(word));
  const Json json = last_line(scratch.soma({"version", "--json"}).out);
  EXPECT_EQ(json["targets"].back(), "reference");
}

}  // namespace
}  // namespace soma::test
