// Dataset → what it is known by: a run goes on with the data it began with, or not at all.
#include <fmt/format.h>

#include <array>
#include <cstring>

#include "soma/dataset.h"

namespace soma {
namespace {

/// Words of 8 bytes, multiplied and folded. Not safe against malice; files that changed are told apart.
class Hash {
 public:
  template <class T>
  void add(const std::vector<T>& values) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
    std::size_t left = values.size() * sizeof(T);
    word(left);
    for (; left >= 8; left -= 8, bytes += 8) {
      std::uint64_t x = 0;
      std::memcpy(&x, bytes, 8);
      word(x);
    }
    std::uint64_t x = 0;
    if (left > 0) std::memcpy(&x, bytes, left);
    word(x);
  }
  [[nodiscard]] std::uint64_t value() const { return state_; }

 private:
  void word(std::uint64_t x) {
    state_ = (state_ ^ x) * 0x9e3779b97f4a7c15U;
    state_ ^= state_ >> 29;
  }
  std::uint64_t state_ = 0x736f6d61;
};

}  // namespace

DataFingerprint fingerprint(const Dataset& dataset) {
  Hash hash;
  hash.add(dataset.bytes);
  hash.add(dataset.floats);
  hash.add(dataset.labels);
  hash.add(dataset.targets);
  hash.add(dataset.weights);
  std::vector<std::string_view> columns;
  for (const Column& column : dataset.columns) columns.push_back(column.name);
  const auto& names = dataset.class_names.empty() ? dataset.target_names : dataset.class_names;
  return {fmt::format("{} samples", dataset.count), to_string(dataset.shape),
          fmt::format("{}: {}; columns: {}", dataset.label_name.empty() ? "label" : dataset.label_name, fmt::join(names, ", "),
                      fmt::join(columns, ", ")),
          fmt::format("{:016x}", hash.value())};
}

}  // namespace soma
