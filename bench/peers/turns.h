// contenders → seconds: readings in turns, each of them after the threads of the one before have gone to sleep.
#pragma once

#include <functional>
#include <vector>

namespace soma::bench {

struct Effort {
  int rounds = 15;
  double slice = 0.02;  ///< seconds a reading lasts, at least
};

/// Seconds of one call, [contender][round]. In each round every piece of work has its turn: an untimed slice, then one that
/// counts.
std::vector<std::vector<double>> seconds_in_turns(const std::vector<std::function<void()>>& work, const Effort& effort);

/// Returns once no thread of this process has run for two milliseconds: teams spin for a while after their work is done, and
/// on a machine with as many threads as cores they would do it at the next one's expense.
void wait_until_quiet();

}  // namespace soma::bench
