// a run going on → TensorBoard events in its directory.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>

#include "soma/report.h"

namespace soma::app {

/// Writes losses after every epoch, and how weights and gradients are spread so seldom that it never costs a run more than a
/// twentieth of its time. Errors wait for finish(): training goes on without events.
class EventLog {
 public:
  /// Borrows the trainer. The file is made with the first epoch.
  EventLog(std::filesystem::path directory, const Trainer& trainer) : directory_(std::move(directory)), trainer_(&trainer) {}

  void epoch(const EpochRecord& record);
  [[nodiscard]] Result<void> finish(const TrainReport& report, const std::optional<Evaluation>& test);

 private:
  using Clock = std::chrono::steady_clock;
  void note(const Result<void>& result);
  void histograms(std::int64_t epoch);

  std::filesystem::path directory_;
  const Trainer* trainer_;
  std::optional<EventWriter> writer_;
  std::optional<Error> error_;
  std::int64_t spread_at_ = 0;  // epoch of the last histograms
  Clock::time_point next_{};
};

}  // namespace soma::app
