// a training run, watched by strace → the system calls of its warm steps: none, but for threads that wait for each other.
#include <gmock/gmock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "soma/train.h"

namespace soma {
namespace {

namespace fs = std::filesystem;

// What strace shows of a call that nobody else here makes.
constexpr const char* kMark = "getpgid(";
void mark() { ::syscall(SYS_getpgid, 0); }

// Run by the test below in a process of its own.
TEST(DISABLED_WarmStep, BetweenTwoMarks) {
  Config config = preset("mnist-cnn").value();
  config.data.train = "digits";
  config.data.test = "digits:test";
  config.data.limit = 640;
  config.train.threads = std::atoi(std::getenv("SOMA_TEST_THREADS"));
  const RunData data = load_run_data(config).value();
  Trainer trainer = Trainer::create(config, data).value();
  trainer.step().value();
  mark();
  for (int step = 0; step < 5; ++step) trainer.step().value();
  mark();
}

/// The lines between the two marks, process numbers taken off.
std::vector<std::string> calls_between_marks(const fs::path& log) {
  std::ifstream lines(log);
  std::vector<std::string> calls;
  int marks = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string call = line.substr(line.find_first_not_of("0123456789 "));
    if (call.starts_with(kMark))
      ++marks;
    else if (marks == 1 && !call.starts_with("<... getpgid"))  // the end of a mark that another thread's call came between
      calls.push_back(call);
  }
  EXPECT_EQ(marks, 2) << "strace saw no whole run";
  return calls;
}

std::vector<std::string> calls_of_warm_steps(int threads) {
  const fs::path log = fs::path(testing::TempDir()) / ("warm-step-" + std::to_string(::getpid()) + "-" + std::to_string(threads));
  const std::string command = "SOMA_TEST_THREADS=" + std::to_string(threads) + " strace -f -o '" + log.string() + "' '" +
                              fs::read_symlink("/proc/self/exe").string() +
                              "' --gtest_also_run_disabled_tests --gtest_filter=DISABLED_WarmStep.* >/dev/null 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  const auto calls = calls_between_marks(log);
  fs::remove(log);
  return calls;
}

class WarmStep : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("strace -o /dev/null true >/dev/null 2>&1") != 0)
      GTEST_SKIP() << "wanted strace and leave to trace, got none";
  }
};

TEST_F(WarmStep, OfOneThreadMakesNoSystemCall) { EXPECT_THAT(calls_of_warm_steps(1), testing::IsEmpty()); }

TEST_F(WarmStep, OfTwoThreadsMakesNoneButToWait) {
  using testing::StartsWith;
  EXPECT_THAT(calls_of_warm_steps(2), testing::Each(testing::AnyOf(StartsWith("sched_yield("), StartsWith("futex("),
                                                                   StartsWith("<... futex"), StartsWith("<... sched_yield"))));
}

}  // namespace
}  // namespace soma
