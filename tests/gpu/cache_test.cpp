// pipelines kept for the next run → one file of this driver's, written as a whole; whatever else lies there is not shown to it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "core/file.h"
#include "core/sha256.h"
#include "gpu/judge.h"

namespace soma::gpu {
namespace {

using testing::StartsWith;

class PipelineCache : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(directory_);
    ::setenv("XDG_CACHE_HOME", directory_.c_str(), 1);
  }
  void TearDown() override {
    ::setenv("XDG_CACHE_HOME", kept_.c_str(), 1);
    std::filesystem::remove_all(directory_);
  }

  /// Opens a GPU, has it make pipelines, and lets it go.
  static void train() {
    auto device = Device::open("gpu:0").value();
    EXPECT_TRUE(judge(device, trials().front()).value().sound());
  }
  [[nodiscard]] std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> all;
    for (const auto& each : std::filesystem::directory_iterator(directory_ / "soma")) all.push_back(each.path());
    return all;
  }

  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string kept_ = std::getenv("XDG_CACHE_HOME") != nullptr ? std::getenv("XDG_CACHE_HOME") : "";
};

TEST_F(PipelineCache, IsOneFileReplacedAsAWhole) {
  for (int run = 0; run < 2; ++run) {
    train();
    ASSERT_EQ(files().size(), 1);  // no temporary one is left
    EXPECT_THAT(files().front().filename().string(), StartsWith("pipelines-"));
  }
}

TEST_F(PipelineCache, ThatIsBrokenOrSomebodyElsesIsNotShownToTheDriver) {
  train();
  ASSERT_EQ(files().size(), 1);
  const std::filesystem::path file = files().front();
  const std::string whole = read_file(file).value();
  ASSERT_GE(whole.size(), kSha256Digits + 32);
  std::string other = whole.substr(kSha256Digits);  // another driver's, and whole
  other[16] = static_cast<char>(other[16] ^ 1);
  std::string flipped = whole;
  flipped.back() = static_cast<char>(flipped.back() ^ 1);
  for (const std::string& bytes : {std::string(), whole.substr(0, 70), flipped, sha256(""), sha256(other) + other}) {
    write_file(file, bytes).value();
    train();
    EXPECT_EQ(read_file(file).value().substr(kSha256Digits, 32), whole.substr(kSha256Digits, 32)) << bytes.size();
  }
}

TEST_F(PipelineCache, CannotBeWrittenAndTrainingGoesOn) {
  write_file(directory_, "a file where a directory should be").value();
  train();
}

}  // namespace
}  // namespace soma::gpu
