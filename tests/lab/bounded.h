// float arithmetic in any order → its exact value and a bound of what rounding may do to it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace soma {

/// A sum of terms that some float program works out in an order of its own. To the first order in u = 2⁻²⁴ its result is within
/// bound() of `value`: each term goes through at most `terms` roundings, and carries in what its factors were off by
/// (Higham, Accuracy and Stability of Numerical Algorithms, 3.1). Terms that are multiples of a power of two are added without
/// any rounding as long as all of them together stay below 2²⁴ of it.
struct Bounded {
  double value = 0, carried = 0, size = 0;  // size = Σ |term|
  double terms = 0;
  double quantum = 0;  // divides every term; 0 = none is known

  Bounded() = default;
  explicit Bounded(double constant) : value(constant), size(std::abs(constant)), terms(1) {}

  [[nodiscard]] double bound() const {
    const bool exact = quantum > 0 && size <= 0x1p24 * quantum;
    return carried + (exact ? 0 : terms * 0x1p-24 * size);
  }

  /// How often two numbers were compared that a float program may order the other way round: then no bound holds.
  static inline std::int64_t doubtful = 0;
};

inline Bounded rounded(double value, double carried, double roundings) {
  Bounded result(value);
  result.carried = carried;
  result.terms = roundings;
  return result;
}

/// A float program's input: exact, and a multiple of `quantum`.
inline Bounded given(double value, double quantum = 0) {
  Bounded result = rounded(value, 0, 0);
  result.quantum = quantum;
  return result;
}

/// Adding an exact zero rounds nothing.
inline bool nothing(const Bounded& a) { return a.size == 0 && a.carried == 0; }

inline Bounded operator+(const Bounded& a, const Bounded& b) {
  if (nothing(a)) return b;
  if (nothing(b)) return a;
  Bounded sum(a.value + b.value);
  sum.carried = a.carried + b.carried;
  sum.size = a.size + b.size;
  sum.terms = std::max(1.0, a.terms) + std::max(1.0, b.terms);
  sum.quantum = std::min(a.quantum, b.quantum);
  return sum;
}
inline Bounded operator-(const Bounded& a, Bounded b) {
  b.value = -b.value;
  return a + b;
}
inline Bounded operator*(const Bounded& a, const Bounded& b) {
  Bounded product = rounded(a.value * b.value, std::abs(a.value) * b.bound() + std::abs(b.value) * a.bound(), 1);
  if (a.bound() == 0 && b.bound() == 0) product.quantum = a.quantum * b.quantum;
  return product;
}
inline Bounded operator/(const Bounded& a, const Bounded& b) {
  const double quotient = a.value / b.value;
  return rounded(quotient, (a.bound() + std::abs(quotient) * b.bound()) / std::abs(b.value), 1);
}
// Vectorised exp and log are good to 2 units in the last place, here counted as 4 roundings.
inline Bounded exp(const Bounded& a) { return rounded(std::exp(a.value), std::exp(a.value) * a.bound(), 4); }
inline Bounded log(const Bounded& a) { return rounded(std::log(a.value), a.bound() / a.value, 4); }
inline Bounded sqrt(const Bounded& a) {
  return rounded(std::sqrt(a.value), a.value > 0 ? a.bound() / (2 * std::sqrt(a.value)) : 0, 1);
}
inline bool operator>(const Bounded& a, const Bounded& b) {
  if (a.value != b.value && std::abs(a.value - b.value) <= a.bound() + b.bound()) ++Bounded::doubtful;
  return a.value > b.value;
}

}  // namespace soma
