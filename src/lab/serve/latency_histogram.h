// durations → percentiles, in memory that does not grow with their number.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace soma {

/// Nanoseconds counted in buckets 1/64 as wide as what they hold, so that every percentile is within 1.6 % (as HdrHistogram, Gil
/// Tene); below 128 ns each value has its own.
class LatencyHistogram {
 public:
  void add(std::uint64_t nanoseconds) {
    ++counts_[bucket(nanoseconds)];
    ++count_;
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }

  /// Seconds that `share` (0 to 1) of the values do not exceed: the middle of that bucket. 0 when empty.
  [[nodiscard]] double percentile(double share) const {
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      below += counts_[i];
      if (below > 0 && static_cast<double>(below) >= share * static_cast<double>(count_)) return middle(i) * 1e-9;
    }
    return 0;
  }

 private:
  static std::size_t bucket(std::uint64_t value) {
    const std::size_t bits = std::bit_width(value), shift = bits > 7 ? bits - 7 : 0;
    return shift * 64 + static_cast<std::size_t>(value >> shift);
  }
  static double middle(std::size_t bucket) {
    const std::size_t shift = bucket < 128 ? 0 : bucket / 64 - 1;
    const std::uint64_t width = std::uint64_t{1} << shift;
    return static_cast<double>((bucket - shift * 64) * width) + static_cast<double>(width - 1) / 2;
  }
  std::array<std::uint64_t, 57 * 64 + 128> counts_{};
  std::uint64_t count_ = 0;
};

}  // namespace soma
