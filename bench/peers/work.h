// one pass of one layer → the same work for every library, its operands, and how each library's answer is told and compared.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/arena.h"
#include "soma/tensor.h"

namespace soma::bench {

enum class Pass {
  forward,
  weight_gradient,
  input_gradient,
  gradients,  ///< as training asks for them: of weights and bias, and of the input where a layer lies below
};

/// A linear layer without bias (y = x·Wᵀ), or a convolution of stride 1 with bias, alone or followed by relu and 2×2 max-pooling.
struct Work {
  std::string layer;
  Pass pass = Pass::forward;
  std::int64_t batch = 0;
  Shape input;  ///< {in} or {channels, height, width}
  std::int64_t out = 0;
  std::int64_t kernel = 0, padding = 0;  ///< convolutions only: kernel > 0
  bool pooled = false;
  bool first = false;  ///< nothing below wants a gradient

  [[nodiscard]] bool is_convolution() const { return kernel > 0; }
  [[nodiscard]] std::int64_t height() const { return input[1] + 2 * padding - kernel + 1; }  ///< of the convolution's output
  [[nodiscard]] std::int64_t width() const { return input[2] + 2 * padding - kernel + 1; }
  [[nodiscard]] std::int64_t output_size() const { return is_convolution() ? out * height() * width() / (pooled ? 4 : 1) : out; }
  [[nodiscard]] std::int64_t weights() const { return out * (is_convolution() ? input[0] * kernel * kernel : elements(input)); }
  /// Multiply-adds counted as two, densely.
  [[nodiscard]] double flops() const;
};

/// Random numbers in the published order: x [batch, input], w [out, in(, kernel, kernel)], bias [out], dy [batch, output].
struct Operands {
  explicit Operands(const Work& work);
  Block<float> x, w, bias, dy;
};

/// One library's way of doing a work. Runs again and again, always with the same answer.
struct Contender {
  std::string name;
  std::function<void()> run;
  /// What the last run computed, in the published order: y, dW, dx, or dW, db and dx one after the other.
  std::function<std::vector<float>()> result;
};

Contender soma_contender(const Work& work, const Operands& operands, int threads);
std::vector<Contender> onednn_contenders(const Work& work, const Operands& operands, int threads);
std::vector<Contender> openblas_contenders(const Work& work, const Operands& operands, int threads);

/// ‖a − b‖ / ‖b‖: rounding leaves 1e-6 or so, a wrong operand order about 1. Infinite when the sizes differ.
double distance(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace soma::bench
