// a file replaced → the new bytes or, after any failure, the old ones; nothing left lying about.
#include "core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

namespace soma {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class File : public testing::Test {
 protected:
  void SetUp() override {
    directory = fs::path(testing::TempDir()) /
                ("soma_file_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(directory);
    fs::create_directories(directory);
  }
  [[nodiscard]] std::ptrdiff_t entries() const {
    return std::distance(fs::directory_iterator(directory), fs::directory_iterator());
  }
  fs::path directory;
};

TEST_F(File, ReadsBackWhatWasWritten) {
  const std::string bytes("a\0b\xff", 4);
  write_file(directory / "f", bytes).value();
  EXPECT_EQ(read_file(directory / "f").value(), bytes);
  write_file(directory / "f", "").value();
  EXPECT_EQ(read_file(directory / "f").value(), "");
  EXPECT_EQ(entries(), 1);
  struct stat status {};
  ASSERT_EQ(stat((directory / "f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0600u, 0600u);
  EXPECT_EQ(status.st_mode & 0111u, 0u);
}

TEST_F(File, KeepsTheOldFileWhenTheDiskIsFull) {
  write_file(directory / "f", "old").value();
  struct rlimit before {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = before;
  small.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto written = write_file(directory / "f", std::string(100000, 'x'));
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, Error::Kind::io);
  EXPECT_THAT(written.error().message, HasSubstr("f: cannot write: File too large"));
  EXPECT_EQ(read_file(directory / "f").value(), "old");
  EXPECT_EQ(entries(), 1);
}

TEST_F(File, NamesFileAndReason) {
  EXPECT_THAT(read_file(directory / "none").error().message, HasSubstr("none: cannot open: No such file or directory"));
  EXPECT_THAT(read_file(directory).error().message, HasSubstr("cannot read: Is a directory"));
  EXPECT_THAT(write_file(directory / "no" / "f", "x").error().message, HasSubstr("f: cannot write: No such file or directory"));
  write_file(directory / "f", "12345").value();
  EXPECT_THAT(read_file(directory / "f", 4).error().message, HasSubstr("more than 4 bytes"));
  EXPECT_THAT(make_directory(directory / "f").error().message, HasSubstr("f: cannot make the directory"));
}

TEST_F(File, MakesDirectoriesWithTheirParents) {
  make_directory(directory / "a" / "b").value();
  make_directory(directory / "a" / "b").value();
  EXPECT_TRUE(fs::is_directory(directory / "a" / "b"));
}

}  // namespace
}  // namespace soma
