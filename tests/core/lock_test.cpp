// a lock → one owner at a time, known by name; freed when its owner goes, however it goes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "core/file.h"
#include "soma/file.h"

namespace soma {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

class OneWriter : public testing::Test {
 protected:
  void SetUp() override {
    directory = fs::path(testing::TempDir()) / fs::path("soma_lock_" + std::to_string(::getpid()));
    fs::remove_all(directory);
    fs::create_directories(directory);
  }
  void TearDown() override { fs::remove_all(directory); }
  [[nodiscard]] fs::path file() const { return directory / "lock"; }
  fs::path directory;
};

TEST_F(OneWriter, IsToldWhoElseIsThere) {
  {
    const auto first = Lock::take(file(), "out/x");
    ASSERT_TRUE(first.ok()) << first.error().message;
    EXPECT_FALSE(first->inherited());
    EXPECT_EQ(first->warning(), "");
    EXPECT_THAT(read_file(file()).value(), StartsWith("process " + std::to_string(::getpid()) + " on host "));
    const auto second = Lock::take(file(), "out/x");
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().kind, Error::Kind::unavailable);
    EXPECT_THAT(second.error().message, StartsWith("out/x: wanted to be the only one who writes there, got process " +
                                                   std::to_string(::getpid()) + " on host "));
    EXPECT_TRUE(is_there(file()).value()) << "who was refused removes nothing";
  }
  EXPECT_FALSE(is_there(file()).value());
  EXPECT_TRUE(Lock::take(file(), "out/x").ok());
}

TEST_F(OneWriter, InheritsFromTheKilled) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = Lock::take(file(), "x");
    while (lock.ok()) ::pause();
    ::_exit(1);
  }
  for (auto text = read_file(file()); !text || text->empty(); text = read_file(file())) ::usleep(1000);
  EXPECT_FALSE(Lock::take(file(), "x").ok());
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  ASSERT_TRUE(is_there(file()).value());
  const auto lock = Lock::take(file(), "x");
  ASSERT_TRUE(lock.ok()) << lock.error().message;
  EXPECT_TRUE(lock->inherited());
}

TEST_F(OneWriter, HandsItselfOn) {
  auto first = Lock::take(file(), "x");
  ASSERT_TRUE(first.ok());
  {
    const Lock second = std::move(*first);
    EXPECT_FALSE(Lock::take(file(), "x").ok());
  }
  EXPECT_FALSE(is_there(file()).value());
}

TEST_F(OneWriter, SaysWhyItCannotLock) {
  EXPECT_THAT(Lock::take(directory / "none" / "lock", "x").error().message, HasSubstr("lock: cannot lock: No such file"));
}

TEST_F(OneWriter, KnowsThreeAnswersToWhetherAFileIsThere) {
  EXPECT_FALSE(is_there(directory / "none").value());
  EXPECT_FALSE(is_there(directory / "none" / "deeper").value());
  EXPECT_TRUE(is_folder(directory).value());
  EXPECT_FALSE(is_file(directory).value());
  fs::create_symlink("loop", directory / "loop");  // the one thing that no user, not even root, can look behind
  for (const auto& look : {is_there, is_file, is_folder}) {
    const auto answer = look(directory / "loop");
    ASSERT_FALSE(answer.ok());
    EXPECT_THAT(answer.error().message, HasSubstr("loop: cannot look at: Too many levels of symbolic links"));
  }
}

}  // namespace
}  // namespace soma
