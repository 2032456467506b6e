// layers + one sample at a time → outputs, or moved weights, in the plainest loops: the judge of OnlineNetwork.
#pragma once

#include <cstdint>
#include <vector>

#include "batchfile/online.h"

namespace soma {

/// The arithmetic of docs/batch.md, line by line: every weight is touched in every step.
class ReferenceNetwork {
 public:
  ReferenceNetwork(std::vector<BatchLayer> layers, const OnlineRules& rules, bool bias = true);

  /// weights[l][x][y]: from neuron x of layer l (the bias neuron last) to neuron y of layer l + 1.
  std::vector<std::vector<std::vector<double>>> weights;

  const std::vector<double>& forward(const OnlineSample& sample);
  void train(const OnlineSample& sample, std::uint64_t number = 0);

  /// Of the last sample, as train() saw them.
  [[nodiscard]] const std::vector<double>& outputs() const { return neurons_.back(); }

  /// gradient[l][x][y] of the last train(), without penalties.
  std::vector<std::vector<std::vector<double>>> gradient;

 private:
  void propagate(const OnlineSample& sample, const std::uint64_t* number);

  std::vector<BatchLayer> layers_;
  OnlineRules rules_;
  std::vector<std::vector<double>> neurons_, slopes_;
  std::vector<std::vector<std::vector<double>>> moment_, moment2_;
  std::int64_t moves_ = 0;
};

}  // namespace soma
