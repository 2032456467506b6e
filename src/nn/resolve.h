// a resolved network → who reads whom, and which arrays it is made of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "soma/error.h"
#include "soma/network.h"

namespace soma {

/// What one layer makes of its inputs; fills in an output count of 0. Errors begin with "network: `who`".
[[nodiscard]] Result<Shape> layer_shape(Layer& layer, std::vector<Shape> inputs, const std::string& who,
                                        std::int64_t classes = 0);

/// Where each node's inputs come from: the index of an earlier node, or −1 for the network's input.
std::vector<std::vector<std::int64_t>> wiring(const NetworkSpec& resolved);

/// One published array of a network.
struct ParameterShape {
  std::string name;  ///< "conv2d1.weight"
  Shape shape;
  bool trained = true;  ///< false: running statistics of batch norm
};

/// All of them in network order; within a node: weight, bias, running_mean, running_var.
std::vector<ParameterShape> parameter_shapes(const ResolvedNetwork& network);

}  // namespace soma
