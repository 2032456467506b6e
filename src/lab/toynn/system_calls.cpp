// a piece of work → how many system calls this process makes in it, every second.
#include "lab/toynn/system_calls.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "lab/command.h"

namespace soma {
namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Whether a tracer holds every thread.
bool all_traced() {
  std::error_code failed;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", failed)) {
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("TracerPid:") && std::stol(line.substr(10)) == 0) return false;
  }
  return !failed;
}

/// "100.00    0.000123           1       142        12 total" → 142; no such line = 0 calls.
double total_of(const std::filesystem::path& summary) {
  std::ifstream lines(summary);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string share, seconds, each;
    double calls = 0;
    if (line.ends_with(" total") && words >> share >> seconds >> each >> calls) return calls;
  }
  return 0;
}

struct Count {
  double calls = 0, seconds = 0;
};

Result<Count> count_calls(const std::function<void()>& work, double seconds) {
  std::error_code failed;  // then the file is one in the working directory, or mkstemp says no
  std::string summary = (std::filesystem::temp_directory_path(failed) / "soma-calls-XXXXXX").string();
  const int file = mkstemp(summary.data());
  if (file < 0) return Error{Error::Kind::io, "system calls: wanted a temporary file, got none; try setting TMPDIR"};
  close(file);
  auto tracer = start_command({"strace", "-c", "-f", "-o", summary, "-p", std::to_string(getpid())});
  if (!tracer) {
    std::filesystem::remove(summary, failed);
    return tracer.error();
  }
  prctl(PR_SET_PTRACER, *tracer, 0, 0, 0);
  int status = 0;
  bool gone = false;
  const auto asked = Clock::now();
  while (!all_traced() && since(asked) < 5 && !gone) {
    gone = waitpid(*tracer, &status, WNOHANG) == *tracer;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const bool traced = !gone && all_traced();
  Count count;
  if (traced) {
    const auto start = Clock::now();
    do work();
    while ((count.seconds = since(start)) < seconds);
  }
  if (!gone) {
    kill(*tracer, SIGINT);
    while (waitpid(*tracer, &status, 0) < 0 && errno == EINTR) {
    }
  }
  count.calls = total_of(summary);
  std::filesystem::remove(summary, failed);
  if (!traced)
    return Error{Error::Kind::unavailable, "system calls: wanted strace to trace this process, it may not; try as root"};
  return count;
}

}  // namespace

Result<double> system_calls_per_second(const std::function<void()>& work, double seconds) {
  work();
  auto nothing = count_calls([] {}, 0);
  if (!nothing) return nothing.error();
  auto some = count_calls(work, seconds);
  if (!some) return some.error();
  return std::max(0.0, some->calls - nothing->calls) / some->seconds;
}

}  // namespace soma
