// a test → a directory of its own with small batch, network and data files in it.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "core/random.h"
#include "soma/batchfile.h"

namespace soma::test {

class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "soma-batch-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] bool has(const std::string& name) const { return std::filesystem::exists(path_ / name); }

  void write(const std::string& name, std::string_view text) const { std::ofstream(path_ / name, std::ios::binary) << text; }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(path_ / name, std::ios::binary).rdbuf();
    return text.str();
  }

 private:
  std::filesystem::path path_;
};

/// `count` lines "class, 8 inputs", three classes that a small network can tell apart; half of the inputs are 0.
inline std::string flower_lines(int count, std::uint64_t seed) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    const int label = i % 3;
    text += fmt::format("{}", label);
    for (int j = 0; j < 8; ++j) {
      const auto at = static_cast<std::uint64_t>(8 * i + j);
      const double noise = random_unit(seed, stream(Stream::test), at);
      const bool lit = j % 3 == label ? noise > 0.1 : noise > 0.85;
      text += fmt::format(",{}", lit ? static_cast<int>(255 * random_unit(seed, stream(Stream::test, 1), at)) : 0);
    }
    text += '\n';
  }
  return text;
}

/// train.csv, test.csv and net in the directory.
inline void write_small_task(const Scratch& scratch) {
  scratch.write("net", "Identity, 8\nELU, 12\nSoftMax, 3\n");
  scratch.write("train.csv", flower_lines(300, 1));
  scratch.write("test.csv", flower_lines(90, 2));
}

inline constexpr std::string_view kSmallSettings =
    "NetworkFile: net\nTrainFile: train.csv\nTestFile: test.csv\nLearningRate: 0.8\nLambda: 0.0000001\nMinWeight: -0.1\n"
    "MaxWeight: 0.1\nWorkerBatch: 10\n";

}  // namespace soma::test
