// CSV or a data set's name → the numbers of a data file as the thesis reads it: target columns, and inputs without their zeros.
#include "batchfile/samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "core/file.h"
#include "core/text.h"
#include "soma/dataset.h"
#include "soma/file.h"

namespace soma {
namespace {

/// A number at `p`, which moves behind it: short whole numbers by hand (images hold nothing else), the rest by the library.
bool read_number(const char*& p, const char* end, double& number) {
  while (p < end && (*p == ' ' || *p == '\t')) ++p;
  const char* q = p;
  int small = 0;
  while (q < end && q < p + 8 && *q >= '0' && *q <= '9') small = 10 * small + (*q++ - '0');
  if (q > p && (q == end || *q == ',' || *q == '\n')) {
    number = small;
    p = q;
    return true;
  }
  if (p < end && *p == '+') ++p;
  const auto [stop, failure] = std::from_chars(p, end, number);
  if (failure != std::errc() || !std::isfinite(number)) return false;
  p = stop;
  while (p < end && (*p == ' ' || *p == '\t' || *p == '\r')) ++p;
  return p == end || *p == ',' || *p == '\n';
}

class Reader {
 public:
  Reader(std::string_view text, std::string_view origin, std::int64_t first, std::int64_t last)
      : text_(text), origin_(origin), target_start_(first), target_end_(last) {
    samples_.targets = last - first;
  }

  Result<Samples> read() {
    std::size_t at = text_.starts_with("\xef\xbb\xbf") ? 3 : 0;
    for (std::int64_t line = 1; at < text_.size(); ++line) {
      const std::size_t stop = std::min(text_.find('\n', at), text_.size());
      const std::string_view text = text_.substr(at, stop - at);
      at = stop + 1;
      if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      if (line == 1 && is_header(text)) continue;
      if (auto taken = take(text, line); !taken) return taken.error();
    }
    if (samples_.count == 0) return Error{Error::Kind::data, fmt::format("{}: wanted lines of numbers, got none", origin_)};
    return std::move(samples_);
  }

 private:
  static bool is_header(std::string_view line) {
    const std::size_t first = line.find_first_not_of(" \t\"");
    const char c = first == std::string_view::npos ? '0' : line[first];
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  }

  Result<void> take(std::string_view text, std::int64_t line) {
    const char* p = text.data();
    const char* const end = p + text.size();
    std::int64_t column = 0;
    for (;; ++column) {
      const char* const cell = p;
      double number = 0;
      if (!read_number(p, end, number)) {
        const char* const stop = std::find(cell, end, ',');
        return error(line, fmt::format("column {}: wanted a number, got '{}'", column,
                                       one_line({cell, static_cast<std::size_t>(stop - cell)}, 40)));
      }
      if (column >= target_end_) {
        if (number != 0) {
          samples_.column.push_back(static_cast<std::int32_t>(column - target_end_));
          samples_.value.push_back(number);
        }
      } else if (column >= target_start_) {
        samples_.target.push_back(number);
      }
      if (p == end) break;
      ++p;  // the comma
    }
    const std::int64_t inputs = column + 1 - target_end_;
    if (inputs < 1)
      return error(line, fmt::format("wanted inputs behind target columns {} to {}, got {} columns", target_start_,
                                     target_end_ - 1, column + 1));
    if (samples_.count > 0 && inputs != samples_.inputs)
      return error(line,
                   fmt::format("wanted {} columns as in the lines before, got {}", samples_.inputs + target_end_, column + 1));
    samples_.inputs = inputs;
    ++samples_.count;
    samples_.start.push_back(static_cast<std::int64_t>(samples_.column.size()));
    samples_.file_line.push_back(line);
    return {};
  }

  Error error(std::int64_t line, std::string_view what) const {
    return {Error::Kind::data, fmt::format("{}:{}: {}", origin_, line, what)};
  }

  std::string_view text_, origin_;
  std::int64_t target_start_, target_end_;
  Samples samples_;
};

Samples from_dataset(const Dataset& data) {
  std::vector<float> sample(static_cast<std::size_t>(data.sample_size()));
  Samples samples;
  samples.count = data.count;
  samples.inputs = data.sample_size();
  samples.targets = 1;
  for (std::int64_t i = 0; i < data.count; ++i) {
    samples.target.push_back(data.labels[static_cast<std::size_t>(i)]);
    samples.file_line.push_back(i + 1);
    data.copy_floats(i, sample.data());
    for (std::int64_t j = 0; j < samples.inputs; ++j) {
      const auto value = static_cast<double>(sample[static_cast<std::size_t>(j)]);
      if (value == 0) continue;
      samples.column.push_back(static_cast<std::int32_t>(j));
      samples.value.push_back(value);
    }
    samples.start.push_back(static_cast<std::int64_t>(samples.column.size()));
  }
  return samples;
}

}  // namespace

Result<Samples> parse_samples(std::string_view text, std::string_view origin, std::int64_t target_start,
                              std::int64_t target_end) {
  SOMA_REQUIRE(target_start >= 0 && target_start < target_end);
  return Reader(text, origin, target_start, target_end).read();
}

Result<Samples> read_samples(const std::string& source, std::int64_t target_start, std::int64_t target_end) {
  const std::string name = source.substr(0, source.find(':'));
  const auto there = is_there(source);
  if (!there) return there.error();
  for (const KnownDataset& known : known_datasets())
    if (known.name == name && !*there) {
      auto data = load_dataset(source);
      if (!data) return data.error();
      return from_dataset(*data);
    }
  auto text = read_file(source);
  if (!text) return text.error();
  return parse_samples(*text, source, target_start, target_end);
}

}  // namespace soma
