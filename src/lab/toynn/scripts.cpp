// a script of bench/toynn → its readings, where the language it is written in is on this machine.
#include "lab/toynn/scripts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <locale>
#include <sstream>

#include "core/file.h"
#include "lab/command.h"

namespace soma {
namespace {

std::string text_of(const ToyRows& rows) {
  std::string text;
  for (std::int64_t n = 0; n < rows.count; ++n) {
    for (std::int64_t i = 0; i < rows.features; ++i)
      text += fmt::format("{} ", static_cast<double>(rows.x[static_cast<std::size_t>(n * rows.features + i)]));
    text += fmt::format("{}\n", static_cast<double>(rows.target[static_cast<std::size_t>(n)]));
  }
  return text;
}

}  // namespace

Result<ScriptDirectory> ScriptDirectory::create(const ToyRows& rows) {
  auto place = ScratchDirectory::create("toynn");
  if (!place) return place.error();
  for (const Script& script : toynn_scripts())
    if (auto written = write_file(place->path() / script.name, script.text); !written) return written.error();
  if (auto written = write_file(place->path() / "rows", text_of(rows)); !written) return written.error();
  return ScriptDirectory(std::move(*place));
}

Result<std::string> ScriptDirectory::run(Language language, const ScriptJob& job) const {
  std::vector<std::string> command;
  if (language == Language::go) {
    const std::filesystem::path program = place_.path() / "toynn";
    if (!std::filesystem::exists(program))
      if (auto built = run_command({"go", "build", "-o", program.string(), (place_.path() / "toynn.go").string()}); !built)
        return built.error();
    command = {program.string()};
  } else {
    const char* name = language == Language::python_lists    ? "toynn_lists.py"
                       : language == Language::python_arrays ? "toynn_arrays.py"
                                                             : "toynn_numpy.py";
    if (language == Language::numpy)
      if (auto there = run_command({"python3", "-c", "import numpy"}); !there)
        return Error{Error::Kind::unavailable, "NumPy: wanted it for python3, found none; try apt-get install python3-numpy"};
    command = {"python3", (place_.path() / name).string()};
  }
  command.insert(command.end(), {(place_.path() / "rows").string(), fmt::format("{}", fmt::join(job.sizes, ",")),
                                 fmt::format("{}", fmt::join(job.batches, ",")), fmt::format("{}", job.budget),
                                 fmt::format("{}", job.cap), fmt::format("{}", job.rate)});
  return run_command(command);
}

Result<std::vector<ToyReading>> ScriptDirectory::measure(Language language, const ScriptJob& job) const {
  auto text = run(language, job);
  if (!text) return text.error();
  std::vector<ToyReading> readings;
  std::istringstream lines(*text);
  lines.imbue(std::locale::classic());
  ToyReading each;
  for (std::string what; lines >> what >> each.batch >> each.seconds >> each.rows;) {
    each.train = what == "train";
    if (each.rows > 0) readings.push_back(each);
  }
  return readings;
}

Result<std::vector<double>> ScriptDirectory::outputs(Language language, const ScriptJob& job) const {
  ScriptJob check = job;
  check.budget = 0;
  auto text = run(language, check);
  if (!text) return text.error();
  std::vector<double> values;
  std::istringstream lines(*text);
  lines.imbue(std::locale::classic());
  double value = 0;
  for (std::string what; lines >> what >> value;) values.push_back(value);
  return values;
}

}  // namespace soma
