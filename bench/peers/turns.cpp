// contenders → seconds: readings in turns, each of them after the threads of the one before have gone to sleep.
#include "turns.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <thread>

namespace soma::bench {
namespace {

double seconds_of(const std::function<void()>& work, std::int64_t calls) {
  const auto start = std::chrono::steady_clock::now();
  for (std::int64_t i = 0; i < calls; ++i) work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Calls that fill a slice, found by doubling.
std::int64_t calls_for(const std::function<void()>& work, double slice) {
  for (std::int64_t calls = 1;; calls *= 2) {
    const double seconds = seconds_of(work, calls);
    if (seconds >= slice / 4) return std::max<std::int64_t>(1, std::llround(static_cast<double>(calls) * slice / seconds));
  }
}

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace

void wait_until_quiet() {
  for (int tries = 0; tries < 100; ++tries) {
    const double before = processor_seconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (processor_seconds() - before < 0.0002) return;
  }
}

std::vector<std::vector<double>> seconds_in_turns(const std::vector<std::function<void()>>& work, const Effort& effort) {
  std::vector<std::int64_t> calls;
  for (const auto& each : work) {
    wait_until_quiet();
    each();
    calls.push_back(calls_for(each, effort.slice));
  }
  std::vector<std::vector<double>> seconds(work.size());
  for (int round = 0; round < effort.rounds; ++round)
    for (std::size_t i = 0; i < work.size(); ++i) {
      wait_until_quiet();
      seconds_of(work[i], calls[i]);  // after a sleep the system takes milliseconds to give each thread a core of its own
      seconds[i].push_back(seconds_of(work[i], calls[i]) / static_cast<double>(calls[i]));
    }
  return seconds;
}

}  // namespace soma::bench
