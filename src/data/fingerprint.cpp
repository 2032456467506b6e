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
    begin(values.size() * sizeof(T));
    feed(values.data(), values.size() * sizeof(T));
    end();
  }

  /// The same in pieces: as many bytes as `begin` says, fed one piece after the other.
  void begin(std::size_t bytes) { word(bytes); }
  void feed(const void* piece, std::size_t size) {
    const auto* bytes = static_cast<const unsigned char*>(piece);
    for (; size > 0 && held_ > 0; --size) hold(*bytes++);
    for (; size >= 8; size -= 8, bytes += 8) {
      std::uint64_t x = 0;
      std::memcpy(&x, bytes, 8);
      word(x);
    }
    for (; size > 0; --size) hold(*bytes++);
  }
  void end() {
    word(waiting_);
    waiting_ = 0;
    held_ = 0;
  }
  [[nodiscard]] std::uint64_t value() const { return state_; }

 private:
  void hold(unsigned char byte) {
    waiting_ |= std::uint64_t{byte} << 8 * held_;
    if (++held_ < 8) return;
    word(waiting_);
    waiting_ = 0;
    held_ = 0;
  }
  void word(std::uint64_t x) {
    state_ = (state_ ^ x) * 0x9e3779b97f4a7c15U;
    state_ ^= state_ >> 29;
  }
  std::uint64_t state_ = 0x736f6d61;
  std::uint64_t waiting_ = 0;  // bytes that are no whole word yet
  unsigned held_ = 0;
};

/// As if all samples were in memory.
void add_mapped(Hash& hash, const Dataset& dataset) {
  const auto size = static_cast<std::size_t>(dataset.sample_size()), count = static_cast<std::size_t>(dataset.count);
  std::vector<float> sample(size);
  const bool bytes = dataset.has_bytes();
  hash.begin(bytes ? count * size : 0);
  for (std::int64_t i = 0; bytes && i < dataset.count; ++i) hash.feed(dataset.bytes_at(i), size);
  hash.end();
  hash.begin(bytes ? 0 : count * size * sizeof(float));
  for (std::int64_t i = 0; !bytes && i < dataset.count; ++i) {
    dataset.copy_floats(i, sample.data());
    hash.feed(sample.data(), size * sizeof(float));
  }
  hash.end();
}

}  // namespace

DataFingerprint fingerprint(const Dataset& dataset) {
  Hash hash;
  if (dataset.mapped) {
    add_mapped(hash, dataset);
  } else {
    hash.add(dataset.bytes);
    hash.add(dataset.floats);
  }
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
