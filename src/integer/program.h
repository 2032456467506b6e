// a quantised Model → IntegerProgram: the integers of 8-bit inference as plain data, which every executor and emitter reads.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "integer/chain.h"
#include "nn/resolve.h"
#include "soma/model.h"

namespace soma {

/// One sample's bytes between two steps: [h, w, c], channels last. `zero` is the byte that stands for 0, padding included.
struct IntegerValue {
  std::int64_t h = 1, w = 1, c = 1;
  std::int32_t zero = 0;

  [[nodiscard]] std::int64_t size() const { return h * w * c; }
  bool operator==(const IntegerValue&) const = default;
};

/// conv2d, and linear as the kernel that covers all of x. For output o at (row, column), in 32 bits:
///
///   sum = bias[o] + Σ q(row·stride_h + r·dilation_h − padding_h, column·stride_w + k·dilation_w − padding_w, c) ·
///   weights[o][r][k][c] y   = clamp(zero of y + ⌊(sum · multiplier[o] + 2^(shift[o] − 1)) / 2^shift[o]⌋, 0, 255)          in 64
///   bits
///
/// where q outside x is the zero of x; bias carries −zero·Σw, so q is used as it is. No sum leaves 32 bits, whatever the input.
struct IntegerProduct {
  std::size_t x = 0, y = 0;  ///< values
  std::int64_t out = 0, out_h = 1, out_w = 1;
  std::int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1;
  std::int64_t padding_h = 0, padding_w = 0, dilation_h = 1, dilation_w = 1;
  std::vector<std::int8_t> weights;  ///< [out][kernel_h][kernel_w][channels of x], −127 to 127
  std::vector<std::int32_t> bias;
  std::vector<std::int32_t> multiplier, shift;  ///< as Requantization has them; empty in the last step, which leaves its sums

  [[nodiscard]] bool last() const { return multiplier.empty(); }
};

/// y = the largest byte of each window and channel; bytes outside x do not take part.
struct IntegerPool {
  std::size_t x = 0, y = 0;
  Pool pool;
};

using IntegerStep = std::variant<IntegerProduct, IntegerPool>;

/// What a quantised model computes. The first input byte of a float is Int8Kernels::quantize of it; the last step leaves a sum
/// for each output, float(sum) · output_scales is the output, and what is in `tail` follows in real numbers.
struct IntegerProgram {
  std::vector<IntegerValue> values;  ///< [0] is the network's input; the last one is the outputs, as sums
  std::vector<IntegerStep> steps;    ///< each reads the value that the one before it wrote
  float input_scale = 1;
  std::vector<float> output_scales;
  std::vector<Layer> tail;

  [[nodiscard]] std::int64_t inputs() const { return values.front().size(); }
  [[nodiscard]] std::int64_t outputs() const { return values.back().size(); }
  /// Multiply-adds of one sample.
  [[nodiscard]] std::int64_t products() const;
};

/// `model` has a quantization and model_problem(model, network) is "" (model/check.h); `chain` is int8_chain(network).
IntegerProgram make_program(const Model& model, const ResolvedNetwork& network, const Int8Chain& chain);

/// The real numbers that a program's weights and biases stand for, as Model::parameters has them: on the grids of
/// `quantization`, in the published order of `shapes` (parameter_shapes of its network).
std::vector<Tensor> real_parameters(const IntegerProgram& program, const Quantization& quantization,
                                    const std::vector<ParameterShape>& shapes);

}  // namespace soma
