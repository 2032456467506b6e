// two runs in one place, or one said again → one of them works, the other changes nothing and says why.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include "cli/program.h"

namespace soma::test {
namespace {

using ::testing::AnyOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using Arguments = std::vector<std::string>;

Arguments run(const Arguments& more, const std::string& epochs = "2") {
  Arguments arguments = {"train",          "mnist-mlp", "--data", "digits:train", "--set",
                         "data.count=300", "--epochs",  epochs,   "--quiet"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

void wait_for(const std::filesystem::path& file, pid_t child) {
  while (!std::filesystem::exists(file) && ::kill(child, 0) == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

std::ptrdiff_t lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

TEST(OneRun, InADirectoryAtATime) {
  const Scratch scratch;
  const pid_t first = scratch.start(run({"--out", "here"}, "100000"));
  wait_for(scratch / "here/checkpoint.safetensors", first);
  EXPECT_THAT(scratch.read("here/lock"), HasSubstr("(soma train mnist-mlp"));
  for (const Arguments& how : {Arguments{"--resume", "here"}, Arguments{"--force", "--out", "here"}}) {
    const Scratch other;  // whose captured output is another file
    Arguments there = run(how);
    there.back() = scratch / "here";
    const Outcome second = other.soma(there);
    EXPECT_EQ(second.status, 1) << second.err;
    EXPECT_THAT(second.err,
                HasSubstr("wanted to be the only one who writes there, got process " + std::to_string(first) + " on host"));
    EXPECT_EQ(lines(second.err), 1);
  }
  ::kill(first, SIGINT);
  EXPECT_EQ(scratch.wait(first).status, 130);
  EXPECT_FALSE(std::filesystem::exists(scratch / "here/lock"));
  EXPECT_EQ(scratch.soma({"train", "--resume", "here", "--epochs", "1", "--quiet"}).status, 0);
}

TEST(OneRun, IsNotLostByItsOwnCommandSaidAgain) {
  const Scratch scratch;
  const pid_t first = scratch.start(run({"--out", "here"}, "100000"));
  wait_for(scratch / "here/checkpoint.safetensors", first);
  ::kill(first, SIGKILL);
  ASSERT_EQ(scratch.wait(first).status, 128 + SIGKILL);
  const std::string kept = scratch.read("here/checkpoint.safetensors");
  scratch.write("here/.model.onnx.abc123", "half a model");

  const Outcome again = scratch.soma(run({"--out", "here"}));
  EXPECT_EQ(again.status, 1);
  EXPECT_EQ(
      again.err,
      "soma: here: wanted a directory without a run in it, found checkpoint.safetensors; try --resume here to go on with that "
      "run, or --force to lose it\n");
  EXPECT_TRUE(scratch.read("here/checkpoint.safetensors") == kept);

  ASSERT_EQ(scratch.soma(run({"--out", "here", "--force"})).status, 0);
  EXPECT_EQ(lines(scratch.read("here/history.csv")), 3);
  EXPECT_FALSE(std::filesystem::exists(scratch / "here/.model.onnx.abc123"));
  std::filesystem::remove(scratch / "here/checkpoint.safetensors");
  const Outcome model = scratch.soma({"train", "--resume", "here"});
  EXPECT_EQ(model.status, 1);
  EXPECT_THAT(model.err, HasSubstr("found model.onnx"));
}

TEST(OneRun, GoesToAFreeDirectoryWhenNoneIsNamed) {
  const Scratch scratch;
  const Arguments plain = {"train", "mnist-mlp", "--data", "digits:train", "--set", "data.count=300", "--epochs", "1"};
  ASSERT_EQ(scratch.soma(plain).status, 0);
  const std::string first = scratch.read("out/mnist-mlp/checkpoint.safetensors");
  for (const std::string place : {"out/mnist-mlp-2", "out/mnist-mlp-3"}) {
    const Outcome again = scratch.soma(plain);
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_THAT(again.out, HasSubstr("out/mnist-mlp holds another run: this one goes to " + place + "\n"));
    EXPECT_TRUE(std::filesystem::exists(scratch / place / "model.onnx"));
  }
  EXPECT_TRUE(scratch.read("out/mnist-mlp/checkpoint.safetensors") == first);
  Arguments force = plain;
  force.emplace_back("--force");
  EXPECT_EQ(scratch.soma(force).status, 0);
  EXPECT_FALSE(scratch.read("out/mnist-mlp/checkpoint.safetensors") == first) << "times differ";
}

TEST(OneRun, IsNotStartedWhereNobodyCanSayWhatIsThere) {
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "here");
  std::filesystem::create_symlink("checkpoint.safetensors", scratch / "here/checkpoint.safetensors");
  for (const char* how : {"--out", "--resume"}) {
    const Outcome outcome = scratch.soma(run({how, "here"}));
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.err, HasSubstr("here/checkpoint.safetensors: cannot look at: Too many levels of symbolic links"));
  }
}

/// A batch of `actions` over a small task, its results in `results`.
std::string batch(const Scratch& scratch, const std::string& weights, const std::string& actions) {
  std::string data;
  for (int i = 0; i < 60; ++i) data += std::to_string(i % 3) + ",10,20,30\n";
  scratch.write("data.csv", data);
  scratch.write("net", "Identity, 3\nELU, 4\nSoftMax, 3\n");
  return "NetworkFile: net\nTrainFile: data.csv\nTestFile: data.csv\nLearningRate: 0.5\nLambda: 0\nPersistenceFile: " + weights +
         "\nResultFile: results\n" + actions;
}

TEST(OneBatch, WritesAResultFileAtATime) {
  const Scratch scratch, other;
  scratch.write("b1", batch(scratch, "w1", "Train: 100000\n"));
  scratch.write("b2", batch(scratch, "w2", "Train: 1\n"));
  const pid_t first = scratch.start({"batch", "b1", "--quiet"});
  wait_for(scratch / "results", first);
  // Run from elsewhere, so that its words are told apart; relative paths begin beside the batch file there.
  const Outcome second = other.soma({"batch", scratch / "b2", "--quiet"});
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.err, HasSubstr("results: wanted to be the only one who writes there, got process " + std::to_string(first)));
  EXPECT_EQ(lines(second.err), 1);
  ::kill(first, SIGINT);
  EXPECT_EQ(scratch.wait(first).status, 130);
  const std::ptrdiff_t before = lines(scratch.read("results"));
  EXPECT_EQ(scratch.soma({"batch", "b2", "--quiet"}).status, 0);
  EXPECT_EQ(lines(scratch.read("results")), before + 1);
  EXPECT_FALSE(std::filesystem::exists(scratch / "results.lock") || std::filesystem::exists(scratch / "w2.lock"));
}

// Killed behind its last line it is done, and says so by not training on; said again after a clean end, it trains on.
TEST(OneBatch, KilledAtItsVeryEndIsOver) {
  const Scratch scratch;
  scratch.write("b", batch(scratch, "w", "Train: 2\nTest: 1\n"));
  ASSERT_EQ(scratch.soma({"batch", "b", "--quiet"}).status, 0);
  EXPECT_EQ(lines(scratch.read("results")), 4);
  scratch.write("w.lock", "process 1 on host x (soma batch b)\n");  // as a kill leaves it
  ASSERT_EQ(scratch.soma({"batch", "b", "--quiet"}).status, 0);
  EXPECT_EQ(lines(scratch.read("results")), 4);
  ASSERT_EQ(scratch.soma({"batch", "b", "--quiet"}).status, 0);
  EXPECT_EQ(lines(scratch.read("results")), 7);
}

// One is killed between its persistence file and its line; the other adds lines of its own before the first goes on.
TEST(OneBatch, KeepsItsLineWhereAnotherSharesItsResults) {
  const Scratch scratch;
  scratch.write("b1", batch(scratch, "w1", "Train: 2\nTest: 1\n"));
  scratch.write("b2", batch(scratch, "w2", "Train: 1\n"));
  ASSERT_EQ(scratch.soma({"batch", "b1", "--quiet"}).status, 0);
  std::string text = scratch.read("results");
  const std::string last = text.substr(text.rfind("test;"));
  scratch.write("results", text.substr(0, text.size() - last.size()));
  ASSERT_EQ(scratch.soma({"batch", "b2", "--quiet"}).status, 0);
  EXPECT_EQ(scratch.read("results").find(last), std::string::npos);
  ASSERT_EQ(scratch.soma({"batch", "b1", "--quiet"}).status, 0);
  EXPECT_THAT(scratch.read("results"), EndsWith(last));
  EXPECT_EQ(lines(scratch.read("results")), 5);
}

}  // namespace
}  // namespace soma::test
