// a network → the groups of layers that 8-bit inference computes at once, or the layer that has no form in 8 bits.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "nn/resolve.h"
#include "soma/model.h"

namespace soma {

/// One linear or conv2d layer with the relu and the max-pools behind it.
struct Int8Group {
  std::size_t node = 0;            ///< the layer
  std::vector<std::size_t> pools;  ///< nodes, in order
  bool relu = false;               ///< smallest value is 0; commutes with the pools
};

/// Groups one after the other; the last ends in a linear layer, and what is behind it is computed in real numbers.
struct Int8Chain {
  std::vector<Int8Group> groups;
  std::vector<std::size_t> tail;  ///< activations and softmax behind the last linear layer
};

/// Fails with a line that names the first layer that has no form in 8 bits. Dropout, flatten and identity are nothing here.
[[nodiscard]] Result<Int8Chain> int8_chain(const ResolvedNetwork& network);

/// The published arrays of a node; bias may be null.
struct LayerArrays {
  const Tensor* weight = nullptr;
  const Tensor* bias = nullptr;
};
LayerArrays arrays_of(const Model& model, const std::string& node);

/// Where a parameter stands on its grid: value / scale, to the nearest.
std::int64_t grid_place(float value, float scale);

/// float(input.scale · weight_scale): the grid of a bias and of the sums.
float sum_scale(const QuantizedLayer& layer, std::size_t output);

/// Sums are at least this much finer than the bytes they become, so that the factor between them is below 1 by more than it is
/// rounded to.
inline constexpr double kFinest = 1 - 0x1p-20;

/// "" or what is wrong with model.quantization: layers missing, scales that are no scales, parameters beyond the grid, sums that
/// could leave 32 bits.
std::string quantization_problem(const Model& model, const Int8Chain& chain, const ResolvedNetwork& network);

}  // namespace soma
