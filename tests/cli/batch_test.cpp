// a batch run killed again and again → the result file and the weights of one that never was.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <regex>
#include <thread>

#include "cli/program.h"
#include "core/random.h"

namespace soma::test {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kUnits = 18;

/// Lines "class, 8 inputs" of three classes.
std::string lines(int count, std::uint64_t seed) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += std::to_string(i % 3);
    for (int j = 0; j < 8; ++j) {
      const double u = random_unit(seed, stream(Stream::test), static_cast<std::uint64_t>(8 * i + j));
      text += fmt::format(",{}", j % 3 == i % 3 || u > 0.8 ? static_cast<int>(255 * u) : 0);
    }
    text += '\n';
  }
  return text;
}

void write_task(const Scratch& scratch, const std::string& settings) {
  scratch.write("net", "Identity, 8\nELU, 12\nSoftMax, 3\n");
  scratch.write("train.csv", lines(300, 1));
  scratch.write("test.csv", lines(90, 2));
  std::string text =
      "NetworkFile: net\nTrainFile: train.csv\nTestFile: test.csv\nLearningRate: 0.8\nLambda: 0.0000001\n"
      "MinWeight: -0.1\nMaxWeight: 0.1\nWorkerBatch: 10\nPersistenceFile: weights\nResultFile: results\n" +
      settings;
  for (int i = 0; i < kUnits / 3; ++i) text += "Train: 2\nTest: 1\n";
  scratch.write("batch", text);
}

/// The result file without its times; every line of it whole.
std::string results(const Scratch& scratch) {
  const std::string text = scratch.read("results");
  EXPECT_THAT(text, EndsWith("\n"));
  EXPECT_THAT(text, StartsWith("Mode;CPUs;"));
  std::string line;
  for (const char c : text) {
    if (c != '\n') {
      line += c;
      continue;
    }
    EXPECT_EQ(std::count(line.begin(), line.end(), ';'), 14) << line;
    line.clear();
  }
  return std::regex_replace(text, std::regex("(;0\\.8000000000);[0-9.]+;[0-9.]+;([0-9]+);[0-9.]+;"), "$1;s;s;$2;s;");
}

/// The numbers of a safetensors file: what lies behind its header.
std::string numbers(const Scratch& scratch) {
  const std::string file = scratch.read("weights");
  std::uint64_t header = 0;
  if (file.size() < sizeof header) return {};
  std::memcpy(&header, file.data(), sizeof header);
  return file.substr(std::min<std::size_t>(file.size(), sizeof header + header));
}

class Killed : public ::testing::TestWithParam<std::string> {};

TEST_P(Killed, BatchGoesOnBehindTheLastFinishedUnit) {
  const Scratch whole, cut;
  write_task(whole, GetParam());
  write_task(cut, GetParam());
  const Outcome outcome = whole.soma({"batch", "batch", "--quiet"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;

  int kills = 0;
  std::size_t done = 0;
  for (std::uint64_t start = 0;; ++start) {
    const pid_t child = cut.start({"batch", "batch", "--quiet"});
    // Up to 5 ms longer each time: from before it has read anything to behind its end, however slow the machine.
    const double most = 5 * static_cast<double>(start);
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(most * random_unit(3, stream(Stream::test), start)));
    ::kill(child, SIGKILL);
    const Outcome end = cut.wait(child);
    const bool there = std::filesystem::exists(cut / "results");
    const std::string text = there ? results(cut) : "";
    EXPECT_GE(text.size(), done) << "a line is gone";
    done = text.size();
    if (end.status != 0) {
      ASSERT_EQ(end.status, 128 + SIGKILL) << end.err;
      ++kills;
    }
    if (std::count(text.begin(), text.end(), '\n') == kUnits + 1) break;
  }
  EXPECT_GT(kills, 1);
  EXPECT_EQ(results(cut), results(whole));
  EXPECT_EQ(numbers(cut), numbers(whole));
  EXPECT_FALSE(numbers(whole).empty());
}

TEST(Batch, SaysAsMuchAsItsLogLevel) {
  const auto said = [](const std::string& level) {
    const Scratch scratch;
    write_task(scratch, "LogLevel: " + level + "\n");
    const Outcome outcome = scratch.soma({"batch", "batch"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.out;
  };
  EXPECT_EQ(said("Error"), "");
  const std::string info = said("Info"), debug = said("Debug");
  EXPECT_THAT(info, HasSubstr("epoch 12"));
  EXPECT_EQ(info.find("lines a second"), std::string::npos);
  EXPECT_THAT(debug, HasSubstr("  line 12 of batch: 1 worker of 10 lines each, made in "));
}

INSTANTIATE_TEST_SUITE_P(Batch, Killed, ::testing::Values("", "Parallel: 3\n"));

}  // namespace
}  // namespace soma::test
