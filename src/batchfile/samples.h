// CSV or a data set's name → the numbers of a data file as the thesis reads it: target columns, and inputs without their zeros.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "soma/error.h"

namespace soma {

/// The lines of a data file. Inputs that are 0 are left out: input column[k] of line i is value[k], start[i] ≤ k < start[i + 1].
struct Samples {
  std::int64_t count = 0, inputs = 0, targets = 0;
  std::vector<std::int64_t> start = {0};
  std::vector<std::int32_t> column;
  std::vector<double> value;
  std::vector<double> target;           ///< [count, targets]
  std::vector<std::int64_t> file_line;  ///< where each came from
};

/// Commas between numbers, one line a sample; columns [target_start, target_end) are targets, those behind are inputs, those
/// before are not used. A first line that begins with a word is a header. Errors name file, line and column.
[[nodiscard]] Result<Samples> parse_samples(std::string_view text, std::string_view origin, std::int64_t target_start,
                                            std::int64_t target_end);

/// A CSV file, or what load_dataset knows by name ("mnist:train"): its bytes as inputs, its label as the one target.
[[nodiscard]] Result<Samples> read_samples(const std::string& source, std::int64_t target_start, std::int64_t target_end);

}  // namespace soma
