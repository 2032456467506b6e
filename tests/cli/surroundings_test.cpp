// odd surroundings (closed or full streams, signals, limits, devices) → the work done, or one line, and never half of either.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include "cli/program.h"

namespace soma::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Arguments = std::vector<std::string>;

Arguments run(const Arguments& more, const std::string& epochs = "2") {
  Arguments arguments = {"train", "mnist-mlp", "--data", "digits:train", "--set", "data.count=300", "--epochs", epochs};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::vector<std::string> hidden_files(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    if (const std::string name = entry.path().filename(); name.starts_with(".") || name == "lock") names.push_back(name);
  return names;
}

TEST(Surroundings, ClosedStreamsAreNobodyElsesFiles) {
  const Scratch scratch;
  ASSERT_EQ(scratch.soma(run({"--out", "open", "--threads", "1"})).status, 0);
  for (const auto& [name, closed] :
       std::vector<std::pair<std::string, std::vector<int>>>{{"in", {0}}, {"out", {1}}, {"all", {0, 1, 2}}}) {
    EXPECT_EQ(scratch.soma(run({"--out", name, "--threads", "1"}), {.closed = closed}).status, 0);
    EXPECT_TRUE(scratch.read(name + "/model.onnx") == scratch.read("open/model.onnx"));
    for (const auto& entry : std::filesystem::directory_iterator(scratch / name))
      EXPECT_EQ(scratch.read(name + "/" + entry.path().filename().string()).find("epoch 1/2"), std::string::npos) << entry.path();
  }
}

TEST(Surroundings, AFullDiskBehindStdoutIsTold) {
  const Scratch scratch;
  ASSERT_EQ(scratch.soma(run({"--out", "m", "--quiet"})).status, 0);
  for (const Arguments& words :
       {Arguments{"version"}, Arguments{"info", "m/model.onnx"}, Arguments{"data", "list"}, Arguments{"lab", "list"},
        Arguments{"verify", "m"}, Arguments{"--help"}, Arguments{"eval", "m/model.onnx", "--data", "digits:test"},
        Arguments{"export", "m/model.onnx", "--to", "onnx"}, run({"--out", "n"})}) {
    const Outcome outcome = scratch.soma(words, {.out = "/dev/full"});
    EXPECT_EQ(outcome.status, 1) << words[0];
    EXPECT_THAT(outcome.err, StartsWith("soma: ")) << words[0];
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
  EXPECT_TRUE(scratch.read("n/model.onnx") == scratch.read("m/model.onnx")) << "words that nobody hears stop no work";
}

TEST(Surroundings, AFileThatMayNotGrowIsOneLine) {
  const Scratch scratch;
  const Outcome outcome = scratch.soma(run({"--out", "m", "--quiet"}), {.file_limit = 300 * 1024});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err, "soma: m/checkpoint.safetensors: cannot write: File too large\n");
  EXPECT_THAT(hidden_files(scratch / "m"), ::testing::IsEmpty());
}

TEST(Surroundings, ATerminalThatClosesStopsARunWithItsCheckpoint) {
  const Scratch scratch;
  for (const bool ignored : {false, true}) {
    const std::string out = ignored ? "nohup" : "plain";
    const pid_t child = scratch.start(run({"--out", out}, ignored ? "400" : "100000"), {.ignores_hangup = ignored});
    while (!std::filesystem::exists(scratch / (out + "/checkpoint.safetensors")) && ::kill(child, 0) == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ::kill(child, SIGHUP);
    if (ignored) ::kill(child, SIGTERM);  // it went on, so this is the first it hears of
    const Outcome outcome = scratch.wait(child);
    EXPECT_EQ(outcome.status, 130);
    EXPECT_THAT(outcome.err, HasSubstr("Go on with: soma train --resume " + out));
    EXPECT_THAT(hidden_files(scratch / out), ::testing::IsEmpty());
    EXPECT_EQ(scratch.soma({"verify", out}).status, 0);
  }
}

TEST(Surroundings, WhatIsNoFileIsWrittenToAndStays) {
  const Scratch scratch;
  ASSERT_EQ(scratch.soma(run({"--out", "m", "--quiet"})).status, 0);
  ASSERT_EQ(::mkfifo((scratch / "pipe").c_str(), 0600), 0);
  const int reader = ::open((scratch / "pipe").c_str(), O_RDWR);
  ASSERT_GE(reader, 0);
  std::filesystem::create_symlink("m/model.onnx", scratch / "link");
  const pid_t child = scratch.start({"export", "m/model.onnx", "--to", "onnx", "-o", "pipe"});
  std::string got(std::filesystem::file_size(scratch / "m/model.onnx"), '\0');
  for (std::size_t done = 0; done < got.size();) {
    const ssize_t some = ::read(reader, got.data() + done, got.size() - done);
    if (some <= 0) break;
    done += static_cast<std::size_t>(some);
  }
  EXPECT_EQ(scratch.wait(child).status, 0);
  ::close(reader);
  EXPECT_TRUE(got == scratch.read("m/model.onnx"));
  EXPECT_TRUE(std::filesystem::is_fifo(scratch / "pipe"));
  EXPECT_EQ(scratch.soma({"export", "m/model.onnx", "--to", "onnx", "-o", "/dev/null"}).status, 0);
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  EXPECT_EQ(scratch.soma({"export", "m/model.onnx", "--to", "onnx", "-o", "link"}).status, 0);
  EXPECT_TRUE(std::filesystem::is_symlink(scratch / "link"));
}

TEST(Surroundings, ThreadsBeyondReasonAreOneLine) {
  const Scratch scratch;
  const Outcome many = scratch.soma(run({"--threads", "100000", "--out", "m"}));
  EXPECT_EQ(many.status, 2);
  EXPECT_EQ(many.err, "soma: train.threads: wanted at most 4096, got 100000\n");
}

TEST(Surroundings, AnyBatchCostsNoMoreThanTheData) {
  const Scratch scratch;
  const Outcome outcome = scratch.soma(run({"--batch", "999999999", "--out", "m", "--quiet"}));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
}

TEST(Verify, SaysWhetherFilesAreWhatSomaWrote) {
  const Scratch scratch;
  ASSERT_EQ(scratch.soma(run({"--out", "m", "--quiet"})).status, 0);
  const Outcome whole = scratch.soma({"verify", "m"});
  EXPECT_EQ(whole.status, 0);
  EXPECT_EQ(whole.out, "m/model.onnx: as soma wrote it\nm/checkpoint.safetensors: as soma wrote it\n");
  const Outcome again = scratch.soma({"verify", "m", "--retrain"});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("m/model.onnx: trained again, the same bits\n"));

  std::string model = scratch.read("m/model.onnx"), checkpoint = scratch.read("m/checkpoint.safetensors");
  model[model.size() / 2] = static_cast<char>(model[model.size() / 2] ^ 4);
  checkpoint.back() = static_cast<char>(checkpoint.back() ^ 4);
  scratch.write("m/model.onnx", model);
  scratch.write("m/checkpoint.safetensors", checkpoint);
  for (const Arguments& words :
       {Arguments{"info", "m/model.onnx"}, Arguments{"eval", "m/model.onnx", "--data", "digits:test"},
        Arguments{"predict", "m/model.onnx", "m/history.csv"}, Arguments{"export", "m/model.onnx", "--to", "onnx"},
        Arguments{"serve", "m/model.onnx", "--listen", "127.0.0.1:0"}, Arguments{"verify", "m"},
        Arguments{"train", "--resume", "m", "--epochs", "3"}}) {
    const Outcome outcome = scratch.soma(words);
    EXPECT_EQ(outcome.status, 1) << words[0];
    EXPECT_THAT(outcome.err, HasSubstr("changed since soma wrote it")) << words[0];
    EXPECT_THAT(outcome.err, HasSubstr("--trust-changed")) << words[0];
  }
  EXPECT_EQ(scratch.soma({"info", "m/model.onnx", "--trust-changed"}).status, 0);
  EXPECT_EQ(scratch.soma({"train", "--resume", "m", "--epochs", "3", "--trust-changed", "--quiet"}).status, 0);
  EXPECT_EQ(scratch.soma({"verify", "m"}).status, 0) << "what was written anew is whole again";
  const Outcome other = scratch.soma({"verify", "m", "--retrain"});
  EXPECT_EQ(other.status, 1);
  EXPECT_THAT(other.err, HasSubstr("wanted the bits that training again"));
}

}  // namespace
}  // namespace soma::test
