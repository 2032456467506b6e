// soma lab: an experiment's name → its tables on the terminal, and its report in a directory.
#include "soma/lab.h"

#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>

#include "allocations.h"
#include "command.h"
#include "interrupt.h"
#include "soma/device.h"
#include "soma/file.h"
#include "soma/report.h"
#include "table.h"
#include "terminal.h"

namespace soma::app {
namespace {

struct Options {
  std::string experiment, out;
  int threads = 0;
  bool quick = false, json = false;
};

int list_experiments() {
  std::vector<Row> rows;
  for (const ExperimentInfo& each : experiments()) rows.push_back({each.name, each.summary});
  print_table(stdout, {"experiment", "question"}, rows, "ll");
  return done;
}

std::string words_of(const LabCell& cell, int decimals) {
  if (const auto* number = std::get_if<double>(&cell)) return fmt::format("{:.{}f}", *number, decimals);
  if (const auto* words = std::get_if<std::string>(&cell)) return *words;
  return "–";
}

void print_lab_table(const LabTable& table) {
  Row head;
  std::string align;
  for (const LabColumn& column : table.columns)
    head.push_back(column.unit.empty() ? column.name : column.name + " " + column.unit);
  for (std::size_t c = 0; c < head.size(); ++c) {
    bool words = false;
    for (const auto& row : table.rows) words = words || std::holds_alternative<std::string>(row[c]);
    align += words ? 'l' : 'r';
  }
  std::vector<Row> rows;
  for (const auto& cells : table.rows) {
    Row& row = rows.emplace_back();
    for (std::size_t c = 0; c < cells.size(); ++c) row.push_back(words_of(cells[c], table.columns[c].decimals));
  }
  fmt::print("\n{}\n", bold(table.title, stdout));
  print_table(stdout, head, rows, align);
}

void print_report(const LabReport& report) {
  fmt::print("{}\n{}, {}, {} thread{}, {}{}\n", bold(report.question, stdout), report.machine, report.target, report.threads,
             report.threads == 1 ? "" : "s", report.compiler, report.quick ? ", quick" : "");
  for (const LabTable& table : report.tables) print_lab_table(table);
  if (!report.verdicts.empty()) fmt::print("\n");
  for (const LabVerdict& verdict : report.verdicts)
    fmt::print("{} {}\n", !verdict.judged ? "·" : verdict.holds ? "✓" : "✗", verdict.text);
  if (!report.notes.empty()) fmt::print("\n");
  for (const std::string& note : report.notes) fmt::print("{}\n", note);
}

/// Thrown where an experiment says what it does next, so that its processes and temporary files go as they came.
struct Interrupted {};

int run_lab(const Options& options) {
  const std::atomic<bool>* stop = catch_interrupts();
  std::optional<Lock> lock;  // before anything is measured: a report that cannot be written is not worth the wait
  if (!options.out.empty()) {
    if (const auto made = make_directory(options.out); !made) return complain(made.error());
    Result<Lock> taken = Lock::take(std::filesystem::path(options.out) / "lock", options.out);
    if (!taken) return complain(taken.error());
    if (!taken->warning().empty()) show(stderr, fmt::format("soma: {}\n", taken->warning()));
    lock.emplace(std::move(*taken));
  }
  LabOptions lab;
  lab.quick = options.quick;
  lab.threads = options.threads;
  std::error_code unknown;  // then experiments that start the program say that they cannot
  lab.program = std::filesystem::read_symlink("/proc/self/exe", unknown).string();
  lab.count_allocations = count_allocations;
  const bool watched = is_terminal(stderr);
  lab.progress = [watched, stop](std::string_view line) {
    if (stop->load()) throw Interrupted();
    if (watched) show(stderr, fmt::format("\r\x1b[2K{}", line));
  };
  Result<LabReport> report = Error{};
  try {
    report = run_experiment(options.experiment, lab);
  } catch (const Interrupted&) {
    show(stderr, "\ninterrupted; nothing was written\n");
    return interrupted;
  }
  if (watched) show(stderr, "\r\x1b[2K");
  if (!report) return complain(report.error());
  if (!options.json) print_report(*report);
  if (!options.out.empty()) {
    if (const auto written = write_lab_report(*report, options.out); !written) return complain(written.error());
    const std::filesystem::path page = std::filesystem::path(options.out) / "report.html";
    if (const auto written = write_lab_page(*report, page); !written) return complain(written.error());
    if (!options.json) fmt::print("\nwritten to {}; look at {}\n", options.out, page.string());
  }
  if (options.json) fmt::print("{}\n", to_json(*report));
  return done;
}

}  // namespace

void add_lab(CLI::App& program, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("lab", "Measure this machine and what soma makes of it");
  command->require_subcommand(1);
  command->add_subcommand("list", "Show the experiments")->callback([&action] { action = list_experiments; });
  CLI::App* run = command->add_subcommand("run", "Run an experiment");
  run->add_option("EXPERIMENT", options->experiment, "One that soma lab list shows")->required();
  run->add_option("--out", options->out, "Write report.html, report.json and CSV files there")->type_name("DIR");
  run->add_option("--threads", options->threads, "Threads; 0 = all cores")->type_name("N")->check(CLI::Range(0, kMostThreads));
  run->add_flag("--quick", options->quick, "Fewer readings and smaller work: under a minute");
  run->add_flag("--json", options->json, "Print the report as one JSON object");
  run->callback([options, &action] { action = [options] { return run_lab(*options); }; });
}

}  // namespace soma::app
