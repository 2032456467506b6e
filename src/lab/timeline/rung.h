// a batch of digits → gradients → changed weights of mnist-cnn: one rung of the ladder from nested loops to soma's engine.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/kernels.h"

namespace soma {

// The C program's network: conv 1→32 5×5 padding 2, relu, max-pool 2/2, linear 6272→128, relu, linear 128→10, softmax
// cross-entropy. Images lie {channel, row, column}, one sample after the other.
inline constexpr std::int64_t kSide = 28, kPixels = kSide * kSide, kFilters = 32, kKernel = 5, kPadding = 2;
inline constexpr std::int64_t kPooled = kSide / 2, kFlat = kFilters * kPooled * kPooled, kHidden = 128, kClasses = 10;

/// Weights or gradients in their published shapes and order: conv weight [32, 5, 5], conv bias, linear weight [128, 6272], bias,
/// linear weight [10, 128], bias.
template <class T>
using CnnArrays = std::array<std::vector<T>, 6>;

/// T is float; a test runs the plainest rung with a number that carries its own error bound.
template <class T>
class Rung {
 public:
  virtual ~Rung() = default;

  /// Mean cross-entropy of x [rows, 784] with labels [rows], rows ≤ the batch it was made for; leaves its gradient for update().
  virtual T gradient(const T* x, const std::int32_t* labels, std::int64_t rows) = 0;
  /// One step of Adam (rate 0.001, 0.9, 0.999, 1e-8), with 1e-4·w added to the gradient of the three weights.
  virtual void update() = 0;

  [[nodiscard]] virtual const CnnArrays<T>& weights() const = 0;
  [[nodiscard]] virtual const CnnArrays<T>& gradients() const = 0;
};

// The rungs written here, one thread each, the slowest first. naive.h has the plainest of all.
std::unique_ptr<Rung<float>> make_naive(const CnnArrays<float>& weights, std::int64_t batch);
std::unique_ptr<Rung<float>> make_hoisted(const CnnArrays<float>& weights, std::int64_t batch);
std::unique_ptr<Rung<float>> make_im2col(const CnnArrays<float>& weights, std::int64_t batch);
std::unique_ptr<Rung<float>> make_simd(const CnnArrays<float>& weights, std::int64_t batch, const Kernels<float>& kernels);

/// A rung that is written here, and what it changes over the one before.
struct RungKind {
  const char *name, *idea;
  std::unique_ptr<Rung<float>> (*make)(const CnnArrays<float>& weights, std::int64_t batch, const Kernels<float>& kernels);
};
const std::vector<RungKind>& rung_kinds();

}  // namespace soma
