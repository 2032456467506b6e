// a script of bench/toynn → its readings, where the language it is written in is on this machine.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "lab/scratch_directory.h"
#include "lab/toynn/platform.h"

namespace soma {

struct Script {
  std::string_view name, text;
};
/// Those of bench/toynn, compiled into the program.
std::span<const Script> toynn_scripts();

/// A platform in another language.
enum class Language { python_lists, python_arrays, numpy, go };

/// Seconds that a batch size took over so many rows.
struct ToyReading {
  bool train = false;
  std::int64_t batch = 0;
  double seconds = 0;
  std::int64_t rows = 0;
};

/// One run of a script. The networks start from weights that each language can work out for itself (first_weight in toynn.py).
struct ScriptJob {
  std::vector<std::int64_t> sizes, batches;
  double budget = 0.1;  ///< seconds of a reading, at the least
  double cap = 10;      ///< batches expected to take longer are left out
  double rate = 0.005;
};

/// The scripts in a directory of their own, removed at the end, beside the rows they work on.
class ScriptDirectory {
 public:
  [[nodiscard]] static Result<ScriptDirectory> create(const ToyRows& rows);

  /// Fails as unavailable where the language is not there.
  [[nodiscard]] Result<std::vector<ToyReading>> measure(Language language, const ScriptJob& job) const;
  /// What the network says of each row after one sweep in batches of the first size.
  [[nodiscard]] Result<std::vector<double>> outputs(Language language, const ScriptJob& job) const;

 private:
  explicit ScriptDirectory(ScratchDirectory place) : place_(std::move(place)) {}
  [[nodiscard]] Result<std::string> run(Language language, const ScriptJob& job) const;

  ScratchDirectory place_;
};

}  // namespace soma
