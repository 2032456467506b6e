// epochs of a run → the event file that TensorBoard reads, appended as they end.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <system_error>

#include "core/file.h"
#include "report/event.h"
#include "report/record.h"
#include "soma/report.h"

namespace soma {
namespace {

double wall_seconds() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::string host() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0' ? name.data() : "localhost";
}

}  // namespace

struct EventWriter::State {
  std::filesystem::path path;
  int file = -1;

  State(std::filesystem::path name, int descriptor) : path(std::move(name)), file(descriptor) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { ::close(file); }

  [[nodiscard]] Result<void> append(const report::EventMessage& event) const {
    const std::string bytes = report::record(event.bytes());
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t wrote = ::write(file, bytes.data() + done, bytes.size() - done);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0)
        return Error{Error::Kind::io, fmt::format("{}: cannot write: {}; try --out on another disk", path.string(),
                                                  std::generic_category().message(errno))};
      done += static_cast<std::size_t>(wrote);
    }
    return {};
  }
};

EventWriter::EventWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
EventWriter::EventWriter(EventWriter&&) noexcept = default;
EventWriter& EventWriter::operator=(EventWriter&&) noexcept = default;
EventWriter::~EventWriter() = default;

Result<EventWriter> EventWriter::create(const std::filesystem::path& directory, std::int64_t epochs_done) {
  if (auto made = make_directory(directory); !made) return made.error();
  // TensorBoard reads the files of a directory in the order of their names.
  const auto name =
      fmt::format("events.out.tfevents.{:010}.{}.{}", static_cast<std::int64_t>(wall_seconds()), host(), ::getpid());
  const std::filesystem::path path = directory / name;
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0)
    return Error{Error::Kind::io, fmt::format("{}: cannot create: {}", path.string(), std::generic_category().message(errno))};
  EventWriter writer(std::make_unique<State>(path, file));
  report::EventMessage first(wall_seconds(), 0);
  first.version();
  if (auto written = writer.state_->append(first); !written) return written.error();
  report::EventMessage start(wall_seconds(), epochs_done + 1);
  start.starts_again();
  if (auto written = writer.state_->append(start); !written) return written.error();
  return writer;
}

Result<void> EventWriter::epoch(const EpochRecord& record) {
  report::EventMessage event(wall_seconds(), record.epoch);
  event.scalar("loss/train", record.loss);
  if (!std::isnan(record.accuracy)) event.scalar("accuracy/train", record.accuracy);
  if (record.validation_loss) event.scalar("loss/validation", *record.validation_loss);
  if (record.validation_accuracy && !std::isnan(*record.validation_accuracy))
    event.scalar("accuracy/validation", *record.validation_accuracy);
  event.scalar("rate", record.rate);
  event.scalar("seconds", record.seconds);
  return state_->append(event);
}

Result<void> EventWriter::histograms(std::int64_t epoch, std::span<const Tensor> weights, std::span<const Tensor> gradients) {
  report::EventMessage event(wall_seconds(), epoch);
  for (const Tensor& tensor : weights) event.histogram("weights/" + tensor.name, report::spread_of(tensor.values));
  for (const Tensor& tensor : gradients) event.histogram("gradients/" + tensor.name, report::spread_of(tensor.values));
  return state_->append(event);
}

Result<void> EventWriter::test(std::int64_t epoch, const Evaluation& evaluation) {
  report::EventMessage event(wall_seconds(), epoch);
  event.scalar("loss/test", evaluation.loss);
  for (const Metric& metric : evaluation.metrics) event.scalar(metric.name + "/test", metric.value);
  return state_->append(event);
}

}  // namespace soma
