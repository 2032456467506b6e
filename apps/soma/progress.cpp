// the course of a run → a bar redrawn in place on a terminal, or one plain line per epoch.
#include "progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "table.h"
#include "terminal.h"

namespace soma::app {
namespace {

constexpr std::chrono::milliseconds kRedraw(100);  // more often is not read, and a slow terminal would hold up training
constexpr int kShortestBar = 10, kLongestBar = 40;

std::string bar(double share, int width) {
  const auto halves = static_cast<int>(share * 2 * width);
  std::string text;
  for (int i = 0; i < width; ++i) text += 2 * i + 1 < halves ? "━" : 2 * i < halves ? "╸" : "─";
  return text;
}

/// Nothing where the task knows no right and wrong.
std::string accuracy(double fraction) { return std::isnan(fraction) ? "" : fmt::format("  accuracy {}", percent(fraction)); }

}  // namespace

std::string progress_line(const Progress& progress, int width) {
  const double done = progress.total > 0 ? static_cast<double>(progress.samples) / static_cast<double>(progress.total) : 0;
  const double rate = progress.seconds > 0 ? static_cast<double>(progress.samples) / progress.seconds : 0;
  const auto epochs_left = static_cast<double>(progress.epochs - progress.epoch);
  const double left = rate > 0 ? static_cast<double>(progress.total) * (1 - done + epochs_left) / rate : 0;

  std::string head = fmt::format("epoch {}/{} ", progress.epoch, progress.epochs);
  std::string tail = fmt::format(" {:3.0f} %", 100 * done);
  const std::array<std::string, 5> details = {
      fmt::format("  loss {:.4f}", progress.loss), accuracy(progress.accuracy), fmt::format("  {} left", duration(left)),
      fmt::format("  {}/s", grouped(static_cast<std::int64_t>(rate))), fmt::format("  rate {:.3g}", progress.rate)};
  const int fixed = display_width(head) + display_width(tail);
  int used = fixed + kShortestBar;
  for (const std::string& detail : details) {
    if (used + display_width(detail) > width) break;
    used += display_width(detail);
    tail += detail;
  }
  const int room = width - display_width(head) - display_width(tail);
  const std::string line = head + (room >= kShortestBar ? bar(done, std::min(room, kLongestBar)) : "") + tail;
  return fixed <= width ? line : line.substr(0, static_cast<std::size_t>(std::max(width, 0)));
}

ProgressDisplay::ProgressDisplay(std::FILE* stream, bool quiet)
    : stream_(stream), bar_(!quiet && is_terminal(stream)), quiet_(quiet) {}

void ProgressDisplay::step(const Progress& progress) {
  if (!bar_) return;
  const auto now = Clock::now();
  if (now < next_) return;
  next_ = now + kRedraw;
  drawn_ = true;
  show(stream_, fmt::format("\r{}\033[K", progress_line(progress, terminal_width(stream_) - 1)));
}

void ProgressDisplay::clear() {
  if (!drawn_) return;
  drawn_ = false;
  show(stream_, "\r\033[K");
}

void ProgressDisplay::epoch(const EpochRecord& record, std::int64_t epochs) {
  if (quiet_) return;
  clear();
  const auto digits = static_cast<int>(std::to_string(epochs).size());
  std::string line =
      fmt::format("epoch {:{}}/{}  loss {:.4f}{}", record.epoch, digits, epochs, record.loss, accuracy(record.accuracy));
  if (record.validation_loss) line += fmt::format("  validation {:.4f}", *record.validation_loss);
  if (record.validation_accuracy && !std::isnan(*record.validation_accuracy)) line += " " + percent(*record.validation_accuracy);
  show(stream_, fmt::format("{}  rate {:.3g}  {}\n", line, record.rate, duration(record.seconds)));
}

}  // namespace soma::app
