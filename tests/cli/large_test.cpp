// files three times the memory a run may take → trained on, measured and described all the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "cli/program.h"

namespace soma::test {
namespace {

constexpr std::int64_t kSamples = 384'000, kPixels = 28 * 28;  // 301 MB
constexpr long kMemory = 100'000'000;

std::string big_endian(std::uint32_t x) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(x >> shift & 0xff);
  return bytes;
}

std::string npy_head(const std::string& type, const std::string& shape) {
  const std::string words = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + shape + "), }\n";
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(words.size()) + '\0' + words;
}

/// Pictures of noise whose first rows say which of two classes they are.
void write_pictures(const std::filesystem::path& file, const std::string& head, std::int64_t count = kSamples) {
  std::ofstream out(file, std::ios::binary);
  out << head;
  std::string picture(kPixels, '\0');
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::size_t p = 0; p < 56; ++p) picture[p] = static_cast<char>(i % 2 == 0 ? 200 : 20);
    picture[100 + static_cast<std::size_t>(i % 600)] = static_cast<char>(i % 251);
    out << picture;
  }
}

std::string labels(const std::string& head, std::size_t size, std::int64_t count = kSamples) {
  std::string bytes = head;
  for (std::int64_t i = 0; i < count; ++i) {
    bytes += static_cast<char>(i % 2);
    bytes.append(size - 1, '\0');
  }
  return bytes;
}

class Large : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "sanitizers take more memory than the limit; other builds run this";
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
    GTEST_SKIP() << "sanitizers take more memory than the limit; other builds run this";
#endif
#endif
    scratch_.write("large.toml", R"(
name = "large"
preprocess = [{ kind = "divide", by = 255 }]
[network]
layers = [{ type = "flatten" }, { type = "linear", out = 8 }, { type = "relu" }, { type = "linear", out = "classes" }]
[train]
epochs = 1
batch = 500
threads = 2
)");
  }

  void expect_trained(const std::string& source) const {
    Setting little;
    little.data_limit = kMemory;
    const Outcome trained = scratch_.soma({"train", "large.toml", "--data", source, "--out", "run"}, little);
    ASSERT_EQ(trained.status, 0) << trained.err;
    EXPECT_THAT(trained.out, testing::HasSubstr("384,000 rows"));
    EXPECT_THAT(trained.out, testing::ContainsRegex("test accuracy (100.00|99)"));
    const Outcome judged = scratch_.soma({"eval", "run"}, little);
    EXPECT_EQ(judged.status, 0) << judged.err;
    EXPECT_THAT(judged.out, testing::ContainsRegex("accuracy (100.00|99)"));
    scratch_.write("one.npy", npy_head("|u1", "28, 28") + std::string(56, '\xc8') + std::string(kPixels - 56, '\0'));
    const Outcome answered = scratch_.soma({"predict", "run/model.onnx", "one.npy", "--json"}, little);
    EXPECT_THAT(answered.out, testing::HasSubstr("\"class\":\"0\"")) << answered.err;
    const Outcome told = scratch_.soma({"data", "info", source}, little);
    EXPECT_EQ(told.status, 0) << told.err;
  }

  Scratch scratch_;
};

TEST_F(Large, AnIdxFileOf300MegabytesTakesLessThan100) {
  write_pictures(scratch_ / "x-images-idx3-ubyte",
                 std::string("\0\0\x08\x03", 4) + big_endian(kSamples) + big_endian(28) + big_endian(28));
  scratch_.write("x-labels-idx1-ubyte", labels(std::string("\0\0\x08\x01", 4) + big_endian(kSamples), 1));
  expect_trained("x-images-idx3-ubyte");
}

TEST_F(Large, AnNpyFileOf300MegabytesTakesLessThan100) {
  write_pictures(scratch_ / "x.npy", npy_head("|u1", "384000, 28, 28"));
  scratch_.write("x.labels.npy", labels(npy_head("<i8", "384000,"), 8));
  expect_trained("x.npy");
}

/// A run on a file of 70 MB that goes on until its file is no longer what it was.
class Changing : public Large {
 protected:
  void SetUp() override {
    Large::SetUp();
    if (IsSkipped()) return;
    write_pictures(scratch_ / "x-images-idx3-ubyte",
                   std::string("\0\0\x08\x03", 4) + big_endian(kFew) + big_endian(28) + big_endian(28), kFew);
    scratch_.write("x-labels-idx1-ubyte", labels(std::string("\0\0\x08\x01", 4) + big_endian(kFew), 1, kFew));
    run_ =
        scratch_.start({"train", "large.toml", "--data", "x-images-idx3-ubyte", "--out", "run", "--epochs", "100000", "--quiet"});
    while (!std::filesystem::exists(scratch_ / "run/checkpoint.safetensors") && ::kill(run_, 0) == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  void expect_ended(const std::string& said) const {
    const Outcome ended = scratch_.wait(run_);
    EXPECT_EQ(ended.status, 1);
    EXPECT_THAT(ended.err, testing::AllOf(testing::StartsWith("soma: "), testing::HasSubstr(said)));
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    EXPECT_FALSE(std::filesystem::exists(scratch_ / "run/model.onnx"));
  }

  static constexpr std::int64_t kFew = 90'000;
  pid_t run_ = 0;
};

TEST_F(Changing, AFileWrittenToEndsTheRun) {
  std::fstream file(scratch_ / "x-images-idx3-ubyte", std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(5000) << "other pixels";
  file.close();
  expect_ended("x-images-idx3-ubyte: wanted a file that stays as it is while it is read, got one written to");
}

TEST_F(Changing, AFileCutShortEndsTheRunWithALine) {
  std::filesystem::resize_file(scratch_ / "x-images-idx3-ubyte", 4096);
  expect_ended("try again when it is whole");
}

}  // namespace
}  // namespace soma::test
