// soma batch: a batch file of the Go thesis → its epochs and tests, told line by line.
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "interrupt.h"
#include "soma/batchfile.h"
#include "soma/device.h"
#include "table.h"
#include "terminal.h"

namespace soma::app {
namespace {

struct Options {
  std::string file;
  int threads = 0;
  bool json = false, quiet = false;
  Changed changed = Changed::refuse;
};

/// One plain line per unit, and on a terminal a line in between that is overwritten.
class BatchDisplay {
 public:
  BatchDisplay(const BatchFile& batch, std::FILE* stream, bool quiet)
      : batch_(batch),
        stream_(stream),
        quiet_(quiet),
        live_(!quiet && is_terminal(stream)),
        level_(batch.settings_of(batch.units.front()).log_level) {}

  void note(std::string_view line) {
    if (quiet_ || level_ == Level::error) return;
    clear();
    show(stream_, fmt::format("{}\n", line));
  }

  void progress(const BatchProgress& progress) {
    level_ = batch_.settings_of(*progress.unit).log_level;
    if (!live_ || level_ == Level::error) return;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::milliseconds(100);
    drawn_ = true;
    const double share = static_cast<double>(progress.lines) / static_cast<double>(progress.total);
    std::string line = fmt::format("{} of {}  {}  {:3.0f} %", progress.index + 1, progress.units,
                                   progress.unit->train ? "train" : "test", 100 * share);
    if (share > 0) {
      const double left = progress.seconds * (1 - share) / share;
      line += fmt::format("  {} left of this pass", duration(left));
      if (const double rest = left_behind(progress); rest > 0) line += fmt::format(", about {} in all", duration(left + rest));
    }
    show(stream_, fmt::format("\r{}\033[K", line));
  }

  void result(const BatchUnit& unit, const BatchResult& r) {
    const BatchSettings& s = batch_.settings_of(unit);
    level_ = s.log_level;
    pass_[unit.train ? 1 : 0] = r.seconds;
    if (level_ == Level::debug)
      note(fmt::format("  line {} of {}: {} worker{} of {} lines each, made in {:.2f} ms; {:.0f} lines a second", unit.line,
                       batch_.path.string(), r.parallel, r.parallel == 1 ? "" : "s", r.worker_batch, 1e3 * r.setup_seconds,
                       static_cast<double>(r.lines) / r.seconds));
    if (r.train)
      note(fmt::format("epoch {:<3} {} lines in {}  ({} in all)", r.epoch, grouped(r.lines), duration(r.seconds),
                       duration(r.total_seconds)));
    else
      note(fmt::format("  test    {} of {} right: {}  error {:.3f}  {}", grouped(r.correct), grouped(r.correct + r.incorrect),
                       percent(static_cast<double>(r.correct) / static_cast<double>(r.correct + r.incorrect)), r.error_rate,
                       s.test_file));
  }

  void clear() {
    if (!drawn_) return;
    drawn_ = false;
    show(stream_, "\r\033[K");
  }

 private:
  using Level = BatchSettings::LogLevel;

  /// Seconds of the units behind the one under way, each taken to last as long as the last of its kind; 0 = cannot be told.
  [[nodiscard]] double left_behind(const BatchProgress& progress) const {
    double seconds = 0;
    for (auto i = static_cast<std::size_t>(progress.index) + 1; i < batch_.units.size(); ++i) {
      const double pass = pass_[batch_.units[i].train ? 1 : 0];
      if (pass == 0) return 0;
      seconds += pass;
    }
    return seconds;
  }

  const BatchFile& batch_;
  std::FILE* stream_;
  bool quiet_, live_, drawn_ = false;
  Level level_ = Level::info;        // of the unit that was last heard of
  std::array<double, 2> pass_ = {};  // seconds of the last test and the last epoch
  std::chrono::steady_clock::time_point next_;
};

nlohmann::ordered_json as_json(const BatchReport& report) {
  nlohmann::ordered_json json;
  json["results"] = nlohmann::ordered_json::array();
  for (const BatchResult& r : report.results) {
    nlohmann::ordered_json line = {{"mode", r.train ? "train" : "test"},
                                   {"epoch", r.epoch},
                                   {"parallel", r.parallel},
                                   {"lines", r.lines},
                                   {"seconds", r.seconds},
                                   {"total_seconds", r.total_seconds}};
    if (!r.train) {
      line["correct"] = r.correct;
      line["incorrect"] = r.incorrect;
      line["error_rate"] = r.error_rate;
    }
    json["results"].push_back(std::move(line));
  }
  json["skipped"] = report.skipped;
  json["interrupted"] = report.interrupted;
  return json;
}

int batch(const Options& options) {
  const std::atomic<bool>* stop = catch_interrupts();
  if (const auto usable = target(); !usable) return complain(usable.error());
  const Result<BatchFile> file = load_batch(options.file);
  if (!file) return complain(file.error());
  BatchDisplay display(*file, options.json ? stderr : stdout, options.quiet);
  BatchHooks hooks;
  hooks.stop = stop;
  hooks.threads = options.threads;
  hooks.changed = options.changed;
  hooks.on_note = [&](std::string_view line) { display.note(line); };
  hooks.on_progress = [&](const BatchProgress& progress) { display.progress(progress); };
  hooks.on_result = [&](const BatchUnit& unit, const BatchResult& result) { display.result(unit, result); };
  const Result<BatchReport> report = run_batch(*file, hooks);
  display.clear();
  if (!report) return complain(report.error());
  if (report->interrupted) show(stderr, fmt::format("interrupted; go on with: soma batch {}\n", options.file));
  if (options.json) fmt::print("{}\n", as_json(*report).dump());
  return report->interrupted ? interrupted : done;
}

}  // namespace

void add_batch(CLI::App& program, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("batch", "Run a batch file: one epoch or test after the other, as its lines say");
  command->add_option("BATCHFILE", options->file, "Lines of 'Key: value'; docs/batch.md has them")->required();
  command
      ->add_option("--threads", options->threads, "Threads; 0 = one per worker, at most one per core. Does not change the result")
      ->type_name("N")
      ->check(CLI::Range(0, kMostThreads));
  add_trust(*command, options->changed);
  command->add_flag("--json", options->json, "Print one JSON object as the last line of stdout");
  command->add_flag("--quiet", options->quiet, "Say nothing but errors");
  command->callback([options, &action] { action = [options] { return batch(*options); }; });
}

}  // namespace soma::app
