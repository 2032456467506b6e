// a run going on → TensorBoard events in its directory.
#include "event_log.h"

#include <algorithm>

namespace soma::app {

void EventLog::note(const Result<void>& result) {
  if (!result && !error_) error_ = result.error();
}

void EventLog::epoch(const EpochRecord& record) {
  if (error_) return;
  if (!writer_) {
    Result<EventWriter> made = EventWriter::create(directory_, record.epoch - 1);
    if (!made) {
      error_ = made.error();
      return;
    }
    writer_ = std::move(*made);
  }
  note(writer_->epoch(record));
  if (Clock::now() >= next_) histograms(record.epoch);
}

void EventLog::histograms(std::int64_t epoch) {
  const auto start = Clock::now();
  note(writer_->histograms(epoch, trainer_->parameters(), trainer_->gradients()));
  const auto end = Clock::now();
  next_ = end + std::max<Clock::duration>(std::chrono::seconds(1), 20 * (end - start));
  spread_at_ = epoch;
}

Result<void> EventLog::finish(const TrainReport& report, const std::optional<Evaluation>& test) {
  if (writer_ && !error_ && !report.history.empty()) {
    const std::int64_t last = report.history.back().epoch;
    if (spread_at_ != last) histograms(last);
    if (test) note(writer_->test(last, *test));
  }
  if (error_) return *error_;
  return {};
}

}  // namespace soma::app
