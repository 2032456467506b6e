// a file replaced → the new bytes or, after any failure, the old ones; nothing left lying about.
#include "core/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
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

TEST_F(File, FollowsLinksAndKeepsTheModeOfWhatItReplaces) {
  write_file(directory / "real", "old").value();
  ASSERT_EQ(chmod((directory / "real").c_str(), 0640), 0);
  fs::create_symlink("real", directory / "link");
  fs::create_symlink("link", directory / "second");
  write_file(directory / "second", "new").value();
  EXPECT_TRUE(fs::is_symlink(directory / "second") && fs::is_symlink(directory / "link"));
  EXPECT_EQ(read_file(directory / "real").value(), "new");
  struct stat status {};
  ASSERT_EQ(stat((directory / "real").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777u, 0640u);
  fs::create_symlink("later", directory / "dangling");
  write_file(directory / "dangling", "made").value();
  EXPECT_EQ(read_file(directory / "later").value(), "made");
  fs::create_symlink("round", directory / "round");
  EXPECT_THAT(write_file(directory / "round", "x").error().message, HasSubstr("Too many levels of symbolic links"));
}

TEST_F(File, GivesNewFilesTheModeThatTheUserHasSet) {
  const mode_t before = umask(027);
  const auto written = write_file(directory / "f", "x");
  umask(before);
  ASSERT_TRUE(written.ok());
  struct stat status {};
  ASSERT_EQ(stat((directory / "f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777u, 0640u);
}

TEST_F(File, WritesIntoWhatIsNoFile) {
  ASSERT_EQ(mkfifo((directory / "pipe").c_str(), 0600), 0);
  const int reader = open((directory / "pipe").c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  write_file(directory / "pipe", "through").value();
  std::array<char, 16> buffer{};
  EXPECT_EQ(read(reader, buffer.data(), buffer.size()), 7);
  EXPECT_STREQ(buffer.data(), "through");
  close(reader);
  EXPECT_TRUE(fs::is_fifo(directory / "pipe"));
  EXPECT_THAT(write_file(directory / "pipe", "x").error().message, HasSubstr("pipe: cannot write: nobody reads from it"));
  write_file("/dev/null", "gone").value();
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_THAT(write_file("/dev/full", "x").error().message, HasSubstr("/dev/full: cannot write: No space left on device"));
  EXPECT_THAT(write_file(directory, "x").error().message, HasSubstr("cannot write: Is a directory"));
}

TEST_F(File, ClearsAwayWhatAKillLeftBehind) {
  for (const char* name : {".f.abc123", ".f.abcdef", "f", ".f", ".f.abc", ".f.abc1234", ".f.ABC123", ".g.abc123", "f.abc123"})
    write_file(directory / name, "x").value();
  remove_leftovers(directory / "f").value();
  EXPECT_FALSE(fs::exists(directory / ".f.abc123") || fs::exists(directory / ".f.abcdef"));
  EXPECT_EQ(entries(), 7);
  remove_leftovers(directory / "none" / "f").value();
}

}  // namespace
}  // namespace soma
