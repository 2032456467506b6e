// an experiment's name → LabReport: what was measured on this machine, beside what others have published, as plain data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "soma/error.h"

namespace soma {

/// Nothing (an experiment that does not apply to a row), a number in the unit of its column, or words.
using LabCell = std::variant<std::monostate, double, std::string>;

struct LabColumn {
  std::string name;
  std::string unit;  ///< "" for words and plain counts
  int decimals = 2;  ///< how a number is printed; files keep all digits
};

struct LabTable {
  std::string title;
  std::vector<LabColumn> columns;
  std::vector<std::vector<LabCell>> rows;  ///< each as long as `columns`
};

/// Bars: one group per category, y of each series per category. Lines: y over x. A NaN is a gap.
struct LabChart {
  enum class Kind { bars, lines };
  struct Series {
    std::string name;
    bool published = false;  ///< somebody else's figure: drawn apart from what was measured here
    std::vector<double> x;   ///< lines only
    std::vector<double> y;
  };
  Kind kind = Kind::bars;
  std::string title, x_label, y_label;
  std::vector<std::string> categories;  ///< bars only
  std::vector<Series> series;
  bool log_x = false, log_y = false;
};

/// One line of judgement: a claim (a published row, a limit) and whether this run bears it out.
struct LabVerdict {
  bool holds = false;
  std::string text;
  bool judged = true;  ///< false: this run could not tell (a part that is not here, a quick run), and `holds` means nothing
};

struct LabReport {
  std::string experiment, question;       ///< "gemm", "How near does … come to …?"
  std::string machine, target, compiler;  ///< "AMD EPYC, 2 cores", "avx512", "g++ 12.2.0"
  std::string started;                    ///< UTC, ISO 8601
  int threads = 0;                        ///< the most threads that were used
  bool quick = false;                     ///< a short run: figures to look at, not to publish
  double seconds = 0;                     ///< the whole run
  std::vector<LabTable> tables;
  std::vector<LabChart> charts;
  std::vector<LabVerdict> verdicts;
  std::vector<std::string> notes;  ///< how it was measured, what was left out and why
};

struct LabOptions {
  bool quick = false;                                   ///< under a minute, with fewer readings and smaller work
  int threads = 0;                                      ///< 0 = all cores
  std::string program = {};                             ///< path of the soma program, for experiments with processes of their own
  std::function<void(std::string_view)> progress = {};  ///< a line about what is being measured now
  /// Runs the work and says how often the process asked for memory in it. A library cannot count that; empty: nobody does.
  std::function<std::int64_t(const std::function<void()>& work)> count_allocations = {};
};

struct ExperimentInfo {
  std::string name, summary;
};

/// Every experiment of this build, in the order to read them.
std::vector<ExperimentInfo> experiments();

/// Runs one. An unknown name is an error with the nearest known one. Nothing else should run on the machine meanwhile.
[[nodiscard]] Result<LabReport> run_experiment(std::string_view name, const LabOptions& options = {});

/// Writes `directory`/report.json (the whole report) and one CSV file per table, named after its title.
[[nodiscard]] Result<void> write_lab_report(const LabReport& report, const std::filesystem::path& directory);

/// The whole report as one JSON object in one line.
std::string to_json(const LabReport& report);

}  // namespace soma
