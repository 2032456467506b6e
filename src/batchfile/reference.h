// layers + one sample at a time → outputs, or moved weights, in the plainest loops: the judge of OnlineNetwork.
#pragma once

#include <cstdint>
#include <vector>

#include "batchfile/online.h"

namespace soma {

/// The arithmetic of docs/batch.md, line by line: every weight is touched in every step.
class ReferenceNetwork {
 public:
  ReferenceNetwork(std::vector<BatchLayer> layers, const OnlineRules& rules);

  /// weights[l][x][y]: from neuron x of layer l (the bias neuron last) to neuron y of layer l + 1.
  std::vector<std::vector<std::vector<double>>> weights;

  const std::vector<double>& forward(const OnlineSample& sample);
  void train(const OnlineSample& sample);

 private:
  std::vector<BatchLayer> layers_;
  OnlineRules rules_;
  std::vector<std::vector<double>> neurons_;
};

}  // namespace soma
