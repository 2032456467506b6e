// pieces of work → seconds: readings interleaved so that a slow moment of the machine meets all alike, medians with their spread.
#include "lab/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace soma {
namespace {

double seconds_of(const std::function<void()>& work, std::int64_t calls) {
  const auto start = std::chrono::steady_clock::now();
  for (std::int64_t i = 0; i < calls; ++i) {
    work();
    clobber();
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Calls that fill a slice, found by doubling.
std::int64_t calls_for(const std::function<void()>& work, double slice) {
  for (std::int64_t calls = 1;; calls *= 2) {
    const double seconds = seconds_of(work, calls);
    if (seconds >= slice / 4) return std::max<std::int64_t>(1, std::llround(static_cast<double>(calls) * slice / seconds));
  }
}

// Threads that slept, or are new, get a core each only after milliseconds: two on one core would be measured as one.
constexpr double kSettle = 0.02;

}  // namespace

Effort effort_for(const LabOptions& options) { return options.quick ? Effort{0.002, 7} : Effort{0.01, 21}; }

Reading summarize(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    const double place = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
  };
  return {at(0.5), at(0.25), at(0.75), 1};
}

std::vector<Reading> measure_interleaved(const std::vector<std::function<void()>>& work, const Effort& effort) {
  std::vector<std::int64_t> calls;
  for (const auto& each : work) {
    each();
    seconds_of(each, calls_for(each, kSettle));
    calls.push_back(calls_for(each, effort.slice));
  }
  std::vector<std::vector<double>> seconds(work.size());
  for (int round = 0; round < effort.rounds; ++round)
    for (std::size_t i = 0; i < work.size(); ++i)
      seconds[i].push_back(seconds_of(work[i], calls[i]) / static_cast<double>(calls[i]));
  std::vector<Reading> readings;
  for (std::size_t i = 0; i < work.size(); ++i) {
    readings.push_back(summarize(std::move(seconds[i])));
    readings.back().calls = calls[i];
  }
  return readings;
}

Reading measure(const std::function<void()>& work, const Effort& effort) { return measure_interleaved({work}, effort).front(); }

}  // namespace soma
