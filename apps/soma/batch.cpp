// soma batch: a batch file of the Go thesis → its epochs and tests, told line by line.
#include <fmt/format.h>

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
};

/// One plain line per unit, and on a terminal a line in between that is overwritten.
class BatchDisplay {
 public:
  BatchDisplay(const BatchFile& batch, std::FILE* stream, bool quiet)
      : batch_(batch), stream_(stream), quiet_(quiet), live_(!quiet && is_terminal(stream)) {}

  void note(std::string_view line) {
    if (quiet_) return;
    clear();
    fmt::print(stream_, "{}\n", line);
    std::fflush(stream_);
  }

  void progress(const BatchProgress& progress) {
    if (!live_) return;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::milliseconds(100);
    drawn_ = true;
    const double share = static_cast<double>(progress.lines) / static_cast<double>(progress.total);
    std::string line = fmt::format("{} of {}  {}  {:3.0f} %", progress.index + 1, progress.units,
                                   progress.unit->train ? "train" : "test", 100 * share);
    if (share > 0) line += fmt::format("  {} left of this pass", duration(progress.seconds * (1 - share) / share));
    fmt::print(stream_, "\r{}\033[K", line);
    std::fflush(stream_);
  }

  void result(const BatchUnit& unit, const BatchResult& r) {
    const BatchSettings& s = batch_.settings_of(unit);
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
    fmt::print(stream_, "\r\033[K");
  }

 private:
  const BatchFile& batch_;
  std::FILE* stream_;
  bool quiet_, live_, drawn_ = false;
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
  hooks.on_note = [&](std::string_view line) { display.note(line); };
  hooks.on_progress = [&](const BatchProgress& progress) { display.progress(progress); };
  hooks.on_result = [&](const BatchUnit& unit, const BatchResult& result) { display.result(unit, result); };
  const Result<BatchReport> report = run_batch(*file, hooks);
  display.clear();
  if (!report) return complain(report.error());
  if (report->interrupted) fmt::print(stderr, "interrupted; go on with: soma batch {}\n", options.file);
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
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--json", options->json, "Print one JSON object as the last line of stdout");
  command->add_flag("--quiet", options->quiet, "Say nothing but errors");
  command->callback([options, &action] { action = [options] { return batch(*options); }; });
}

}  // namespace soma::app
