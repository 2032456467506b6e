// a length → an array at an odd address, poisoned with NaN, that notices a write before or behind it.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/kernels.h"

namespace soma::test {

/// Lengths around every vector width in use, and then some.
inline constexpr std::int64_t kSizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 200};

inline constexpr double kEpsilon = 0x1p-24;  ///< unit roundoff of float

template <class T>
class Guarded {
 public:
  /// n values of NaN; `offset` values off the allocation's alignment.
  explicit Guarded(std::int64_t n, std::int64_t offset = 1)
      : n_(n), start_(kGuard + offset), all_(static_cast<std::size_t>(n + offset + 2 * kGuard), canary()) {
    for (std::int64_t i = 0; i < n; ++i) data()[i] = poison();
  }
  explicit Guarded(std::span<const T> values, std::int64_t offset = 1)
      : Guarded(static_cast<std::int64_t>(values.size()), offset) {
    std::copy(values.begin(), values.end(), data());
  }

  T* data() { return all_.data() + start_; }
  const T* data() const { return all_.data() + start_; }
  T& operator[](std::int64_t i) { return data()[i]; }
  const T& operator[](std::int64_t i) const { return data()[i]; }
  [[nodiscard]] std::int64_t size() const { return n_; }
  [[nodiscard]] std::span<const T> values() const { return {data(), static_cast<std::size_t>(n_)}; }

  [[nodiscard]] bool intact() const {
    const T guard = canary();
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(all_.size()); ++i)
      if ((i < start_ || i >= start_ + n_) && std::memcmp(&all_[static_cast<std::size_t>(i)], &guard, sizeof(T)) != 0)
        return false;
    return true;
  }

 private:
  static constexpr std::int64_t kGuard = 32;
  static T canary() {
    if constexpr (std::is_floating_point_v<T>) return static_cast<T>(-12345.678);
    return static_cast<T>(0xbeef);
  }
  static T poison() {
    if constexpr (std::is_floating_point_v<T>) return std::numeric_limits<T>::quiet_NaN();
    return static_cast<T>(0xdead);
  }
  std::int64_t n_, start_;
  std::vector<T> all_;
};

/// n floats in [low, high), a function of the seed.
inline std::vector<float> uniform(std::int64_t n, double low, double high, unsigned seed) {
  std::mt19937 engine(seed);
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& v : values) v = static_cast<float>(low + (high - low) * (static_cast<double>(engine()) * 0x1p-32));
  return values;
}

inline std::vector<double> doubles(std::span<const float> values) { return {values.begin(), values.end()}; }

inline std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }

/// Equal bits, except that one NaN is as good as another.
inline bool same(float a, float b) { return bits(a) == bits(b) || (std::isnan(a) && std::isnan(b)); }

inline std::vector<std::uint32_t> bits(std::span<const float> values) {
  std::vector<std::uint32_t> all;
  for (const float v : values) all.push_back(bits(v));
  return all;
}

/// One instance per usable target.
class TargetTest : public testing::TestWithParam<const Kernels<float>*> {
 protected:
  const Kernels<float>& kernels = *GetParam();
  const Kernels<float>& reference = reference_kernels<float>();
  const Kernels<double>& exact = reference_kernels<double>();
};

inline std::string target_name(const testing::TestParamInfo<const Kernels<float>*>& parameter) { return parameter.param->target; }

#define SOMA_EVERY_TARGET(suite)                                                                                          \
  INSTANTIATE_TEST_SUITE_P(Every, suite, testing::ValuesIn(soma::usable_kernels().begin(), soma::usable_kernels().end()), \
                           soma::test::target_name)

}  // namespace soma::test
