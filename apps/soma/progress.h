// the course of a run → a bar redrawn in place on a terminal, or one plain line per epoch.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

#include "soma/train.h"

namespace soma::app {

class ProgressDisplay {
 public:
  /// Writes to `stream`; nothing at all when `quiet`.
  ProgressDisplay(std::FILE* stream, bool quiet);

  void step(const Progress& progress);
  void epoch(const EpochRecord& record, std::int64_t epochs);

  /// Takes the bar off the terminal.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  std::FILE* stream_;
  bool bar_, quiet_, drawn_ = false;
  Clock::time_point next_{};
};

/// One line of at most `width` columns: a bar and as many of rate, loss, accuracy and time left as fit.
std::string progress_line(const Progress& progress, int width);

}  // namespace soma::app
